package server

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// RFC 6455, 5.5.1: the endpoint that receives a Close frame first sends one in response.
func TestCloseByClient(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline})
		c := st.open()
		c.echo("hello")
		c.send(goodbye(4321, "enough"))
		if f := c.expectClose(4321); len(f.payload) != 2 {
			t.Errorf("the answer carries a reason: %v", f)
		}
		c.Close()
		st.told(0, "open /, text hello, close 4321 enough (remote)")
		st.quiet()
		if n := st.Stats().Closes[4000]; n != 1 {
			t.Errorf("%d connections were counted under 4000", n)
		}

		// A Close frame without a status is answered with one.
		c = st.open()
		c.send(masked(fin|byte(ws.OpClose), ""))
		c.expectClose(StatusNone)
		st.told(1, "open /, close 1005 (remote)")
	})
}

func TestCloseByServer(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline})
		c := st.open()
		c.echo("hello")
		if err := st.nth(0).conn.Close(4000, "over"); err != nil {
			t.Error(err)
		}
		if f := c.frame(); f.String() != "close 4000 over" {
			t.Errorf("got %v", f)
		}
		// Until the client has answered, OnClose does not come, and messages are dropped.
		c.send(text("late"), goodbye(4000, ""))
		c.eof()
		st.told(0, "open /, text hello, close 4000 over")
	})
}

func TestCloseByBoth(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline})
		for i := range 20 {
			c := st.open()
			conn := st.nth(i).conn
			var wg sync.WaitGroup
			wg.Go(func() { conn.Close(4000, "server") })
			c.send(goodbye(4001, "client"))
			f := c.expectClose(c.peekClose())
			wg.Wait()
			c.Close()
			want := "open /, close 4001 client (remote)"
			if f.code() == 4000 {
				want = "open /, close 4000 server"
			}
			st.told(i, want)
		}
		st.quiet()
	})
}

// peekClose returns the code of the Close frame that comes next.
func (c *client) peekClose() StatusCode {
	c.t.Helper()
	b, err := c.r.Peek(4)
	if err != nil {
		c.t.Fatal(err)
	}
	return frame{ws.OpClose, b[2:]}.code()
}

// T1: a reset ends a connection with one OnClose, whatever its state.
func TestReset(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline})
		for _, half := range []string{"", "GET", upgrade("/")[:100]} {
			c := st.dial()
			c.send([]byte(half))
			eventually(t, "the client was accepted", func() bool { return st.Stats().Conns == 1 })
			c.reset()
			st.quiet()
		}
		for i, unfinished := range [][]byte{nil, text("hello")[:3], text("hello")[:8], masked(1, "a fragment"), goodbye(1000, "")} {
			c := st.open()
			c.echo("first")
			c.send(unfinished)
			c.reset()
			end := st.ended(i)
			if end.Code == StatusNormal && i == 4 {
				continue // the Close frame was seen before the reset
			}
			if end.Code != StatusAbnormal || end.Remote || end.Err == nil {
				t.Errorf("case %d: OnClose was told %v", i, end)
			}
			st.told(i, "open /, text first, close 1006")
		}
		st.quiet()
		if n := len(st.lives); n != 5 {
			t.Errorf("%d connections were opened, want 5", n)
		}
	})
}

// RFC 6455, 7.1.5: no Close frame makes it 1006. T2, T3: whole messages before
// the FIN are handled and answered, half ones are dropped.
func TestStreamEndsWithoutClose(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline})
		many := strings.Repeat("x", 300<<10)
		for i, tc := range []struct {
			sent     []byte
			answered []string
			story    string
		}{
			{nil, nil, "open /, close 1006"},
			{text("hello"), []string{"hello"}, "open /, text hello, close 1006"},
			{append(text("hello"), text("world")[:9]...), []string{"hello"}, "open /, text hello, close 1006"},
			{append(text(many), text("last")...), []string{many, "last"}, "open /, text 307200 bytes, text last, close 1006"},
		} {
			c := st.open()
			c.send(tc.sent)
			c.fin()
			for _, m := range tc.answered {
				c.expect(ws.OpText, m)
			}
			c.eof()
			if end := st.ended(i); !errors.Is(end, errNoClose) || end.Remote {
				t.Errorf("case %d: OnClose was told %v", i, end)
			}
			st.told(i, tc.story)
		}
	})
}

// The handshake, a message and the FIN in one segment: nothing of it is lost.
func TestWholeLifeInOneSegment(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline})
		for i, end := range []string{"close 1000 (remote)", "close 1006"} {
			c := st.dial()
			sent := append([]byte(upgrade("/all")), text("hello")...)
			if i == 0 {
				sent = append(sent, goodbye(1000, "")...)
			}
			c.send(sent)
			c.fin()
			c.opened()
			c.expect(ws.OpText, "hello")
			if i == 0 {
				c.expectClose(1000)
			} else {
				c.eof()
			}
			st.told(i, "open /all, text hello, "+end)
		}
	})
}

// RFC 6455, 1.4 and 5.5.1: after a Close frame the peer's data is discarded;
// and the Close frame is readable whatever lies unread behind it (RFC 9112, 9.6).
func TestDataBehindClose(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline})
		c := st.open()
		c.send(text("a"), goodbye(1000, ""), text("b"), []byte("garbage"), []byte(strings.Repeat("\xff", 300<<10)))
		c.expect(ws.OpText, "a")
		c.expectClose(1000)
		// More of it, now that the server has seen the Close frame.
		c.send([]byte(strings.Repeat("\xff", 300<<10)))
		c.fin()
		st.told(0, "open /, text a, close 1000 (remote)")
		st.quiet()
	})
}

// R9: a connection may be closed from each of its own callbacks.
func TestCloseInsideCallbacks(t *testing.T) {
	for _, where := range []string{"open", "message", "close"} {
		t.Run(where, func(t *testing.T) {
			modes(t, func(t *testing.T, inline bool) {
				st := start(t, Handler{
					OnOpen: func(c *Conn, r *Request) {
						if where == "open" {
							c.Send(Text, []byte("greeting"))
							c.Close(4000, where)
						}
					},
					OnMessage: func(c *Conn, op Opcode, m []byte) {
						if where == "message" {
							c.Send(op, m)
							c.Close(4000, where)
						}
					},
					OnClose: func(c *Conn, err *CloseError) {
						if err := c.Close(4000, where); err != ErrClosed {
							t.Errorf("Close in OnClose returns %v", err)
						}
					},
				}, Config{Inline: inline})
				c := st.dial()
				c.send([]byte(upgrade("/")), text("hello"), text("again"))
				c.opened()
				switch where {
				case "open":
					c.expect(ws.OpText, "greeting")
				case "message":
					c.expect(ws.OpText, "hello")
				case "close":
					c.send(goodbye(1000, ""))
					c.expectClose(1000)
					st.told(0, "open /, text hello, text again, close 1000 (remote)")
					return
				}
				if f := c.frame(); f.String() != "close 4000 "+where {
					t.Errorf("got %v", f)
				}
				c.send(goodbye(4000, ""))
				c.eof()
				st.told(0, map[string]string{
					"open": "open /, close 4000 open", "message": "open /, text hello, close 4000 message",
				}[where])
			})
		})
	}
}

// Server.Close ends everything at once, and has told everybody when it returns.
func TestServerCloseEndsConnections(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, ShutdownCode: 1012})
		silent, half, open, partial := st.dial(), st.dial(), st.open(), st.open()
		half.send([]byte("GET / HT"))
		open.echo("hello")
		partial.echo("first")
		partial.send(text("second")[:7])
		st.Close()
		for i, l := range st.lives {
			if l.end == nil || l.end.Code != 1012 || l.end.Remote {
				t.Errorf("connection %d: Close has returned and OnClose was told %v", i, l.end)
			}
		}
		for _, c := range []*client{silent, half, open, partial} {
			c.gone()
		}
		if err := st.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown after Close returns %v", err)
		}
	})
}

// Close may be called while connections come, speak and go.
func TestServerCloseUnderLoad(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		for range 5 {
			st := start(t, Handler{OnMessage: echo}, Config{Inline: inline})
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for st.chat() == nil {
					}
				})
			}
			eventually(t, "there is traffic", func() bool { return st.Stats().Messages > 50 })
			st.Close()
			wg.Wait()
		}
	})
}

// chat is a short life of a client, until an error.
func (st *site) chat() error {
	c, err := dialQuietly(st.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte(upgrade("/") + string(text("hello")) + string(goodbye(1000, "")))); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1000))
	return err
}
