package server

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// R5: a callback that panics costs its connection 1011, is counted and logged
// with its stack, and nobody else notices.
func TestPanic(t *testing.T) {
	for _, tc := range []struct {
		where string
		code  StatusCode // that OnClose is told
	}{
		{"open", StatusInternalError},
		{"message", StatusInternalError},
		{"drain", StatusInternalError},
		{"close", StatusNormal},
		{"end", StatusAbnormal},
	} {
		t.Run(tc.where, func(t *testing.T) {
			modes(t, func(t *testing.T, inline bool) {
				st := start(t, panicking(tc.where), Config{Inline: inline})
				bystander := st.dial().open("/fine")
				bystander.echo("before")

				c := dialAddr(t, st.addr, narrow)
				c.open("/bad")
				switch tc.where {
				case "message":
					c.send(text("bad"), text("never handled"))
				case "drain":
					c.send(text("flood"))
					c.frame() // the client was slow, and reads now
				case "close":
					c.send(goodbye(StatusNormal, ""))
				case "end":
					c.fin()
					c.eof()
				}
				if tc.code == StatusInternalError {
					if f := c.frame(); f.String() != "close 1011 internal error" {
						t.Errorf("got %v", f)
					}
					c.eof()
				}
				c.Close()
				if end := st.ended(1); end.Code != tc.code {
					t.Errorf("OnClose was told %v", end)
				}
				eventually(t, "the connection is gone", func() bool { return st.Stats().Conns == 1 })
				bystander.echo("after")
				bystander.goodbye()
				st.told(0, "open /fine, text before, text after, close 1000 bye (remote)")
				if n := st.Stats().Panics; n != 1 {
					t.Errorf("%d panics were counted", n)
				}
				if log := st.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "panic=oops") || !strings.Contains(log, "panic_test.go") {
					t.Errorf("the log has:\n%s", log)
				}
			})
		})
	}
}

// panicking is a handler that fails in one place, for connections to /bad.
func panicking(where string) Handler {
	bad := func(c *Conn, here string) {
		if c.Value() == "bad" && where == here {
			panic("oops")
		}
	}
	return Handler{
		OnOpen: func(c *Conn, r *Request) {
			if r.Path() == "/bad" {
				c.SetValue("bad")
			}
			bad(c, "open")
		},
		OnMessage: func(c *Conn, op Opcode, m []byte) {
			bad(c, "message")
			if string(m) == "flood" {
				m = make([]byte, 1<<20)
			}
			c.Send(op, m)
		},
		OnDrain: func(c *Conn) { bad(c, "drain") },
		OnClose: func(c *Conn, _ *CloseError) {
			bad(c, "close")
			bad(c, "end")
		},
	}
}

// A panic in OnUpgrade is answered with 500, and OnOpen does not come.
func TestPanicInOnUpgrade(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, OnUpgrade: func(r *Request) *Refusal {
			if r.Path() == "/bad" {
				panic("oops")
			}
			return nil
		}})
		c := st.dial()
		c.send([]byte(upgrade("/bad")))
		c.refused(500)
		c.Close()
		st.quiet()
		st.open().goodbye()
		if n := st.Stats().Panics; n != 1 || len(st.lives) != 1 {
			t.Errorf("%d panics were counted, %d connections opened", n, len(st.lives))
		}
	})
}

// A panic while a Close frame of the application's is queued: the connection
// ends with that Close and no second one.
func TestPanicAfterClose(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: func(c *Conn, _ Opcode, _ []byte) {
			c.Close(4000, "on purpose")
			panic("oops")
		}}, Config{Inline: inline, Timeouts: Timeouts{Close: 100 * time.Millisecond}})
		c := st.open()
		c.send(text("hello"))
		if f := c.expectClose(4000); f.op != ws.OpClose {
			t.Errorf("got %v", f)
		}
		st.ended(0)
		st.quiet()
	})
}

// A message that lies in pooled memory and is sent back where it lies leaves
// that memory before a panic gives it back: to the next connection, whose bytes
// must not go to this client.
func TestPanicAfterSend(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		message := numbered(1, 2*lendMin)
		st := start(t, Handler{
			OnMessage: func(c *Conn, op Opcode, m []byte) {
				c.SetValue(m)
				c.Send(op, m)
				panic("oops")
			},
			OnClose: func(c *Conn, _ *CloseError) { clear(c.Value().([]byte)) }, // as another connection would use it
		}, Config{Inline: inline})
		c := st.open()
		frame := text(message)
		c.send(frame[:len(frame)/2])
		eventually(t, "the message has begun", func() bool { return st.Stats().Held > 0 })
		c.send(frame[len(frame)/2:])
		c.expect(ws.OpText, message)
		c.expectClose(StatusInternalError)
		st.ended(0)
		st.quiet()
	})
}
