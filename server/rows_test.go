package server

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// Row H3: clients that say nothing count against the limits, and give their place
// back at the deadline of the handshake: an honest one is told at once, and served then.
func TestSilentHandshakesCount(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{Conns: 4}, Timeouts: Timeouts{Handshake: short}})
		for range 4 {
			st.dial()
		}
		eventually(t, "all count", func() bool { return st.Stats().Conns == 4 })
		st.dial().refused(503)
		eventually(t, "the deadline has passed", func() bool { return st.Stats().Conns == 0 })
		st.open().echo("served")
		if got := st.Stats(); got.HandshakeTimeouts != 4 || got.OverConns != 1 {
			t.Errorf("%d timeouts and %d refusals, want 4 and 1", got.HandshakeTimeouts, got.OverConns)
		}
	})
}

// Row H23: who a client is the kernel says, and no header of its own.
func TestForwardedHeadersAreNotBelieved(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{ConnsPerAddress: 2}})
		for i := range 2 {
			c := st.dial().open("/", fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", i), fmt.Sprintf("Forwarded: for=192.0.2.%d", i), fmt.Sprintf("X-Real-IP: 192.0.2.%d", i))
			if got := st.nth(i).conn.RemoteAddr().Addr().String(); got != "127.0.0.1" {
				t.Errorf("the client's address is %s", got)
			}
			c.echo("hello")
		}
		for i := range 5 { // turned away before the request, whatever it would say
			c := st.dial()
			c.refused(429)
			_ = i
		}
	})
}

// Row T17: connections are dealt out evenly.
func TestConnectionsAreDealtEvenly(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		const loops, each = 4, 25
		st := start(t, Handler{}, Config{Inline: inline, Loops: loops})
		counts := map[int]int{}
		for i := range loops * each {
			st.open()
			counts[st.nth(i).conn.Loop()]++
		}
		for loop, n := range counts {
			if n > each*5/4 || len(counts) != loops {
				t.Errorf("loop %d has %d of %d connections: %v", loop, n, loops*each, counts)
			}
		}
	})
}

// Row F21: both sides begin the closing handshake while the other's Close frame
// is on its way: each gets one Close frame, and no error is counted.
func TestCloseFramesCross(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline})
		const rounds = 20
		for i := range rounds {
			c := st.open()
			conn := st.nth(i).conn
			resume := st.hold() // nothing is read
			c.send(goodbye(4001, "client"))
			done := make(chan error)
			go func() { done <- conn.Close(4000, "server") }()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if f := c.frame(); f.String() != "close 4000 server" {
				t.Errorf("got %v", f)
			}
			resume()
			c.eof()
			c.Close()
			st.told(i, "open /, close 4000 server")
		}
		if got := st.Stats(); got.CloseTimeouts != 0 || got.Closes[4000] != rounds || got.Closes[StatusProtocolError] != 0 {
			t.Errorf("counters: %+v", got)
		}
	})
}

// Row M2: bytes of a message that does not end keep a connection as alive as they
// may, and no longer; a Pong nobody asked for is a sign of life.
func TestUnsolicitedPongIsLife(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, PingInterval: -1, IdleTimeout: 2 * short})
		c := st.open()
		pong := maskedFrame(ws.OpPong, "")
		for end := time.Now().Add(5 * short); time.Now().Before(end); time.Sleep(short / 2) {
			c.send(pong)
		}
		if n := st.Stats().IdleTimeouts; n != 0 {
			t.Errorf("%d idle timeouts of a client that sends Pongs", n)
		}
		if f := c.expectClose(StatusGoingAway); !strings.Contains(f.String(), "idle") {
			t.Errorf("got %v", f)
		}
	})
}

// maskedFrame is a client's frame of less than 126 bytes.
func maskedFrame(op ws.OpCode, payload string) []byte {
	return append([]byte{0x80 | byte(op), 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// Row T25: a v4-mapped address is the v4 address, and an IPv6 /64 is one client.
func TestAddressesOfOneClient(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := startIdle(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{ConnsPerAddress: 1}})
		any := st.listen("tcp", ":0").(*net.TCPAddr)
		v4 := st.listen("tcp4", "127.0.0.1:0")
		mapped := dialAddr(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: any.Port}, nil).open("/")
		mapped.echo("hello")
		dialAddr(t, v4, nil).refused(429)
		mapped.goodbye()
		eventually(t, "the place is free", func() bool { return st.Stats().Conns == 0 })
		dialAddr(t, v4, nil).open("/").echo("hello")
	})
}

// Row F30: frames that end exactly at the end of the server's buffer, one byte
// before and one behind it; and the same for all that one turn may read. A read
// that fills the buffer says nothing about what is left, and no edge follows it.
func TestFramesAtTheBufferBorder(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		const buffer = 8 << 10 // less than as shipped, so that the kernel has all of it before the server reads
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Loops: 1, readBuffer: buffer})
		for _, size := range []int{
			buffer - 1, buffer, buffer + 1, 2*buffer - 1, 2 * buffer, 2*buffer + 1, 4*buffer - 1, 4 * buffer, 4*buffer + 1,
		} {
			c := st.open()
			var in bytes.Buffer
			n := 0
			for ; in.Len()+2*106 <= size; n++ {
				in.Write(maskedFrame(ws.OpText, numbered(n, 100)))
			}
			last := numbered(n, size-in.Len()-6-6)
			if len(last) > 125 {
				last = last[:125]
			}
			in.Write(maskedFrame(ws.OpText, last))
			for in.Len() < size {
				in.Write(maskedFrame(ws.OpPong, strings.Repeat("p", max(0, min(125, size-in.Len()-6)))))
			}
			if in.Len() != size {
				t.Fatalf("%d bytes, want %d", in.Len(), size)
			}
			busy, free := make(chan struct{}), make(chan struct{})
			st.Post(0, func() { close(busy); <-free })
			<-busy
			c.send(in.Bytes())
			close(free)
			for i := range n {
				c.expect(ws.OpText, numbered(i, 100))
			}
			c.expect(ws.OpText, last)
			c.echo("end")
			c.goodbye()
		}
	})
}
