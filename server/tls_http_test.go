package server

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// HTTP on the same port goes over TLS too, and a request of an open HTTP
// connection can become a WebSocket, with what was sent behind it.
func TestTLSHTTPOnSamePort(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		httpOnSamePort(t, Config{Inline: inline})
		// With a hook it is a worker, in a turn of its own, that gives the connection away.
		httpOnSamePort(t, Config{Inline: inline, OnUpgrade: func(*Request) *Refusal { return nil }})
	})
}

func httpOnSamePort(t *testing.T, cfg Config) {
	t.Helper()
	var s *secureSite
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || r.TLS.ServerName != "roost.test" {
			t.Errorf("the handler sees TLS %v", r.TLS)
		}
		io.Copy(w, r.Body)
	})
	mux.HandleFunc("/later", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Upgrade(w, r); err != nil {
			t.Error(err)
		}
	})
	cfg.HTTP = mux
	s = startTLS(t, Handler{OnMessage: echo, OnOpen: func(c *Conn, r *Request) {
		if r.TLS() == nil {
			t.Error("OnOpen sees no TLS")
		}
	}}, cfg)

	transport := &http.Transport{TLSClientConfig: s.client}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, size := range []int{0, 100, 300_000} {
		sent := bytes.Repeat([]byte("x"), size)
		res, err := client.Post("https://"+s.addr.String()+"/echo", "text/plain", bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		if got := body(res); got != string(sent) || res.ProtoMajor != 1 {
			t.Errorf("%d bytes of %d came back, by %s", len(got), size, res.Proto)
		}
	}

	// All at once, so that one read takes more than a turn opens.
	sent := strings.Repeat("y", 400_000)
	for range 5 {
		c := s.plain()
		conn := tls.Client(c.Conn, s.client)
		go conn.Write([]byte("POST /echo HTTP/1.1\r\nHost: roost.test\r\nContent-Length: 400000\r\n\r\n" + sent))
		c.r.Reset(conn)
		if got := body(c.response()); got != sent {
			t.Fatalf("%d bytes of %d came back", len(got), len(sent))
		}
		c.Close()
	}

	// Everything in one record, the last frame in pieces behind it: what net/http
	// had read, what TLS had read, and what comes later.
	for _, first := range []string{"", "POST /echo HTTP/1.1\r\nHost: roost.test\r\nContent-Length: 5\r\n\r\nhello"} {
		c := s.connect(s.client)
		if first != "" {
			c.send([]byte(first))
			if got := body(c.response()); got != "hello" {
				t.Errorf("got %q", got)
			}
		}
		long := numbered(2, 50_000)
		c.send([]byte(upgrade("/later")), text("one"), text(long))
		c.opened()
		c.expect(ws.OpText, "one")
		c.expect(ws.OpText, long)
		c.echo("three")
		c.goodbye()
	}

	// Upgraded on the loop, with frames in the record of the request.
	c := s.connect(s.client)
	c.send([]byte(upgrade("/")), text("early"))
	c.opened()
	c.expect(ws.OpText, "early")
	c.goodbye()
	eventually(t, "all but the idle one are gone", func() bool { return s.Stats().Conns == 0 })
}

// A response without a length ends with a close_notify, so that nobody can cut
// it short unseen.
func TestTLSHTTPEndsWithGoodbye(t *testing.T) {
	watch(t)
	s := startTLS(t, Handler{}, Config{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, strings.Repeat("y", 100_000))
	})})
	c := s.connect(s.client)
	c.send([]byte("GET / HTTP/1.0\r\n\r\n"))
	if got, err := io.ReadAll(c.r); err != nil || !strings.HasSuffix(string(got), strings.Repeat("y", 100_000)) {
		t.Errorf("%d bytes and %v", len(got), err) // crypto/tls returns unexpected EOF for an end without close_notify
	}
}

// The TLS of one server cannot go on in another.
func TestTLSUpgradeElsewhere(t *testing.T) {
	watch(t)
	other := start(t, Handler{OnMessage: echo}, Config{})
	s := startTLS(t, Handler{}, Config{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := other.Upgrade(w, r); err == nil {
			t.Error("it was taken over")
		}
	})})
	c := s.connect(s.client)
	c.send([]byte("GET /first HTTP/1.1\r\nHost: roost.test\r\n\r\n"))
	if res := c.response(); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("got %s", res.Status)
	}
	// The handler has its connection to itself, and closes it only after it has answered.
	eventually(t, "the connection is closed", func() bool { return s.Stats().HTTP == 0 })
}
