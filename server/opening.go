package server

import (
	"bytes"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/roost-ws/roost/server/internal/deflate"
	"github.com/roost-ws/roost/server/internal/handshake"
)

// opening is what the opening handshake needs: nothing before the first byte.
type opening struct {
	scan handshake.Scanner
	head []byte // bytes of a request head that is not whole yet
	owed []byte // the head that OnOpen, which is still to be called, is about
}

var heads = sync.Pool{New: func() any { return new(handshake.Head) }}

// collect gathers the request head and, when it is whole, answers it.
func (c *Conn) collect(in []byte) (used, calls int) {
	if len(in) == 0 {
		return 0, 0
	}
	r := c.rarely()
	b, old := in, len(r.head)
	if old > 0 {
		// No more than the limit is gathered; what follows is looked at in place.
		r.head = append(r.head, in[:min(len(in), c.srv.head.Bytes+1-old)]...)
		b = r.head
	}
	n, refusal := r.scan.Scan(b, c.srv.head)
	switch {
	case refusal != nil:
		c.refuse(refusal)
		return len(in), 0
	case n == 0:
		if old == 0 {
			r.head = bytes.Clone(in)
		}
		return len(in), 0
	}
	if cfg := &c.srv.cfg; (cfg.OnUpgrade != nil || cfg.OnStream != nil || cfg.Origins.Check != nil) && !c.pipe.Calling() {
		// The hook may block, and this is the loop. All of it once more, on a worker.
		r.head, r.scan = nil, handshake.Scanner{}
		c.pipe.NeedCalls()
		if old == 0 {
			return 0, 0
		}
		c.pipe.Unread(bytes.Join([][]byte{b[:n], in[n-old:]}, nil))
		return len(in), 0
	}
	h := heads.Get().(*handshake.Head)
	defer heads.Put(h)
	return n - old, c.answer(h, b[:n], in[n-old:])
}

// answer decides what becomes of a whole request head. rest is what came behind it.
func (c *Conn) answer(h *handshake.Head, head, rest []byte) (calls int) {
	if refusal := h.Parse(head, c.srv.head); refusal != nil {
		c.refuse(refusal)
		return 0
	}
	req := &Request{head: h, conn: c}
	if c.srv.cfg.OnStream != nil && h.Streamable() {
		calls++
		switch answered, refusal := c.stream(req); {
		case refusal != nil:
			c.refuse(refusal)
			return calls
		case answered:
			return calls + c.begin(req, head)
		}
	}
	if c.srv.http != nil && !h.WantsWebSocket() && c.calls&adopted == 0 {
		c.toHTTP(head, rest)
		return calls
	}
	if c.srv.cfg.Origins.Check != nil {
		calls++
	}
	res, refusal := c.check(h)
	if refusal == nil && c.srv.cfg.OnUpgrade != nil {
		calls++
		refusal = c.onUpgrade(req)
	}
	var response []byte
	if refusal == nil {
		response, refusal = c.srv.upgrader.Accept(nil, h, res, req.response)
	}
	if refusal != nil {
		c.refuse(refusal)
		return calls
	}
	c.pipe.Enqueue(response, nil, true) // fails only when the connection is being closed
	c.proto, c.deflate = int8(res.Subprotocol), deflate.Params(res.Agreed)
	return calls + c.begin(req, head)
}

// begin opens the connection, and calls OnOpen or leaves it to a worker.
func (c *Conn) begin(req *Request, head []byte) (calls int) {
	c.opened()
	switch {
	case c.srv.handler.OnOpen == nil:
		c.pipe.Offload()
		return 0
	case c.pipe.Calling():
		c.onOpen(req)
		return 1
	}
	// A worker will make the call, from the same head.
	c.calls |= owesOpen
	c.rarely().owed = bytes.Clone(head)
	return 0
}

// opened moves the connection to open. From here on its turns may run the application's code.
func (c *Conn) opened() {
	c.setState(stateOpen)
	c.srv.stats.Opened.Add(1)
	c.rare = nil
	if c.deflate.TakesOver() {
		c.rare = &rare{past: new(past)}
	}
	c.began = 0
	c.calls |= owesClose
	if c.pipe.Calling() {
		c.pipe.Calls()
	} else {
		c.pipe.NeedCalls()
	}
	c.pipe.SetDue(c.firstDue())
}

// callOwed makes the OnOpen call that the loop could not make.
func (c *Conn) callOwed() {
	head := c.rare.owed
	c.rare.owed = nil
	c.calls &^= owesOpen
	h := heads.Get().(*handshake.Head)
	defer heads.Put(h)
	if h.Parse(head, c.srv.head) == nil { // it was parsed before
		c.onOpen(&Request{head: h, conn: c})
	}
}

func (c *Conn) onOpen(r *Request) {
	defer c.rescue()
	defer c.pipe.Offload() // only now can nobody ask for r.TLS any more
	c.srv.handler.OnOpen(c, r)
}

// check decides about a request; Origins.Check is the application's.
func (c *Conn) check(h *handshake.Head) (res handshake.Result, refusal *Refusal) {
	defer c.refusePanic(&refusal)
	return c.srv.upgrader.Check(h)
}

func (c *Conn) onUpgrade(r *Request) (refusal *Refusal) {
	defer c.refusePanic(&refusal)
	return byApplication(c.srv.cfg.OnUpgrade(r))
}

// refusePanic, deferred, answers a hook that panics with 500.
func (c *Conn) refusePanic(refusal **Refusal) {
	if p := recover(); p != nil {
		c.srv.panicked(p, debug.Stack())
		*refusal = refuseInternal
	}
}

// byApplication is a refusal of the application's, whatever cause it says: the
// causes are counted.
func byApplication(refusal *Refusal) *Refusal {
	if refusal == nil {
		return nil
	}
	own := *refusal
	own.Cause = handshake.CauseApplication
	return &own
}

var (
	refuseInternal = &Refusal{
		Status: http.StatusInternalServerError, Reason: "The server met an error of its own.",
		Cause: handshake.CauseServer,
	}
	refuseClosing = &Refusal{
		Status: http.StatusServiceUnavailable, Reason: "The server is shutting down.",
		Header: http.Header{"Retry-After": {"1"}},
	}
	refuseConns = &Refusal{
		Status: http.StatusServiceUnavailable, Reason: "The server holds as many connections as it may.",
		Header: http.Header{"Retry-After": {"10"}},
	}
	refuseHandshakes = &Refusal{
		Status: http.StatusServiceUnavailable, Reason: "As many clients are connecting as may at a time.",
		Header: http.Header{"Retry-After": {"10"}},
	}
	refuseHeld = &Refusal{
		Status: http.StatusServiceUnavailable, Reason: "The server's clients make it hold as much as it may.",
		Header: http.Header{"Retry-After": {"5"}},
	}
	refuseAddress = &Refusal{
		Status: http.StatusTooManyRequests, Reason: "Too many connections come from this address.",
		Header: http.Header{"Retry-After": {"10"}},
	}
)

// refuse answers with an HTTP error and sees the client off.
func (c *Conn) refuse(r *Refusal) {
	c.srv.stats.refusals[r.Cause].Add(1)
	c.sendOff(r)
}

func (c *Conn) sendOff(r *Refusal) {
	c.pipe.Enqueue(r.Append(nil), nil, true)
	c.linger()
}

// turnAway refuses a connection that met a limit, before it has said anything.
func (c *Conn) turnAway() {
	r := refuseConns
	switch {
	case c.calls&overHandshakes != 0:
		r = refuseHandshakes
	case c.calls&overHeld != 0:
		r = refuseHeld
	case c.calls&overAddress != 0:
		r = refuseAddress
	}
	c.sendOff(r)
}

// responseLen is the length of the HTTP response that b begins with. Behind a
// 101 frames may follow, and chunks behind the 200 of a stream; behind everything
// else nothing does.
func responseLen(b []byte) int {
	goesOn := bytes.HasPrefix(b, []byte("HTTP/1.1 101 ")) || bytes.HasPrefix(b, []byte("HTTP/1.1 200 "))
	if end := bytes.Index(b, []byte("\r\n\r\n")); end >= 0 && goesOn {
		return end + 4
	}
	return len(b)
}
