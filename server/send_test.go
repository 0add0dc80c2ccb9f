package server

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// After the end of a connection, and from its Close on, every call says ErrClosed.
func TestSendAfterClose(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		refuses := func(when string, c *Conn) {
			t.Helper()
			for name, err := range map[string]error{
				"Send": c.Send(Text, []byte("x")), "SendPrepared": c.SendPrepared(Prepare(Text, []byte("x"))),
				"Ping": c.Ping(nil), "Close": c.Close(StatusNormal, ""),
			} {
				if err != ErrClosed {
					t.Errorf("%s %s returns %v", name, when, err)
				}
			}
		}
		st := start(t, Handler{
			OnMessage: func(c *Conn, _ Opcode, m []byte) {
				c.Close(4000, "")
				refuses("behind Close in the same callback", c)
			},
			OnClose: func(c *Conn, err *CloseError) { refuses(fmt.Sprint("in OnClose, ", err), c) },
		}, Config{Inline: inline})
		for i, end := range []func(c *client, conn *Conn){
			func(c *client, conn *Conn) { conn.Close(4000, ""); refuses("after Close", conn); c.frame(); c.Close() },
			func(c *client, conn *Conn) { c.send(text("close")); c.frame(); c.send(goodbye(4000, "")); c.eof() },
			func(c *client, conn *Conn) { c.send(goodbye(1000, "")); c.expectClose(1000) },
			func(c *client, conn *Conn) { c.send([]byte("garbage")); c.expectClose(StatusProtocolError) },
			func(c *client, conn *Conn) { c.fin(); c.eof() },
			func(c *client, conn *Conn) { c.reset() },
		} {
			c := st.open()
			conn := st.nth(i).conn
			end(c, conn)
			st.ended(i)
			refuses("after OnClose", conn)
			c.Close()
		}
		st.quiet()
	})
}

// A client that ends its stream and does not read: OnClose comes, what waits
// may still go out, and nothing can be added to it.
func TestSendAfterStreamEnd(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline})
		c := dialAddr(t, st.addr, narrow).open("/")
		conn := st.nth(0).conn
		if err := conn.Send(Text, []byte(numbered(0, 2*narrowMax))); err != nil {
			t.Error(err)
		}
		c.fin()
		st.ended(0)
		if err := conn.Send(Text, []byte("late")); err != ErrClosed {
			t.Errorf("Send after OnClose returns %v", err)
		}
		c.expect(ws.OpText, numbered(0, 2*narrowMax))
		c.eof()
	})
}

// R8, B5: whatever happens at once, frames are whole, each sender's messages
// are in its order without a gap, Close is last.
func TestManySendersAndClose(t *testing.T) {
	const senders = 64
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, Limits: Limits{Outbound: 64 << 20}, PingInterval: 100 * time.Millisecond,
			Timeouts: Timeouts{Close: patience}}) // what waits in front of the Close frame takes its time
		for i, closes := range []func(c *client, conn *Conn){
			func(c *client, conn *Conn) { conn.Close(4000, "enough") },
			func(c *client, conn *Conn) { c.send(goodbye(4000, "")) },
		} {
			c := st.open()
			conn := st.nth(i).conn
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					for n := range 200 {
						if s == 0 && n == 50 {
							wg.Go(func() { closes(c, conn) })
						}
						if err := sendNumbered(conn, s, n); err != nil {
							if err != ErrClosed {
								t.Errorf("sender %d, message %d: %v", s, n, err)
							}
							return
						}
					}
				})
			}
			next := make([]int, senders)
			for f := c.frame(); f.op != ws.OpClose; f = c.frame() {
				checkNumbered(t, f, next)
			}
			wg.Wait()
			c.Write(goodbye(4000, "")) // fails when the client's own Close was answered
			c.eof()                    // nothing behind Close
			c.Close()
		}
		st.quiet()
	})
}

// sendNumbered sends the nth message of sender s: of a length and by a way that vary.
func sendNumbered(conn *Conn, s, n int) error {
	m := fmt.Sprintf("%d %d %s", s, n, strings.Repeat("x", (s*7+n*131)%1000))
	switch n % 8 {
	case 0:
		if err := conn.Ping([]byte("between")); err != nil {
			return err
		}
		return conn.SendPrepared(Prepare(Text, []byte(m)))
	case 1:
		return conn.SendPrepared(Prepare(Text, []byte(m)))
	}
	return conn.Send(Text, []byte(m))
}

func checkNumbered(t *testing.T, f frame, next []int) {
	t.Helper()
	if f.op == ws.OpPing {
		return
	}
	var s, n int
	if _, err := fmt.Sscanf(string(f.payload), "%d %d", &s, &n); err != nil {
		t.Fatalf("%v: %v", f, err)
	}
	if want := fmt.Sprintf("%d %d %s", s, n, strings.Repeat("x", (s*7+n*131)%1000)); string(f.payload) != want {
		t.Fatalf("message %d of sender %d was changed", n, s)
	}
	if n != next[s] {
		t.Fatalf("sender %d: message %d where %d was expected", s, n, next[s])
	}
	next[s]++
}

// B6: a prepared message is one piece of memory on all its connections.
func TestPreparedOnManyConnections(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		var messages []*Prepared
		var want []string
		for i, n := range []int{0, 1, 125, 126, 1 << 10, 1<<10 + 1, 1 << 16, 300 << 10} {
			payload := []byte(numbered(i, n)[:n])
			messages = append(messages, Prepare(Binary, payload))
			want = append(want, string(payload))
			clear(payload) // Prepare has copied it
		}
		st := start(t, Handler{OnMessage: func(c *Conn, _ Opcode, _ []byte) {
			for _, p := range messages {
				if err := c.SendPrepared(p); err != nil {
					t.Error(err)
				}
			}
		}}, Config{Inline: inline})
		var clients []*client
		for i := range 40 {
			var c *client
			if i%2 == 0 {
				c = dialAddr(t, st.addr, narrow).open("/") // it will refuse some and take it later
			} else {
				c = st.open()
			}
			clients = append(clients, c)
			c.send(text("all"))
		}
		var wg sync.WaitGroup
		for i := range clients { // from outside as well
			wg.Go(func() {
				if err := st.nth(i).conn.SendPrepared(messages[3]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, c := range clients {
			extra := false
			for i := 0; i < len(want) || !extra; {
				f := c.frame()
				if i < len(want) && string(f.payload) == want[i] {
					i++
				} else if !extra && string(f.payload) == want[3] {
					extra = true
				} else {
					t.Fatalf("got %v where message %d was expected", f, i)
				}
			}
		}
	})
}

// RFC 6455, 5.5: a control frame carries 125 bytes at most.
func TestPing(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline})
		c := st.open()
		conn := st.nth(0).conn
		longest := strings.Repeat("p", 125)
		if err := conn.Ping([]byte(longest + "p")); !errors.Is(err, ErrControlTooLong) {
			t.Errorf("Ping with 126 bytes returns %v", err)
		}
		if err := conn.Ping([]byte(longest)); err != nil {
			t.Error(err)
		}
		c.expect(ws.OpPing, longest)
		c.send(pong(longest), ping("are you there"), masked(byte(ws.OpText), "he"), ping(""), masked(fin, "llo"))
		c.expect(ws.OpPong, "are you there")
		c.expect(ws.OpPong, "")
		c.expect(ws.OpText, "hello")
	})
}

// RFC 6455, 7.4: codes that may not stand in a Close frame do not; a reason is
// cut to what fits, between two characters.
func TestCloseCodes(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline})
		for i, tc := range []struct {
			code   StatusCode
			reason string
			want   string
		}{
			{1000, "", "close 1000 "},
			{4999, "bye", "close 4999 bye"},
			{StatusNone, "not sent", `op 8 ""`},
			{StatusAbnormal, "", "close 1011 "},
			{0, "", "close 1011 "},
			{5000, "", "close 1011 "},
			{3000, strings.Repeat("é", 70), "close 3000 " + strings.Repeat("é", 61)},
			{3000, "\xff", "close 3000 \uFFFD"},
		} {
			c := st.open()
			st.nth(i).conn.Close(tc.code, tc.reason)
			if f := c.frame(); f.String() != tc.want {
				t.Errorf("Close(%d, %q) sends %v, want %s", tc.code, tc.reason, f, tc.want)
			}
			c.send(goodbye(1000, ""))
			c.eof()
			c.Close()
		}
	})
}

// The zero Prepared is no message; it must not stand in the queue for ever.
func TestSendZeroPrepared(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: func(c *Conn, op Opcode, message []byte) {
			c.SendPrepared(new(Prepared))
			c.Send(op, message)
		}}, Config{Inline: inline})
		c := st.open()
		if err := st.nth(0).conn.SendPrepared(new(Prepared)); err != nil {
			t.Error(err)
		}
		c.echo("hello")
	})
}
