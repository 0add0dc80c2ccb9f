package server

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"github.com/gobwas/ws"
)

// listener is the client of a stream: it looks at every chunk, and leaves or
// says what no such client may say.
func (cl *simClient) listener() {
	if cl.r.cfg.OnStream == nil {
		cl.polite()
		return
	}
	cl.stream = true
	var early []byte
	rude := cl.d.IntN(3) == 0
	if rude && cl.d.IntN(3) == 0 {
		early = []byte("GET / HTTP/1.1\r\n")
	}
	if !cl.open(early) {
		return
	}
	for range cl.d.IntN(5) {
		cl.r.w.Sleep(time.Duration(cl.d.Int64N(int64(time.Second))))
		for cl.ended == nil && (cl.c.Buffered() > 0 || cl.c.Ended()) {
			cl.receive()
		}
	}
	if rude && early == nil {
		cl.write([]byte("x"))
	}
	if rude {
		cl.until(func() bool { return cl.last != nil })
	}
	cl.c.CloseWrite()
	cl.until(func() bool { return false })
	switch {
	case cl.excused():
	case len(cl.buf) > 0 || cl.ended != io.EOF:
		cl.fail("the stream ends with %v, in %q", cl.ended, cl.buf)
	case rude != (cl.last != nil):
		cl.fail("the body is whole: %v, but the client broke the rules: %v", cl.last != nil, rude)
	case rude:
		cl.told(1002, false)
	default:
		cl.told(1001, true)
	}
}

// chunks takes every whole chunk, each of which is one message.
func (cl *simClient) chunks() {
	for {
		line, rest, whole := bytes.Cut(cl.buf, []byte("\r\n"))
		if !whole {
			return
		}
		n, err := strconv.ParseUint(string(line), 16, 32)
		if err != nil || cl.last != nil {
			cl.fail("a chunk of %q (%v), after the last: %v", line, err, cl.last != nil)
		}
		size := int(n)
		if len(rest) < size+2 {
			return
		}
		data, end := string(rest[:size]), string(rest[size:size+2])
		cl.buf = rest[size+2:]
		switch maker, seq, _, err := readSimMessage(data); {
		case end != "\r\n":
			cl.fail("behind a chunk comes %q", end)
		case size == 0:
			cl.last = &frame{op: ws.OpClose}
		case data == ":\n\n":
		case err != nil || maker < simPush:
			cl.fail("a chunk with %.40q (%v)", data, err)
		default:
			cl.unasked(maker, seq)
		}
	}
}
