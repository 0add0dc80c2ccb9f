package server

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// short is a timeout that the tests let pass. The engine's clock ticks every
// tenth of a second, so a deadline may be met that much early.
const (
	short = 500 * time.Millisecond
	tick  = 100 * time.Millisecond
)

// trickle writes byte after byte until it cannot, and returns how many there were.
func trickle(c *client, b []byte) (n int) {
	for ; n < len(b); n++ {
		if _, err := c.Write(b[n : n+1]); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return n
}

// Timeouts.Handshake is absolute: no byte puts it off. H2, H3.
func TestTimeoutHandshake(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, Timeouts: Timeouts{Handshake: short}})
		began := time.Now()
		silent, slow := st.dial(), st.dial()
		if head := []byte(upgrade("/")); trickle(slow, head) == len(head) {
			t.Error("a handshake that took too long was not cut")
		}
		silent.gone()
		slow.gone()
		if took := time.Since(began); took < short-tick {
			t.Errorf("cut after %v", took)
		}
		st.quiet()
		if n := st.Stats().HandshakeTimeouts; n != 2 {
			t.Errorf("%d were counted, want 2", n)
		}
	})
}

// Timeouts.Message counts from the first byte of a message to its last; bytes,
// fragments and control frames in between do not put it off. M2.
func TestTimeoutMessage(t *testing.T) {
	for name, sent := range map[string][]byte{
		"frame":     text(numbered(0, 200)),
		"fragments": bytes.Repeat(append(masked(0, "part"), ping("")...), 20),
	} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, inline bool) {
				st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Timeouts: Timeouts{Message: short}})
				c := st.open()
				began := time.Now()
				if name == "fragments" {
					c.send(masked(byte(ws.OpText), "begun"))
				}
				var wg sync.WaitGroup
				wg.Go(func() { trickle(c, sent) })
				f := c.frame()
				for ; f.op == ws.OpPong; f = c.frame() {
				}
				if f.String() != "close 1008 message took too long" {
					t.Errorf("got %v", f)
				}
				if took := time.Since(began); took < short-tick {
					t.Errorf("cut after %v", took)
				}
				c.eof()
				c.Close()
				wg.Wait()
				end := st.ended(0)
				if end.Code != StatusPolicy || !errors.Is(end, ErrTimeout) || end.Remote {
					t.Errorf("OnClose was told %v", end)
				}
				if n := st.Stats().MessageTimeouts; n != 1 {
					t.Errorf("%d were counted, want 1", n)
				}
			})
		})
	}
}

// Messages that come one after the other do not add up to one that takes too long.
func TestTimeoutMessageStartsAnew(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Timeouts: Timeouts{Message: short}})
		c := st.open()
		// Each write ends a message and begins the next, for longer than the deadline.
		m := text(numbered(0, 60))
		c.send(m[:10])
		for began := time.Now(); time.Since(began) < 2*short; time.Sleep(50 * time.Millisecond) {
			c.send(m[10:], m[:10])
			c.expect(ws.OpText, numbered(0, 60))
		}
		if f := c.expectClose(StatusPolicy); f.String() != "close 1008 message took too long" {
			t.Errorf("got %v", f)
		}
	})
}

// While a client is read no more because it takes nothing, none of its messages is late.
func TestTimeoutMessageWhilePaused(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Timeouts: Timeouts{Message: short, Stall: patience}})
		c := dialAddr(t, st.addr, narrow).open("/")
		first, second, third := numbered(1, 100), numbered(2, 2*narrowMax), numbered(3, 100)
		received := st.Stats().BytesReceived
		c.send(text(first)[:10])
		eventually(t, "the first message has begun", func() bool { return st.Stats().BytesReceived == received+10 })
		c.send(text(first)[10:], text(second), text(third))
		eventually(t, "the second message is being answered", func() bool { return st.Stats().Messages == 2 })

		clock := st.open() // a message that begins now is cut later than the first would be
		clock.send(text("x")[:1])
		clock.expectClose(StatusPolicy)
		for _, m := range []string{first, second, third} {
			c.expect(ws.OpText, m)
		}
		c.goodbye()
	})
}

// Timeouts.Close bounds the wait for the client's Close frame, and for the end of its stream.
func TestTimeoutClose(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Timeouts: Timeouts{Close: short}})
		began := time.Now()
		mute := st.open() // never answers
		st.nth(0).conn.Close(4000, "")
		talker := st.open() // says things, but no Close
		st.nth(1).conn.Close(4000, "")
		open := st.open() // answers and never ends its stream
		st.nth(2).conn.Close(4000, "")
		open.send(goodbye(4000, ""))
		broken := st.open() // is at fault, and never ends its stream
		broken.send([]byte("garbage"))
		for _, c := range []*client{mute, talker, open, broken} {
			c.frame()
		}
		for trickle(talker, text("hello")) == len(text("hello")) {
		}
		for i, code := range []StatusCode{4000, 4000, 4000, StatusProtocolError} {
			if end := st.ended(i); end.Code != code {
				t.Errorf("connection %d: OnClose was told %v", i, end)
			}
		}
		st.quiet()
		if took := time.Since(began); took < short-tick {
			t.Errorf("all was over after %v", took)
		}
		if n := st.Stats().CloseTimeouts; n != 4 {
			t.Errorf("%d were counted, want 4", n)
		}
	})
}

// The time to answer begins when the Close frame has left: a client that is busy
// taking what came before it has Timeouts.Stall for that, and no more.
func TestTimeoutCloseBehindQueue(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		for _, stall := range []time.Duration{patience, 3 * short} {
			st := start(t, Handler{}, Config{Inline: inline, Timeouts: Timeouts{Close: short, Stall: stall}})
			c := dialAddr(t, st.addr, narrow).open("/")
			conn := st.nth(0).conn
			for conn.pipe.Queued() < 300<<10 {
				conn.Send(Binary, make([]byte, 4<<10))
			}
			began := time.Now()
			conn.Close(4000, "over")
			if stall != patience {
				st.quiet()
				if took := time.Since(began); took < stall-tick {
					t.Errorf("a client that takes nothing was cut after %v, with %v to stall", took, stall)
				}
				continue
			}
			time.Sleep(3 * short)
			if f := c.message(); f.String() != "close 4000 over" {
				t.Errorf("got %v", f)
			}
			c.send(goodbye(4000, ""))
			c.eof()
			c.Close()
			st.told(0, "open /, close 4000 over")
		}
	})
}

// What a client sends behind the end is read and thrown away, but not without bound.
func TestLingerIsBoundedInBytes(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, Timeouts: Timeouts{Close: 2 * patience}})
		c := st.open()
		c.send(goodbye(StatusNormal, ""))
		c.expectClose(StatusNormal)
		flood := make([]byte, 64<<10)
		sent, err := 0, error(nil)
		for n := 0; err == nil; sent += n {
			n, err = c.Write(flood)
		}
		if isTimeout(err) || sent < lingerMax {
			t.Errorf("after %d bytes: %v", sent, err)
		}
		st.quiet()
		if n := st.Stats().CloseTimeouts; n != 0 {
			t.Errorf("%d were counted as late", n)
		}
	})
}

// T5: Timeouts.Stall is the age of the oldest byte that waits; a client that
// takes a little now and then is as slow as one that takes nothing.
func TestTimeoutStall(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, Timeouts: Timeouts{Stall: short}, Limits: Limits{Outbound: 16 << 20}})
		bystander := st.open()
		c := dialAddr(t, st.addr, narrow).open("/")
		const count, size = 1000, 10 << 10 // much more than a kernel may come to take
		for i := range count {
			if err := st.nth(1).conn.Send(Text, []byte(numbered(i, size))); err != nil {
				t.Fatal(err)
			}
		}
		var got bytes.Buffer
		trickled := 0
		for st.Stats().SlowConsumers == 0 {
			n, err := io.CopyN(&got, c.Conn, 1<<10)
			if err != nil {
				t.Fatal(err)
			}
			if trickled += int(n); trickled > 1<<20 {
				t.Fatal("a client that takes a little now and then was not cut")
			}
			time.Sleep(20 * time.Millisecond)
		}
		// Now the client reads all there is: whole messages without a gap, and why it was closed.
		c.r = bufio.NewReader(io.MultiReader(&got, c.Conn))
		messages := 0
		f := c.frame()
		for ; f.op == ws.OpText; f = c.frame() {
			if string(f.payload) != numbered(messages, size) {
				t.Fatalf("message %d is %v", messages, f)
			}
			messages++
		}
		if f.String() != "close 1013 slow consumer" || messages >= count {
			t.Errorf("after %d of %d messages: %v", messages, count, f)
		}
		c.eof()
		if end := st.ended(1); end.Code != StatusTryAgainLater || !errors.Is(end, ErrSlowConsumer) || end.Remote {
			t.Errorf("OnClose was told %v", end)
		}
		if n := st.Stats().SlowConsumers; n != 1 {
			t.Errorf("%d were counted", n)
		}
		bystander.goodbye()
	})
}
