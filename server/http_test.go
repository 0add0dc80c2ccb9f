package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/sys"
)

// pages serves on one port what is no WebSocket: /copy returns the body it got.
func pages() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello "+r.RemoteAddr) })
	mux.HandleFunc("/copy", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body) // all of it first: net/http does not read on once it has written
		w.Write(b)
	})
	return mux
}

// Requests that are no upgrade go to net/http with all bytes that were read
// already: bodies in the first segment and behind it, requests one behind the other.
func TestHTTPOnSamePort(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, HTTP: pages()})
		socket := st.open()
		for _, size := range []int{0, 10, 5000, 100 << 10, 2 << 20} {
			b := numbered(1, size)[:size]
			c := st.dial()
			var wg sync.WaitGroup
			wg.Go(func() {
				fmt.Fprintf(c, "POST /copy HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, b)
				fmt.Fprint(c, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
			})
			for _, want := range []string{b, "hello " + c.LocalAddr().String()} {
				if res := c.response(); res.StatusCode != 200 || body(res) != want {
					t.Fatalf("body of %d bytes: got %s, not what was sent", size, res.Status)
				}
			}
			wg.Wait()
			eventually(t, "one HTTP connection and one WebSocket are counted", func() bool {
				got := st.Stats() // net/http may answer before the engine has let go
				return got.HTTP == 1 && got.Conns == 1
			})
			c.Close()
			eventually(t, "the HTTP connection is gone", func() bool { return st.Stats().HTTP == 0 })
		}
		// The same, byte by byte.
		c := st.dial()
		for _, b := range []byte("POST /copy HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody") {
			if _, err := c.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if res := c.response(); body(res) != "body" {
			t.Errorf("got %s", res.Status)
		}
		socket.echo("undisturbed")
	})
}

// Without Config.HTTP there is nobody to serve them.
func TestNoHTTP(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline})
		c := st.dial()
		c.send([]byte("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"))
		c.refused(400)
		c = st.dial()
		c.send([]byte("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"))
		c.refused(405)
	})
}

// Beyond Limits.HTTPConns there is 503, and room again when one has gone.
func TestLimitHTTPConns(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, HTTP: pages(), Limits: Limits{HTTPConns: 2}})
		const get = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
		ask := func() *client {
			c := st.dial()
			c.send([]byte(get))
			return c
		}
		first, second := ask(), ask()
		body(first.response())
		body(second.response())
		third := ask()
		if res := third.refused(503); res.Header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After in %v", res.Header)
		}
		if got := st.Stats(); got.OverHTTP != 1 || got.Refusals["application"] != 0 {
			t.Errorf("%d were counted, and %d as handshakes", got.OverHTTP, got.Refusals["application"])
		}
		st.open() // WebSockets are not concerned
		first.send([]byte(get))
		body(first.response())
		first.Close()
		eventually(t, "one has gone", func() bool { return st.Stats().HTTP == 1 })
		if res := ask().response(); res.StatusCode != 200 {
			t.Errorf("got %s", res.Status)
		}
	})
}

// mux is an application with a router of its own.
func (st *site) mux(t *testing.T) http.Handler {
	mux := pages()
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		if err := st.Upgrade(w, r); err != nil {
			t.Errorf("Upgrade returns %v", err)
		}
	})
	return mux
}

// switchable lets a handler be set when its server exists.
type switchable struct{ http.Handler }

// A connection may speak HTTP first and become a WebSocket then: through the
// server's own HTTP side, and through any http.Server.
func TestUpgradeFromMux(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		handler := new(switchable)
		st := startIdle(t, Handler{OnMessage: echo}, Config{Inline: inline, HTTP: handler, Subprotocols: []string{"chat"}})
		handler.Handler = st.mux(t)
		st.addr = st.listen("tcp", "127.0.0.1:0")
		plain := httptest.NewServer(handler)
		t.Cleanup(plain.Close)
		for i, addr := range []string{st.addr.String(), plain.Listener.Addr().String()} {
			for j, early := range []int{0, 3, 100} {
				c := dialAddr(t, resolve(t, "tcp", addr), nil)
				// The page first; the upgrade and the frames behind it come in one segment with it.
				all := []byte("GET /hello HTTP/1.1\r\nHost: roost.test\r\n\r\n" + upgrade("/socket", "Sec-WebSocket-Protocol: chat", "X-Value: 1", "X-Value: 2"))
				for k := range early {
					all = append(all, text(numbered(k, 2000))...)
				}
				c.send(all)
				if res := c.response(); body(res) != "hello "+c.LocalAddr().String() {
					t.Errorf("got %s", res.Status)
				}
				if got := c.opened().Header.Get("Sec-WebSocket-Protocol"); got != "chat" {
					t.Errorf("the subprotocol is %q", got)
				}
				for k := range early {
					c.expect(ws.OpText, numbered(k, 2000))
				}
				c.echo("more")
				conn := st.nth(3*i + j).conn
				if got := conn.RemoteAddr().String(); got != c.LocalAddr().String() || conn.Subprotocol() != "chat" {
					t.Errorf("RemoteAddr is %s, Subprotocol %q", got, conn.Subprotocol())
				}
				c.goodbye()
			}
		}
		st.quiet()
		if n := st.Stats().HTTP; n != 0 {
			t.Errorf("%d HTTP connections are counted", n)
		}
	})
}

// Row H17: a handshake on a connection that spoke HTTP before, as proxies send it
// over connections they keep, is one like any other, whatever the mux says.
func TestUpgradeAfterRequests(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, HTTP: pages(), Subprotocols: []string{"chat"}})
		for _, ask := range []string{"websocket", "h2c, WebSocket"} {
			c := st.dial()
			for range 2 {
				c.send([]byte("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"))
				body(c.response())
			}
			c.send([]byte(strings.Replace(upgrade("/hello", "Sec-WebSocket-Protocol: chat"), "websocket", ask, 1)))
			if got := c.opened().Header.Get("Sec-WebSocket-Protocol"); got != "chat" {
				t.Errorf("the subprotocol is %q", got)
			}
			c.echo("more")
			c.goodbye()
		}
		c := st.dial()
		c.send([]byte("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"))
		body(c.response())
		c.send([]byte(strings.Replace(upgrade("/hello"), "Version: 13", "Version: 12", 1)))
		if res := c.response(); res.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("a handshake of version 12 got %s", res.Status)
		}
		st.quiet()
	})
}

// What the server asks of a handshake holds for those that net/http has read.
func TestUpgradeIsChecked(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{Conns: 1}, OnUpgrade: func(r *Request) *Refusal {
			if r.Header("X-Value") != "1, 2" || r.Query().Get("q") != "x y" || r.Host() != "roost.test" {
				return &Refusal{Status: 418, Reason: "no tea: " + r.Header("X-Value")}
			}
			return nil
		}})
		plain := httptest.NewServer(st.mux(t))
		t.Cleanup(plain.Close)
		good := upgrade("/socket?q=x+y", "X-Value: 1", "X-Value: 2")
		for _, tc := range []struct {
			head   string
			status int
		}{
			{strings.Replace(good, "Version: 13", "Version: 8", 1), 426},
			{strings.Replace(good, tutorialKey, "short", 1), 400},
			{strings.Replace(good, "Upgrade: websocket\r\n", "", 1), 400},
			{strings.Replace(good, "\r\n\r\n", "\r\nOrigin: http://page.example\r\n\r\n", 1), 403},
			{strings.Replace(good, "X-Value: 2", "X-Value: 3", 1), 418},
			{strings.Replace(good, "GET", "POST", 1), 405},
			{good, 101},
			{good, 503}, // Limits.Conns
		} {
			c := dialAddr(t, resolve(t, "tcp", plain.Listener.Addr().String()), nil)
			c.send([]byte(tc.head))
			if tc.status == 101 {
				c.opened()
				c.echo("hello")
				continue
			}
			c.refused(tc.status)
			c.Close()
			eventually(t, "the refused one is gone", func() bool { return st.Stats().Lingering == 0 })
		}
	})
}

// Connections that cannot be taken over get an HTTP error, and so do all when the server is closed.
func TestUpgradeFails(t *testing.T) {
	watch(t)
	st := start(t, Handler{}, Config{})
	rec := httptest.NewRecorder()
	if err := st.Upgrade(rec, httptest.NewRequest("GET", "/", nil)); err == nil || rec.Code != 500 {
		t.Errorf("a ResponseWriter that cannot be hijacked: %v and %d", err, rec.Code)
	}

	errs := make(chan error, 1)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { errs <- st.Upgrade(w, r) }))
	t.Cleanup(secure.Close)
	res, err := secure.Client().Get(secure.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := <-errs; err == nil || res.StatusCode != 500 {
		t.Errorf("a TLS connection: %v and %s", err, res.Status)
	}
	secure.Client().CloseIdleConnections()

	crowded := start(t, Handler{}, Config{Limits: Limits{Conns: 1}})
	crowded.open()
	crowded.away.Add(turnedAwayMax) // nobody is even told so any more
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { errs <- crowded.Upgrade(w, r) }))
	t.Cleanup(plain.Close)
	c := dialAddr(t, resolve(t, "tcp", plain.Listener.Addr().String()), nil)
	c.send([]byte(upgrade("/")))
	c.refused(503)
	if err := <-errs; err == nil {
		t.Error("Upgrade has nothing to say of a connection that met every limit")
	}
	crowded.away.Add(-turnedAwayMax)

	st.Close()
	rec = httptest.NewRecorder()
	if err := st.Upgrade(rec, httptest.NewRequest("GET", "/", nil)); err != ErrServerClosed || rec.Code != 503 {
		t.Errorf("a closed server: %v and %d", err, rec.Code)
	}
}

// Close ends HTTP connections as well: idle ones, those inside a handler, and those on their way.
func TestServerCloseEndsHTTP(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		inside, release := make(chan bool), make(chan bool)
		mux := pages()
		mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
			inside <- true
			<-release
		})
		st := start(t, Handler{}, Config{Inline: inline, HTTP: mux})
		idle, busy, half := st.dial(), st.dial(), st.dial()
		idle.send([]byte("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"))
		body(idle.response())
		busy.send([]byte("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"))
		<-inside
		half.send([]byte("POST /copy HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"))
		eventually(t, "all are with HTTP", func() bool { return st.Stats().HTTP == 3 })
		st.Close()
		for _, c := range []*client{idle, busy, half} {
			c.gone()
		}
		close(release)
		eventually(t, "no HTTP connection is counted", func() bool { return st.Stats().HTTP == 0 })
	})
}

// A response that does not wait for the request's body arrives whole: the
// server ends its side of the stream first, while the client still sends.
func TestHTTPResponseBeforeBody(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		mux := pages()
		mux.HandleFunc("/early", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "no more, please")
		})
		st := start(t, Handler{}, Config{Inline: inline, HTTP: mux})
		c := st.dial()
		const size = 600 << 10 // more than net/http reads for politeness, and a worker at once
		var wg sync.WaitGroup
		wg.Go(func() {
			fmt.Fprintf(c, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", 2*size, make([]byte, size))
		})
		if got, err := io.ReadAll(c.r); err != nil || !strings.HasSuffix(string(got), "no more, please") {
			t.Errorf("got %q and %v", got, err)
		}
		c.Close()
		wg.Wait()
		eventually(t, "the HTTP connection is gone", func() bool { return st.Stats().HTTP == 0 })
	})
}

// noPoller is a kernel that has no poller to give.
type noPoller struct{ sys.Kernel }

func (noPoller) NewPoller() (sys.Poller, error) { return nil, errors.New("no poller") }

// A server that cannot be made leaves nothing running.
func TestNewFails(t *testing.T) {
	watch(t)
	if _, err := New(Handler{}, Config{HTTP: pages(), kernel: noPoller{sys.Real()}}); err == nil || !strings.Contains(err.Error(), "no poller") {
		t.Errorf("New returns %v", err)
	}
}

// What net/http has to complain about goes where all lines of the server go.
func TestHTTPErrorLog(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		mux := pages()
		mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("a page that fails") })
		st := start(t, Handler{}, Config{Inline: inline, HTTP: mux})
		c := st.dial()
		c.send([]byte("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n"))
		c.gone()
		eventually(t, "the panic is logged", func() bool { return strings.Contains(st.log.String(), "a page that fails") })
	})
}

// Connections that are with net/http have deadlines, too: for a request with
// its body, for the response, and between two requests.
func TestTimeoutsHTTP(t *testing.T) {
	watch(t)
	mux := pages()
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for b := make([]byte, 64<<10); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	})
	for name, tc := range map[string]struct {
		timeouts Timeouts
		ask      func(c *client)
	}{
		"read": {Timeouts{HTTPRead: short}, func(c *client) {
			c.send([]byte("POST /copy HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"))
			if trickle(c, make([]byte, 1000)) == 1000 {
				t.Error("a body that took too long was waited for")
			}
		}},
		"write": {Timeouts{HTTPWrite: short}, func(c *client) {
			c.send([]byte("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"))
		}},
		"idle": {Timeouts{HTTPIdle: short}, func(c *client) {
			c.send([]byte("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"))
			body(c.response())
			c.gone()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			st := start(t, Handler{}, Config{HTTP: mux, Timeouts: tc.timeouts})
			c := dialAddr(t, st.addr, narrow)
			tc.ask(c)
			eventually(t, "the connection was cut", func() bool { return st.Stats().Closed == 1 && st.Stats().HTTP == 0 })
		})
	}
}
