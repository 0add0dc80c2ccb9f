package server

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Messages of the simulation name their maker, their number and what is to be
// done with them, and end in filling that follows from these: a byte in the
// wrong place, on the wrong connection or missing is seen.
const simHead = 18

// What a client can ask of the application.
const (
	askEcho  = 'e' // send it back
	askMany  = 'm' // send it back several times
	askQuiet = 'q' // do nothing
	askClose = 'c' // close with 4000 and the number
	askPanic = '!'
	askBlock = 'b' // take your time, then send it back
)

func simMessage(maker, seq int, ask byte, filling int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%08x%08x%c.", maker, seq, ask)
	for i := range filling {
		b.WriteByte(' ' + byte((maker*31+seq*7+i)%90))
	}
	return b.String()
}

// readSimMessage returns a message's parts. It fails for bytes that nobody sent.
func readSimMessage(b string) (maker, seq int, ask byte, err error) {
	if len(b) < simHead {
		return 0, 0, 0, fmt.Errorf("a message of %d bytes: %q", len(b), b)
	}
	m, err1 := strconv.ParseUint(b[:8], 16, 32)
	s, err2 := strconv.ParseUint(b[8:16], 16, 32)
	if err1 != nil || err2 != nil || b != simMessage(int(m), int(s), b[16], len(b)-simHead) {
		return 0, 0, 0, fmt.Errorf("a message that nobody sent: %.60q", b)
	}
	return int(m), int(s), b[16], nil
}

// The makers of what a server sends unasked.
const (
	simPush = 1 << 16 // and above: to one client, numbered for each of them
	simNews = 1 << 20 // and above: to all of them, in one order
)

// simApp is the application. It believes nothing about how it is called.
type simApp struct {
	r        *simRun
	conns    []*simPeer // all that were ever opened
	inLoop   map[int]string
	messages int
	panics   int
	closed   int
	posted   int
	ran      int
	news     map[int]int // numbers by sender
}

// simPeer is what the application knows of a connection: its Value.
type simPeer struct {
	id     int
	c      *Conn
	inside string // the callback that is running
	next   int    // number of its next message
	closed bool
	pushed map[int]int // next number by sender
}

func (a *simApp) handler() Handler {
	a.inLoop, a.news = make(map[int]string), make(map[int]int)
	return Handler{OnOpen: a.onOpen, OnMessage: a.onMessage, OnClose: a.onClose, OnDrain: a.onDrain}
}

// enter checks that callbacks of one connection come one at a time, in Inline
// mode those of one loop, and none after the last.
func (a *simApp) enter(p *simPeer, call string) (leave func()) {
	w, loop := a.r.w, p.c.Loop()
	if p.inside != "" || p.closed {
		w.Fail("client %d: %s is called in %q, closed %v", p.id, call, p.inside, p.closed)
	}
	if a.r.cfg.Inline && a.inLoop[loop] != "" {
		w.Fail("loop %d runs %s while it runs %s", loop, call, a.inLoop[loop])
	}
	p.inside, a.inLoop[loop] = call, call
	w.Yield(call)
	return func() { p.inside, a.inLoop[loop] = "", "" }
}

func (a *simApp) onUpgrade(req *Request) *Refusal {
	a.r.w.Yield("OnUpgrade")
	if req.RawQuery() == "refuse" {
		return &Refusal{Status: 418, Reason: "no"}
	}
	req.SetHeader("X-Sim", "1")
	return nil
}

func (a *simApp) onStream(req *Request) (*Stream, *Refusal) {
	a.r.w.Yield("OnStream")
	if req.RawQuery() != "stream" {
		return nil, nil
	}
	return &Stream{ContentType: "text/event-stream"}, nil
}

func (a *simApp) onOpen(c *Conn, req *Request) {
	id, err := strconv.Atoi(strings.TrimPrefix(req.Path(), "/"))
	if err != nil || c.Value() != nil {
		a.r.w.Fail("OnOpen for %q, with a value %v", req.Path(), c.Value())
	}
	p := &simPeer{id: id, c: c, pushed: make(map[int]int)}
	c.SetValue(p)
	defer a.enter(p, "OnOpen")()
	a.conns = append(a.conns, p)
	if got := c.Subprotocol(); got != "" && got != "sim" {
		a.r.w.Fail("client %d: subprotocol %q", id, got)
	}
}

func (a *simApp) peer(c *Conn, call string) *simPeer {
	p, ok := c.Value().(*simPeer)
	if !ok || p.c != c {
		a.r.w.Fail("%s on a connection that was not opened", call)
	}
	return p
}

func (a *simApp) onMessage(c *Conn, op Opcode, b []byte) {
	p := a.peer(c, "OnMessage")
	defer a.enter(p, "OnMessage")()
	a.messages++
	whole := string(b)
	maker, seq, ask, err := readSimMessage(whole)
	if err != nil || maker != p.id || seq != p.next {
		a.r.w.Fail("client %d: message %d of %d came, want %d; %v", p.id, seq, maker, p.next, err)
	}
	p.next++
	switch ask {
	case askEcho:
		a.send(p, op, b)
	case askMany:
		for range 3 {
			a.send(p, op, b)
		}
	case askClose:
		c.Close(4000, "asked")
		if c.Send(Text, b) == nil {
			a.r.w.Fail("client %d: Send after Close", p.id)
		}
	case askPanic:
		a.panics++
		p.inside, a.inLoop[c.Loop()] = "", ""
		panic("asked")
	case askBlock:
		if a.r.longest > 0 {
			a.r.w.Sleep(time.Duration(a.r.w.Rand.Int64N(int64(a.r.longest))))
		}
		a.send(p, op, b)
	}
	a.r.w.Yield("answered")
	if string(b) != whole {
		a.r.w.Fail("client %d: the message changed while OnMessage looked at it", p.id)
	}
}

// send sends an answer, whose failure is the client's doom.
func (a *simApp) send(p *simPeer, op Opcode, b []byte) {
	if p.c.Send(op, b) == ErrSlowConsumer && a.r.cfg.SlowConsumer == CloseSlow {
		a.r.doom(p.id)
	}
}

func (a *simApp) onClose(c *Conn, err *CloseError) {
	p := a.peer(c, "OnClose")
	leave := a.enter(p, "OnClose")
	defer func() { leave(); p.closed = true }()
	a.closed++
	a.r.ends[p.id] = *err
	if c.Send(Text, []byte("late")) == nil && a.r.w.Rand.IntN(2) == 0 {
		c.Ping(nil)
	}
}

func (a *simApp) onDrain(c *Conn) {
	p := a.peer(c, "OnDrain")
	defer a.enter(p, "OnDrain")()
	a.r.meet("OnDrain")
}

// over checks that every connection was told of its end, and every task was run.
func (a *simApp) over() {
	for _, p := range a.conns {
		if !p.closed {
			a.r.w.Fail("client %d: OnClose was never called", p.id)
		}
	}
	if a.posted != a.ran {
		a.r.w.Fail("%d of %d posted tasks were run", a.ran, a.posted)
	}
}

// sender is a goroutine of the application's: it sends to one, to all, and
// looks around.
func (a *simApp) sender(me int) {
	r := a.r
	d := r.w.RandOf("sender " + strconv.Itoa(me))
	for i := range 1 + d.IntN(40) {
		if r.stopped {
			a.tell(simNews+me, 0) // the last moments are the ones in which tasks get lost
			return
		}
		if r.pace > 0 {
			r.w.Sleep(time.Duration(d.Int64N(int64(r.pace))))
		} else {
			r.w.Yield("sender")
		}
		kind, filling := d.IntN(8), d.IntN(min(r.filling, 3000))
		if len(a.conns) == 0 || !r.w.Part("sender %d deed %d", me, i) {
			continue
		}
		p := a.conns[r.w.Rand.IntN(len(a.conns))]
		switch kind {
		case 0:
			p.c.RemoteAddr()
		case 1:
			r.srv.Stats()
		case 2:
			a.tell(simNews+me, filling)
		default:
			a.push(simPush+me, p, filling)
		}
	}
}

// push sends to one client, copied or prepared.
func (a *simApp) push(me int, p *simPeer, filling int) {
	whole := simMessage(me, p.pushed[me], 'p', filling)
	var err error
	if a.r.w.Rand.IntN(2) == 0 {
		err = p.c.SendPrepared(prepareFor(p.c, whole))
	} else {
		b := []byte(whole)
		err = p.c.Send(Binary, b)
		clear(b) // it was copied
	}
	switch {
	case err == nil:
		p.pushed[me]++
		a.r.meet("pushed")
	case err == ErrSlowConsumer && a.r.cfg.SlowConsumer == CloseSlow:
		a.r.doom(p.id)
	}
}

func prepareFor(c *Conn, message string) *Prepared {
	if c.Streaming() {
		return PrepareChunk([]byte(message))
	}
	return Prepare(Text, []byte(message))
}

// tell sends news to all that are open, loop by loop, as a push server does.
func (a *simApp) tell(me, filling int) {
	r := a.r
	number := a.news[me]
	a.news[me]++
	whole := simMessage(me, number, 'n', filling)
	message, chunk := Prepare(Text, []byte(whole)), PrepareChunk([]byte(whole))
	for loop := range r.srv.Loops() {
		err := r.srv.Post(loop, func() {
			a.ran++
			for _, p := range a.conns {
				if p.c.Loop() != loop || p.closed {
					continue
				}
				news := message
				if p.c.Streaming() {
					news = chunk
				}
				if p.c.SendPrepared(news) == ErrSlowConsumer && r.cfg.SlowConsumer == CloseSlow {
					r.doom(p.id)
				}
				r.meet("news")
			}
		})
		if err == nil {
			a.posted++
		}
	}
}
