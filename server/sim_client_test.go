package server

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/sim"
)

// simClient is one client of the simulation. Every byte it gets must be part of
// a frame that it waits for, or that the server may send unasked.
type simClient struct {
	r    *simRun
	id   int
	d    *rand.Rand // its script; the same whatever the others do
	c    sim.Client
	slow bool

	stream bool // asks for a stream, and gets chunks
	buf    []byte
	opened bool
	sent   int      // messages
	wants  []string // answers still to come, in order, as frame.String and opcode
	news   map[int]int
	deaf   bool // answers no Ping
	inside bool // a write is under way, into which nothing may be put
	owed   []byte
	quit   bool // sent a Close frame
	last   *frame
	spoke  time.Duration // when it last sent something
	ended  error         // how the stream ended: io.EOF or ECONNRESET
	status int           // of the HTTP response, once there is one
}

func newSimClient(r *simRun, id int) *simClient {
	cl := &simClient{r: r, id: id, d: r.w.RandOf(fmt.Sprintf("client %d", id)), news: make(map[int]int)}
	cl.slow = cl.d.IntN(6) == 0
	return cl
}

func (cl *simClient) fail(format string, args ...any) {
	cl.r.w.Fail("client %d: %s", cl.id, fmt.Sprintf(format, args...))
}

// excused reports whether the server owes this client nothing any more.
func (cl *simClient) excused() bool {
	return cl.givenUp() || cl.r.stopped || cl.r.leaving
}

// patchy reports whether messages may be missing between others: by policy, or
// because the server gives the client up.
func (cl *simClient) patchy() bool {
	return cl.r.gaps || cl.givenUp()
}

// givenUp reports whether the server may have had enough of the client: a sender
// that meets the limit of its queue learns that only after it was acted upon.
func (cl *simClient) givenUp() bool {
	p := cl.peer()
	return cl.r.doomed[cl.id] || cl.r.srv.stats.Shed.Load() > 0 || p != nil && p.c.pipe.Overflowed()
}

// request is a correct opening handshake.
func (cl *simClient) request() string {
	if cl.stream {
		return fmt.Sprintf("GET /%d?stream HTTP/1.1\r\nHost: sim\r\n\r\n", cl.id)
	}
	text := fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n", cl.id)
	if cl.d.IntN(3) == 0 {
		text += "Sec-WebSocket-Protocol: other, sim\r\n"
	}
	return text + "\r\n"
}

// open connects until the server has room, and has early follow the request in
// one piece. It reports false when the server goes away.
func (cl *simClient) open(early []byte) bool {
	request := cl.request()
	for {
		if !cl.dial() {
			return false
		}
		cl.write(append([]byte(request), early...))
		cl.until(func() bool { return cl.status != 0 })
		switch {
		case cl.opened:
			return true
		case cl.r.stopped || cl.r.leaving || cl.status == 0 && cl.excused():
			cl.c.Close()
			return false
		case cl.status == 0 && !cl.c.Aborted():
			cl.fail("no answer to the handshake: %v", cl.ended)
		case cl.status == http.StatusServiceUnavailable && (cl.r.cfg.Limits.Conns < 100 || cl.r.cfg.Limits.Handshakes > 0 || cl.r.cfg.Limits.Held > 0),
			cl.status == http.StatusTooManyRequests && cl.r.cfg.Limits.ConnsPerAddress > 0:
			cl.until(func() bool { return false })
			cl.r.meet("turned away")
		case cl.status != 0:
			cl.fail("the handshake is answered with %d", cl.status)
		}
		cl.c.Close()
		cl.r.w.Sleep(time.Second)
	}
}

func (cl *simClient) dial() bool {
	c, err := cl.r.listener.Dial()
	if err != nil {
		if !cl.r.stopped && !cl.r.leaving {
			cl.fail("%v", err)
		}
		return false
	}
	cl.c, cl.buf, cl.ended, cl.status, cl.opened, cl.owed = c, nil, nil, 0, false, nil
	return true
}

// write sends b, and reads while there is no room: a client that does not must
// not expect to be served. It reports false when the stream is over.
func (cl *simClient) write(b []byte) bool {
	if cl.inside {
		cl.owed = append(cl.owed, b...)
		return true
	}
	cl.inside = true
	defer func() { cl.inside = false }()
	for len(b) > 0 || len(cl.owed) > 0 {
		if len(b) == 0 {
			b, cl.owed = cl.owed, nil
		}
		if cl.ended != nil {
			return false
		}
		c := cl.c
		cl.r.w.Until("client talks", func() bool { return c.Room() > 0 || c.Buffered() > 0 || c.Ended() })
		if c.Buffered() > 0 || c.Ended() {
			cl.receive()
			continue
		}
		cl.spoke = cl.r.w.Now()
		n, err := c.Write(b)
		if err != nil {
			cl.receive()
			return false
		}
		b = b[n:]
	}
	return true
}

// until reads until done or the end of the stream.
func (cl *simClient) until(done func() bool) {
	for !done() && cl.ended == nil {
		cl.receive()
	}
}

// receive reads once and checks what came.
func (cl *simClient) receive() {
	size := 1 + cl.r.w.Rand.IntN(80_000)
	if cl.slow {
		size = 1 + size%100
		cl.r.w.Sleep(time.Millisecond)
	}
	b := make([]byte, size)
	n, err := cl.c.Read(b)
	if err != nil {
		cl.ended = err
		return
	}
	cl.buf = append(cl.buf, b[:n]...)
	if !cl.opened && !cl.response() {
		return
	}
	if cl.stream {
		cl.chunks()
		return
	}
	cl.frames()
}

// response takes the HTTP response, and reports whether frames may follow.
func (cl *simClient) response() bool {
	end := bytes.Index(cl.buf, []byte("\r\n\r\n"))
	if end < 0 || cl.status != 0 {
		return false
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(cl.buf)), nil)
	if err != nil {
		cl.fail("a response that is none: %v: %q", err, cl.buf)
	}
	cl.status = res.StatusCode
	switch {
	case cl.stream && cl.status == http.StatusOK:
		cl.opened, cl.buf = true, cl.buf[end+4:]
		return true
	case cl.status != http.StatusSwitchingProtocols:
		return false
	}
	if got := res.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		cl.fail("Sec-WebSocket-Accept: %q", got)
	}
	cl.opened, cl.buf = true, cl.buf[end+4:]
	return true
}

// frames takes every whole frame.
func (cl *simClient) frames() {
	for len(cl.buf) > 0 {
		in := bytes.NewReader(cl.buf)
		f, err := readFrame(bufio.NewReaderSize(in, 16))
		if err != nil {
			if cut := whole(cl.buf); cut {
				cl.fail("%v: % x", err, cl.buf[:min(len(cl.buf), 40)])
			}
			return
		}
		size := 2 + len(f.payload)
		if len(f.payload) > 0xffff {
			size += 8
		} else if len(f.payload) > 125 {
			size += 2
		}
		cl.buf = cl.buf[size:]
		cl.check(f)
	}
}

// whole reports whether b begins with a frame that is complete, or that is
// wrong whatever follows.
func whole(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	size, head := uint64(b[1]&0x7f), 2
	switch {
	case b[1] >= 0x80 || b[0]&0x70 != 0:
		return true
	case size == 126:
		head = 4
	case size == 127:
		head = 10
	}
	if len(b) < head {
		return false
	}
	for i, n := 2, uint64(0); i < head; i++ {
		n = n<<8 | uint64(b[i])
		size = n
	}
	return uint64(len(b)-head) >= size
}

// want is how an expected answer is written down.
func want(op ws.OpCode, payload string) string { return string(rune('0'+op)) + payload }

func (cl *simClient) check(f frame) {
	if cl.last != nil {
		cl.fail("%v after the Close frame", f)
	}
	switch {
	case f.op == ws.OpClose:
		cl.last = &f
		return
	case f.op == ws.OpPing:
		if !cl.deaf && !cl.quit {
			cl.write(pong(string(f.payload)))
		}
		return
	case f.op != ws.OpPong:
		maker, seq, _, err := readSimMessage(string(f.payload))
		if err != nil {
			cl.fail("%v", err)
		}
		if maker >= simPush {
			cl.unasked(maker, seq)
			return
		}
	}
	i := slices.Index(cl.wants, want(f.op, string(f.payload)))
	if i < 0 || i > 0 && !cl.patchy() || i > 0 && slices.ContainsFunc(cl.wants[:i], isPong) {
		next := "nothing"
		if len(cl.wants) > 0 {
			next = fmt.Sprintf("%.40q", cl.wants[0])
		}
		cl.fail("got %v, %.40q, want %s", f, f.payload, next)
	}
	cl.wants = cl.wants[i+1:]
}

// isPong: no policy may drop what the protocol demands.
func isPong(s string) bool { return strings.HasPrefix(s, string(rune('0'+ws.OpPong))) }

// unasked checks the order of what comes from elsewhere.
func (cl *simClient) unasked(maker, seq int) {
	next, known := cl.news[maker]
	gaps := cl.patchy()
	if maker < simNews && !known {
		known = true // the first is number 0; of news a client may miss the beginning
	}
	if known && (seq < next || seq > next && !gaps) {
		cl.fail("message %d of sender %x came, want %d", seq, maker, next)
	}
	cl.news[maker] = seq + 1
}
