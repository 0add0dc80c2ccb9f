package push

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/roost-ws/roost/server/internal/sim"
)

// simWire is a client's connection: frames or chunks, which it answers as a
// WebSocket library or a browser does.
type simWire struct {
	r    *simRun
	c    sim.Client
	slow bool

	buf    []byte
	status int // of the HTTP response, once there is one
	stream bool
	text   func([]byte) // takes a message, or what came of a stream
	code   int          // of the Close frame that came
	closed bool         // we sent one
	ended  error        // how the stream ended
	inside bool         // a write is under way, into which nothing may be put
	owed   []byte
}

// dial connects and asks for what request says. It reports false when the server is gone.
func (wi *simWire) dial(request string) bool {
	for {
		c, err := wi.r.listener.Dial()
		if err != nil {
			if !wi.r.stopped && !wi.r.leaving {
				wi.r.w.Fail("%v", err)
			}
			return false
		}
		*wi = simWire{r: wi.r, slow: wi.slow, stream: wi.stream, text: wi.text, c: c}
		wi.write([]byte(request))
		wi.until(func() bool { return wi.status != 0 })
		switch {
		case wi.status == 101 && !wi.stream, wi.status == 200 && wi.stream:
			return true
		case wi.r.stopped || wi.r.leaving:
			c.Close()
			return false
		case wi.status != 0 || !c.Aborted():
			wi.r.w.Fail("the handshake is answered with %d: %v", wi.status, wi.ended)
		}
		c.Close()
		wi.r.w.Sleep(time.Second)
	}
}

// frame sends a frame, masked.
func (wi *simWire) frame(op byte, payload string) {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	}
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	wi.write(b)
}

// write sends b, and reads while there is no room.
func (wi *simWire) write(b []byte) {
	if wi.inside {
		wi.owed = append(wi.owed, b...)
		return
	}
	wi.inside = true
	defer func() { wi.inside = false }()
	for len(b) > 0 || len(wi.owed) > 0 {
		if len(b) == 0 {
			b, wi.owed = wi.owed, nil
		}
		if wi.ended != nil {
			return
		}
		c := wi.c
		wi.r.w.Until("client talks", func() bool { return c.Room() > 0 || c.Buffered() > 0 || c.Ended() })
		if c.Buffered() > 0 || c.Ended() {
			wi.receive()
			continue
		}
		n, err := c.Write(b)
		if err != nil {
			wi.receive()
			return
		}
		b = b[n:]
	}
}

// until reads until done or the end of the stream.
func (wi *simWire) until(done func() bool) {
	for !done() && wi.ended == nil {
		wi.receive()
	}
}

// idle reads what comes for a while, or until over says so.
func (wi *simWire) idle(d time.Duration, over func() bool) {
	c, w := wi.c, wi.r.w
	for end := w.Now() + d; wi.ended == nil && w.Now() < end && !over(); {
		if c.Buffered() > 0 || c.Ended() {
			wi.receive()
			continue
		}
		c.Wait(min(end-w.Now(), time.Second))
	}
}

func (wi *simWire) receive() {
	size := 1 + wi.r.w.Rand.IntN(80_000)
	if wi.slow {
		size = 1 + size%200
		wi.r.w.Sleep(time.Millisecond)
	}
	b := make([]byte, size)
	n, err := wi.c.Read(b)
	if err != nil {
		wi.ended = err
		return
	}
	wi.buf = append(wi.buf, b[:n]...)
	if wi.status == 0 {
		head, rest, whole := bytes.Cut(wi.buf, []byte("\r\n\r\n"))
		if !whole {
			return
		}
		_, _ = fmt.Sscanf(string(head), "HTTP/1.1 %d", &wi.status)
		wi.buf = rest
	}
	switch {
	case wi.status != 101 && wi.status != 200:
	case wi.stream:
		wi.chunks()
	default:
		wi.frames()
	}
}

// frames takes every whole frame.
func (wi *simWire) frames() {
	for len(wi.buf) >= 2 {
		head, n := 2, int(wi.buf[1])
		switch {
		case n == 126 && len(wi.buf) >= 4:
			head, n = 4, int(binary.BigEndian.Uint16(wi.buf[2:]))
		case n == 126:
			return
		case n > 126 || wi.buf[0]&0x70 != 0 || wi.buf[0] < 0x80:
			wi.r.w.Fail("a frame begins with % x", wi.buf[:2])
		}
		if len(wi.buf) < head+n {
			return
		}
		op, payload := wi.buf[0]&15, wi.buf[head:head+n]
		wi.buf = wi.buf[head+n:]
		switch {
		case wi.code != 0:
			wi.r.w.Fail("after its Close frame the server sends op %d: %q", op, payload)
		case op == 1:
			wi.text(payload)
		case op == 8:
			wi.code = int(binary.BigEndian.Uint16(append(bytes.Clone(payload), 3, 0xed)))
			wi.close()
		case op == 9:
			wi.frame(10, string(payload))
		default:
			wi.r.w.Fail("a frame of op %d: %q", op, payload)
		}
	}
}

// close begins the closing handshake, or ends it.
func (wi *simWire) close() {
	if !wi.closed && !wi.stream {
		wi.closed = true
		wi.frame(8, "\x03\xe8")
	}
}

// chunks takes what came of every whole chunk.
func (wi *simWire) chunks() {
	for {
		line, rest, whole := bytes.Cut(wi.buf, []byte("\r\n"))
		if !whole {
			return
		}
		n, err := strconv.ParseUint(string(line), 16, 31)
		if err != nil || wi.code != 0 {
			wi.r.w.Fail("a chunk of %q (%v), after the last: %v", line, err, wi.code != 0)
		}
		size := int(n)
		if len(rest) < size+2 {
			return
		}
		if wi.buf = rest[size+2:]; size == 0 {
			wi.code = 1000
			continue
		}
		wi.text(rest[:size])
	}
}

// simStreamRequest asks for a stream of channels, from where the last one was.
func simStreamRequest(channels []string, token, last string) string {
	text := "GET /app/key/sse?channels=" + strings.Join(channels, ",") + token + " HTTP/1.1\r\nHost: sim\r\n"
	if last != "" {
		text += "Last-Event-ID: " + last + "\r\n"
	}
	return text + "\r\n"
}

const simSocketRequest = "GET /app/key?protocol=7 HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
