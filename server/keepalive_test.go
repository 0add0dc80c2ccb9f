package server

import (
	"errors"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A client that is silent is asked, and one that answers in any way stays.
func TestPingIsAnswered(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, PingInterval: short / 2, PongTimeout: short})
		pongs, speaks := st.open(), st.open()
		for range 4 {
			pongs.expect(ws.OpPing, "")
			pongs.send(pong(""))
			speaks.expect(ws.OpPing, "")
			speaks.deaf = true // there may be the next one already
			speaks.echo("yes")
			speaks.deaf = false
		}
		if got := st.Stats(); got.Pings < 8 || got.PongTimeouts != 0 {
			t.Errorf("%d pings, %d timeouts", got.Pings, got.PongTimeouts)
		}
	})
}

// M1: only received bytes count. A client to which the server never stops
// sending, and which takes it all, is cut if it says nothing.
func TestPongTimeout(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, PingInterval: short, PongTimeout: short})
		silent, flooded := st.open(), st.open()
		began := time.Now()
		conn := st.nth(1).conn
		stopped := make(chan error)
		go func() {
			for {
				if err := conn.Send(Text, []byte("news")); err != nil {
					stopped <- err
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		silent.expect(ws.OpPing, "")
		silent.gone()
		pings := 0
		for f, err := readFrame(flooded.r); err == nil; f, err = readFrame(flooded.r) {
			if f.op == ws.OpPing {
				pings++
			}
		}
		if err := <-stopped; err != ErrClosed || pings != 1 {
			t.Errorf("the sender was told %v, the client got %d pings", err, pings)
		}
		if took := time.Since(began); took < short*3/4+short-2*tick {
			t.Errorf("cut after %v", took)
		}
		for i := range 2 {
			if end := st.ended(i); end.Code != StatusAbnormal || !errors.Is(end, ErrTimeout) || end.Remote {
				t.Errorf("connection %d: OnClose was told %v", i, end)
			}
		}
		if got := st.Stats(); got.PongTimeouts != 2 || got.Pings != 2 {
			t.Errorf("%d timeouts and %d pings were counted, want 2 and 2", got.PongTimeouts, got.Pings)
		}
	})
}

// Without PongTimeout nobody waits for an answer, and pings go on.
func TestPongTimeoutOff(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, PingInterval: short / 2, PongTimeout: -1})
		c := st.open()
		for range 5 {
			c.expect(ws.OpPing, "")
		}
		c.echo("at last")
	})
}

// With everything off, an open connection has no deadline.
func TestKeepAliveOff(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		due := make(chan bool, 1)
		st := start(t, Handler{OnOpen: func(c *Conn, _ *Request) { due <- c.firstDue() != 0 }},
			Config{Inline: inline, PingInterval: -1})
		st.open()
		if <-due {
			t.Error("the connection has a deadline")
		}
	})
}

// IdleTimeout is counted from the last received byte, and ends in a Close with IdleCode.
func TestIdleTimeout(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, IdleTimeout: short, IdleCode: 4007, PingInterval: -1})
		c := st.open()
		var last time.Time
		for began := time.Now(); time.Since(began) < 2*short; time.Sleep(tick) {
			last = time.Now()
			c.echo("busy")
		}
		if f := c.expectClose(4007); f.String() != "close 4007 idle" {
			t.Errorf("got %v", f)
		}
		if idle := time.Since(last); idle < short-tick {
			t.Errorf("closed after %v", idle)
		}
		if end := st.ended(0); end.Code != 4007 || !errors.Is(end, ErrTimeout) {
			t.Errorf("OnClose was told %v", end)
		}
		if n := st.Stats().IdleTimeouts; n != 1 {
			t.Errorf("%d were counted", n)
		}
	})
}

// M5: connections that came together are not pinged together.
func TestPingsAreSpread(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, PingInterval: time.Minute})
		const conns = 100
		var first, last, distinct = ^uint32(0), uint32(0), make(map[uint32]bool)
		for i := range conns {
			st.open()
			after := uint32(st.nth(i).conn.pingAfter())
			first, last = min(first, after), max(last, after)
			distinct[after] = true
		}
		if all := uint32(time.Minute / tick); first < all*3/4 || last > all || last-first < all/8 || len(distinct) < conns/4 {
			t.Errorf("pings are due after %d to %d ticks, at %d moments", first, last, len(distinct))
		}
	})
}
