package server

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// S1: a request that waits for net/http when a shutdown begins is told so with
// 503, wherever it stands.
func TestShutdownRefusesQueuedHTTP(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		served := make(chan bool, 1)
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) { served <- true })
		st := start(t, Handler{}, Config{Inline: inline, HTTP: mux, Timeouts: Timeouts{Drain: short}})
		early := st.dial()
		eventually(t, "it is accepted", func() bool { return st.Stats().Accepted == 1 })
		resume := st.hold()
		early.send([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
		st.closing.Store(true)
		resume()
		early.refused(http.StatusServiceUnavailable)

		st.closing.Store(false)
		st.http.Close()
		eventually(t, "nobody accepts, as when net/http has stopped", func() bool {
			stacks := make([]byte, 1<<20)
			return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*httpSide).Accept("))
		})
		late := st.dial()
		late.send([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
		eventually(t, "it waits for net/http", func() bool { return st.Stats().HTTP == 1 })
		st.Shutdown(context.Background())
		if got, err := io.ReadAll(late.r); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 503 ") {
			t.Errorf("got %q and %v", got, err)
		}
		select {
		case <-served:
			t.Error("a handler ran after the shutdown had begun")
		default:
		}
	})
}

// What waits when the listener of net/http is closed is still accepted, and then
// the handler's place is taken by 503.
func TestHTTPSideAcceptsWhatWaits(t *testing.T) {
	watch(t)
	st := start(t, Handler{}, Config{HTTP: pages()})
	h := &httpSide{srv: st.Server, conns: make(chan net.Conn, 1), done: make(chan struct{})}
	ours, theirs := net.Pipe()
	defer theirs.Close()
	h.conns <- ours
	h.Close()
	if c, err := h.Accept(); c != ours || err != nil {
		t.Fatalf("got %v and %v", c, err)
	}
	if c, err := h.Accept(); c != nil || err != net.ErrClosed {
		t.Fatalf("got %v and %v", c, err)
	}
	st.closing.Store(true)
	h.http = &http.Server{Handler: http.HandlerFunc(h.serve)}
	h.conns <- ours
	go h.http.Serve(h)
	go io.WriteString(theirs, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
	got, err := io.ReadAll(theirs)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 503 ") || !strings.Contains(string(got), "Retry-After: 1\r\n") {
		t.Errorf("got %q and %v", got, err)
	}
}

// A connection counts once as accepted and once as closed, whether it stays with
// HTTP, becomes a WebSocket there, or never was with HTTP.
func TestAcceptedAndClosedAgree(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		mux := pages()
		cfg := Config{Inline: inline}
		var st *site
		mux.HandleFunc("/later", func(w http.ResponseWriter, r *http.Request) { st.Upgrade(w, r) })
		cfg.HTTP = mux
		st = start(t, Handler{OnMessage: echo}, cfg)

		plain := st.dial()
		plain.send([]byte("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"))
		body(plain.response())
		direct := st.open()
		// Plain HTTP first: then its Upgrade is net/http's to read.
		upgraded := st.dial()
		upgraded.send([]byte("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"))
		body(upgraded.response())
		upgraded.open("/later")
		upgraded.echo("hello")
		if s := st.Stats(); s.Accepted != 3 || s.Closed != 0 {
			t.Errorf("%d accepted and %d closed, want 3 and 0", s.Accepted, s.Closed)
		}
		plain.Close()
		direct.goodbye()
		upgraded.goodbye()
		eventually(t, "all are closed", func() bool { return st.Stats().Conns == 0 && st.Stats().HTTP == 0 && st.Stats().Closed >= 3 })
		if s := st.Stats(); s.Accepted != 3 || s.Closed != 3 {
			t.Errorf("%d accepted and %d closed, want 3 and 3", s.Accepted, s.Closed)
		}
	})
}
