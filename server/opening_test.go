package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// tutorialHead is the request of RFC 6455, 1.2, and of every tutorial.
const tutorialHead = "GET /chat?room=1&room=2&bad=%zz HTTP/1.1\r\n" +
	"Host: server.example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Key: " + tutorialKey + "\r\n" +
	"Origin: http://example.com\r\n" +
	"Sec-WebSocket-Protocol: chat, superchat\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"\r\n"

const tutorialResponse = "HTTP/1.1 101 Switching Protocols\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: " + tutorialAccept + "\r\n" +
	"Sec-WebSocket-Protocol: chat\r\n" +
	"\r\n"

// tutorial is a server that the tutorial's page may use.
func tutorial(inline bool) Config {
	return Config{Inline: inline, Subprotocols: []string{"superchat", "chat"}, Origins: Origins{Allow: []string{"http://example.com"}}}
}

// read reads exactly what is expected.
func (c *client) read(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if n, err := c.r.Read(got[:0]); n != 0 || err != nil {
		c.t.Fatal(err)
	}
	for i := range got {
		b, err := c.r.ReadByte()
		if err != nil {
			c.t.Fatalf("after %q: %v", got[:i], err)
		}
		got[i] = b
	}
	if string(got) != want {
		c.t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}

// The example of RFC 6455, to the byte; and what the application sees of it.
func TestTutorialHandshake(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		type seen struct {
			path, rawQuery, host, origin, missing, protocols, remote, chosen string
			rooms                                                            []string
		}
		saw := make(chan seen, 2)
		look := func(r *Request) seen {
			return seen{
				path: r.Path(), rawQuery: r.RawQuery(), rooms: r.Query()["room"], host: r.Host(), origin: r.Header("origin"),
				missing: r.Header("X-None"), protocols: r.Header("Sec-WebSocket-Protocol"), remote: r.RemoteAddr().String(),
			}
		}
		cfg := tutorial(inline)
		cfg.OnUpgrade = func(r *Request) *Refusal { saw <- look(r); return nil }
		st := start(t, Handler{OnMessage: echo, OnOpen: func(c *Conn, r *Request) {
			s := look(r)
			s.chosen = c.Subprotocol()
			if c.RemoteAddr() != r.RemoteAddr() {
				t.Errorf("the connection is from %v, its request from %v", c.RemoteAddr(), r.RemoteAddr())
			}
			saw <- s
		}}, cfg)
		c := st.dial()
		c.send([]byte(tutorialHead))
		c.read(tutorialResponse)
		c.echo("hello")
		want := seen{
			path: "/chat", rawQuery: "room=1&room=2&bad=%zz", rooms: []string{"1", "2"}, host: "server.example.com",
			origin: "http://example.com", protocols: "chat, superchat", remote: c.LocalAddr().String(),
		}
		for _, chosen := range []string{"", "chat"} {
			want.chosen = chosen
			if got := <-saw; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
	})
}

// However the kernel splits a handshake with a frame behind it, the outcome is
// the same; with a hook too, and where only workers may call it.
func TestHandshakeSplitAtEveryOffset(t *testing.T) {
	hook := func(*Request) *Refusal { return nil }
	modes(t, func(t *testing.T, inline bool) {
		configs := []Config{{}, {OnUpgrade: hook}, {OnUpgrade: hook, Loops: 2, Workers: 1}, {Loops: 2, Workers: 1}}
		for i := range configs {
			cfg := tutorial(inline)
			cfg.OnUpgrade, cfg.Loops, cfg.Workers = configs[i].OnUpgrade, configs[i].Loops, configs[i].Workers
			st := start(t, Handler{OnMessage: echo}, cfg)
			all := tutorialHead + string(text("early"))
			for cut := 1; cut < len(all); cut++ {
				if i > 1 && cut%4 != 0 {
					continue
				}
				c := st.dial()
				c.send([]byte(all[:cut]))
				st.received(cut)
				c.send([]byte(all[cut:]))
				c.read(tutorialResponse)
				c.expect(ws.OpText, "early")
				c.reset()
			}
			st.quiet()
			for n := range st.lives {
				st.told(n, "open /chat, text early, close 1006")
			}
		}
	})
}

// received waits until the server has read n bytes more than at the last call.
func (st *site) received(n int) {
	st.t.Helper()
	st.seen += uint64(n)
	eventually(st.t, "the server has read what was sent", func() bool { return st.Stats().BytesReceived >= st.seen })
	st.seen = st.Stats().BytesReceived
}

func TestHandshakeByteByByte(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, tutorial(inline))
		c := st.dial()
		all := []byte(tutorialHead + string(text("early")) + string(goodbye(1000, "")))
		for i := range all {
			c.send(all[i : i+1])
			st.received(1)
		}
		c.read(tutorialResponse)
		c.expect(ws.OpText, "early")
		c.expectClose(1000)
		st.told(0, "open /chat, text early, close 1000 (remote)")
	})
}

// DESIGN, invariant 10: frames in the segment of the handshake are served,
// however many they are, and also when the hook that decides about them blocks.
func TestEarlyFrames(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		for _, blocks := range []bool{false, true} {
			if blocks && inline {
				continue
			}
			cfg := Config{Inline: inline}
			asked, release := make(chan bool), make(chan bool)
			if blocks {
				cfg.OnUpgrade = func(*Request) *Refusal { asked <- true; <-release; return nil }
			}
			st := start(t, Handler{OnMessage: echo}, cfg)
			resume := st.hold() // so that the first read finds all that fits the kernel
			c := st.dial()
			const count = 100
			all := []byte(upgrade("/"))
			for i := range count {
				all = append(all, text(numbered(i, 6000))...)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := c.Write(all); err != nil {
					t.Error(err)
				}
			})
			resume()
			if blocks {
				<-asked
				close(release)
			}
			c.opened()
			for i := range count {
				c.expect(ws.OpText, numbered(i, 6000))
			}
			wg.Wait()
			c.goodbye()
		}
	})
}

// A client that speaks first and is refused can read why, and its frames are not handled.
func TestRefusalIsReadable(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline})
		for _, head := range []string{
			strings.Replace(tutorialHead, "13", "12", 1),
			tutorialHead, // a foreign origin
			"GET / HTTP/1.1\r\nHost: roost.test\r\n\r\n",
			"nonsense\r\n\r\n",
		} {
			c := st.dial()
			c.send([]byte(head), []byte(strings.Repeat(string(text("ignored")), 6000)))
			c.send([]byte(strings.Repeat("\xff", 64<<10)))
			if res := c.response(); res.StatusCode < 400 || body(res) == "" || !res.Close {
				t.Errorf("got %s %v", res.Status, res.Header)
			}
			c.eof()
			c.Close()
		}
		st.quiet()
		if len(st.lives) != 0 {
			t.Error("OnOpen was called")
		}
		if got := st.Stats().Refusals; got["version"] != 1 || got["origin"] != 1 || got["upgrade"] != 1 || got["syntax"] != 1 {
			t.Errorf("refusals: %v", got)
		}
	})
}

// RFC 6455, 4.2.2 and 10.2: which pages may connect is the server's to say.
func TestOrigins(t *testing.T) {
	const origin = "Origin: http://page.example"
	for name, tc := range map[string]struct {
		origins Origins
		fields  []string
		status  int
	}{
		"none sent":         {Origins{}, nil, 101},
		"same":              {Origins{}, []string{"Origin: http://roost.test"}, 101},
		"foreign":           {Origins{}, []string{origin}, 403},
		"null":              {Origins{}, []string{"Origin: null"}, 403},
		"twice":             {Origins{}, []string{"Origin: http://roost.test", "Origin: http://roost.test"}, 400},
		"any":               {Origins{Any: true}, []string{origin}, 101},
		"listed":            {Origins{Allow: []string{"http://page.example"}}, []string{origin}, 101},
		"not listed":        {Origins{Allow: []string{"https://page.example"}}, []string{origin}, 403},
		"function":          {Origins{Check: func(o, host string) bool { return o == "http://page.example" && host == "roost.test" }}, []string{origin}, 101},
		"function says no":  {Origins{Check: func(string, string) bool { return false }}, nil, 403},
		"listed by pattern": {Origins{Allow: []string{"http://*.example"}}, []string{origin}, 101},
	} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, inline bool) {
				st := start(t, Handler{}, Config{Inline: inline, Origins: tc.origins})
				c := st.dial()
				c.send([]byte(upgrade("/", tc.fields...)))
				if tc.status != 101 {
					c.refused(tc.status)
					return
				}
				c.opened()
			})
		})
	}
}

// RFC 6455, 4.2.2: of the client's list the first that the server speaks, or none.
func TestSubprotocols(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, Subprotocols: []string{"v1.json", "v2.json"}})
		for i, tc := range []struct {
			fields []string
			want   string
		}{
			{nil, ""},
			{[]string{"Sec-WebSocket-Protocol: other"}, ""},
			{[]string{"Sec-WebSocket-Protocol: other, v2.json, v1.json"}, "v2.json"},
			{[]string{"Sec-WebSocket-Protocol: other", "Sec-WebSocket-Protocol: v1.json"}, "v1.json"},
			{[]string{"Sec-WebSocket-Protocol: V1.JSON"}, ""},
		} {
			c := st.dial()
			c.send([]byte(upgrade("/", tc.fields...)))
			values := c.opened().Header.Values("Sec-WebSocket-Protocol")
			if got := st.nth(i).conn.Subprotocol(); got != tc.want || tc.want == "" && len(values) > 0 || tc.want != "" && !slices.Equal(values, []string{tc.want}) {
				t.Errorf("%v: the connection has %q and the response %q, want %q", tc.fields, got, values, tc.want)
			}
		}
	})
}

// OnUpgrade refuses with a status and fields, or adds fields to the response.
// It may block: then nobody waits but its own client, whose deadline goes on.
func TestOnUpgrade(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		release := make(chan struct{})
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, OnUpgrade: func(r *Request) *Refusal {
			switch r.Path() {
			case "/slow":
				<-release
			case "/private":
				return &Refusal{Status: 401, Reason: "Who are you?", Header: http.Header{"Www-Authenticate": {`Basic realm="roost"`}}}
			case "/illegal":
				r.SetHeader("Sec-WebSocket-Accept", "mine")
			}
			r.SetHeader("Set-Cookie", "session=1")
			return nil
		}})
		ask := func(path string) *client {
			c := st.dial()
			c.send([]byte(upgrade(path)))
			return c
		}
		res := ask("/private").response()
		if got := body(res); res.StatusCode != 401 || got != "Who are you?" || res.Header.Get("Www-Authenticate") != `Basic realm="roost"` {
			t.Errorf("got %s %v %q", res.Status, res.Header, got)
		}
		ask("/illegal").refused(500)
		if !inline {
			slow := ask("/slow")
			slow.send(text("early"))
			eventually(t, "its hook blocks", func() bool { return st.Stats().LoopMoves > 0 })
			for range 10 {
				ask("/").opened()
			}
			close(release)
			slow.opened()
			slow.expect(ws.OpText, "early")
		}
		c := ask("/")
		if got := c.opened().Header.Get("Set-Cookie"); got != "session=1" {
			t.Errorf("Set-Cookie is %q", got)
		}
		if got := st.Stats().Refusals; got["application"] != 1 || got["server"] != 1 {
			t.Errorf("refusals: %v", got)
		}
	})
}

// Timeouts.Handshake is for the client: the time that the server's own hook
// takes does not count. A client that leaves meanwhile leaves nothing behind.
func TestOnUpgradeTakesLong(t *testing.T) {
	watch(t)
	asked, release := make(chan bool), make(chan bool)
	st := start(t, Handler{OnMessage: echo}, Config{Timeouts: Timeouts{Handshake: short}, OnUpgrade: func(r *Request) *Refusal {
		asked <- true
		<-release
		return nil
	}})
	patient, leaves, clock := st.dial(), st.dial(), st.dial()
	for _, c := range []*client{patient, leaves} {
		c.send([]byte(upgrade("/")))
		<-asked
	}
	leaves.reset()
	clock.gone() // for want of a head: the deadline has passed
	close(release)
	patient.opened()
	patient.echo("still here")
	patient.goodbye()
	st.quiet()
}
