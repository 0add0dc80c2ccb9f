package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// Limits.Held: when all connections together hold too much, those that hold most
// go, with a reason, and no more of them than it takes; others notice nothing.
// Until there is room again nobody new is let in.
func TestHeldShedsTheLargest(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		const large, small = 6, 10
		st := start(t, Handler{OnMessage: func(c *Conn, op Opcode, m []byte) { c.Send(op, m) }}, Config{
			Inline:   inline,
			Limits:   Limits{Held: 4 << 20, Outbound: 2 << 20},
			Timeouts: Timeouts{Stall: patience, Message: patience},
		})
		var clients []*client
		for range small {
			c := dialAddr(t, st.addr, nil).open("/")
			c.send(masked(byte(ws.OpBinary), string(make([]byte, 2000))))
			clients = append(clients, c)
		}
		eventually(t, "the begun messages are counted", func() bool { return st.Stats().Held >= small*2000 })
		bystander := st.open()
		const first = small + 1
		for range large {
			dialAddr(t, st.addr, narrow).open("/")
		}
		var conns []*Conn
		for i := range large {
			conns = append(conns, st.nth(first+i).conn)
		}
		// A little more for each than for the one before, until the last is too much.
		for i, c := range conns {
			for err := error(nil); c.pipe.Queued() < 700<<10+i<<14 && err == nil; {
				err = c.Send(Binary, make([]byte, 8<<10))
			}
		}
		eventually(t, "memory is given back", func() bool { return st.Stats().Held <= 3<<20 })
		shed := st.Stats().Shed
		if shed == 0 || shed > large-2 { // two would do; each loop may take one too many
			t.Errorf("%d connections were closed, want two", shed)
		}
		ended := func(i int) bool { return st.nth(first+i).story() != "open /" }
		eventually(t, "those that hold much are the ones that were closed", func() bool {
			n := uint64(0)
			for i := range large {
				if ended(i) {
					n++
				}
			}
			return n == st.Stats().Shed
		})
		for i := range large {
			if !ended(i) {
				continue
			}
			if end := st.ended(first + i); end.Code != StatusTryAgainLater || !errors.Is(end, ErrOverload) {
				t.Errorf("OnClose was told %v", end)
			}
		}
		bystander.echo("still here")
		for _, c := range clients {
			c.send(masked(fin|byte(ws.OpContinuation), ""))
			if f := c.frame(); f.op != ws.OpBinary || len(f.payload) != 2000 {
				t.Errorf("a small message came back as %v", f)
			}
		}
	})
}

// What TLS holds counts for who goes, too: records that do not become whole. Those
// who have begun them are told why they go, and what they held is free at once.
func TestHeldShedsRecords(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		const many, part = 80, 15_000
		st := startTLS(t, Handler{OnMessage: echo}, Config{
			Inline: inline, Limits: Limits{Held: 1 << 20}, Timeouts: Timeouts{Message: patience},
		})
		var clients []*client
		for i := range many {
			clients = append(clients, st.connect(st.client).open(fmt.Sprintf("/%d", i)))
		}
		bystander := st.open()
		st.nth(many)
		record := append([]byte{23, 3, 3, 16000 >> 8, 16000 & 0xff}, make([]byte, part)...)
		for _, c := range clients {
			if _, err := bare(c.Conn).Write(record); err != nil {
				t.Fatal(err)
			}
		}
		bystander.echo("still here")
		eventually(t, "memory is given back", func() bool { return st.Stats().Held <= 1<<20 && st.Stats().Shed > 0 })
		var gone []int
		eventually(t, "who goes is told", func() bool {
			gone = nil
			for n := range many + 1 {
				if strings.Contains(st.nth(n).story(), "close ") {
					gone = append(gone, n)
				}
			}
			return uint64(len(gone)) == st.Stats().Shed
		})
		for _, n := range gone {
			if end := st.ended(n); end.Code != StatusTryAgainLater || !errors.Is(end, ErrOverload) {
				t.Errorf("OnClose was told %v", end)
			}
			var i int
			if _, err := fmt.Sscanf(st.nth(n).story(), "open /%d,", &i); err != nil {
				t.Fatalf("%q", st.nth(n).story())
			}
			clients[i].expectClose(1013)
		}
		if len(gone) > many/2 { // a quarter of the limit, and what is above it, is a third of all
			t.Errorf("%d of %d connections were closed", len(gone), many)
		}
		bystander.echo("still here")
	})
}

// From three quarters of Limits.Held on new connections get 503.
func TestHeldTurnsAway(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: func(c *Conn, op Opcode, m []byte) { c.Send(op, m) }}, Config{
			Inline:   inline,
			Limits:   Limits{Held: 1 << 20, Outbound: 1 << 20},
			Timeouts: Timeouts{Stall: patience},
		})
		slow := dialAddr(t, st.addr, narrow).open("/")
		conn := st.nth(0).conn
		for st.Stats().Held < 800<<10 {
			if err := conn.Send(Binary, make([]byte, 8<<10)); err != nil {
				t.Fatal(err)
			}
		}
		dialAddr(t, st.addr, nil).refused(503)
		if n := st.Stats().OverHeld; n != 1 {
			t.Errorf("%d were turned away, want 1", n)
		}
		for st.Stats().Held > 700<<10 {
			slow.frame()
		}
		deadline := time.Now().Add(patience)
		for st.Stats().Held > 768<<10 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		st.open().echo("there is room again")
	})
}
