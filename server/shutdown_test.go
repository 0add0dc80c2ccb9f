package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// polite answers the Close frame of a shutdown and leaves. It returns what it
// was sent before.
func (c *client) polite(code StatusCode) (before []frame, err error) {
	for {
		f, err := readFrame(c.r)
		if err != nil {
			return before, err
		}
		if f.op != ws.OpClose {
			before = append(before, f)
			continue
		}
		if f.code() != code {
			return before, errors.New(f.String())
		}
		c.Write(goodbye(code, ""))
		if _, err := c.r.ReadByte(); err != io.EOF {
			return before, err
		}
		return before, c.Close()
	}
}

// S1, S2: every client is told, evenly over the window, and Shutdown returns
// nil as soon as the last has answered. A busy machine may make clients late; none
// is told before its share of the window has passed, so no two shares come at once.
func TestShutdown(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		const window = 2 * short
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, ShutdownCode: 1012, Timeouts: Timeouts{Drain: window}})
		var mu sync.Mutex
		var told []time.Time
		var wg sync.WaitGroup
		for range 40 {
			c := st.open()
			c.send(text("hello"))
			wg.Go(func() {
				before, err := c.polite(1012)
				if err != nil || len(before) != 1 {
					t.Errorf("a client got %v, then %v", before, err)
				}
				mu.Lock()
				defer mu.Unlock()
				told = append(told, time.Now())
			})
		}
		eventually(t, "all messages were handled", func() bool { return st.Stats().Messages == 40 })
		if got := st.Stats(); got.Draining || got.DrainFrom != 0 {
			t.Errorf("before the shutdown: %+v", got)
		}
		began := time.Now()
		if err := st.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown returns %v", err)
		}
		if got := st.Stats(); !got.Draining || got.DrainFrom != 40 || got.Conns != 0 {
			t.Errorf("after the shutdown: %+v", got)
		}
		wg.Wait()
		slices.SortFunc(told, time.Time.Compare)
		for i, at := range told {
			if share := window * time.Duration(i+1) / 40; at.Sub(began) < share {
				t.Errorf("client %d of 40 was told after %v, its share of the window ends after %v", i, at.Sub(began), share)
			}
		}
		for i := range 40 {
			st.told(i, "open /, text hello, close 1012 server is shutting down")
		}
	})
}

// S4: a client that does not answer, or takes nothing, cannot hold a shutdown up.
func TestShutdownDeadline(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, Timeouts: Timeouts{Drain: short, Close: 2 * patience, Stall: 2 * patience}})
		st.open() // never answers
		st.dial() // never says anything
		dialAddr(t, st.addr, narrow).open("/")
		for conn := st.nth(1).conn; conn.pipe.Queued() < 100<<10; {
			if err := conn.Send(Text, make([]byte, 10<<10)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), short)
		defer cancel()
		if err := st.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown returns %v", err)
		}
		for i := range 2 {
			if end := st.ended(i); end.Code != StatusGoingAway {
				t.Errorf("connection %d: OnClose was told %v", i, end)
			}
		}
		if err := st.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown once more returns %v", err)
		}
	})
}

// S1: what was accepted is finished. The answer of a handler that is at work
// goes out before the Close frame, and so do those to messages that came with it.
func TestShutdownFinishesMessages(t *testing.T) {
	watch(t)
	st, s := startStuck(t, Config{Loops: 1, Timeouts: Timeouts{Drain: short}})
	c := st.open()
	c.send(text("block"), text("behind it"))
	eventually(t, "the handler is at work", func() bool { return s.inside.Load() == 1 })
	next := st.open() // stands behind c, and is told after it
	done := make(chan error)
	go func() { done <- st.Shutdown(context.Background()) }()
	if _, err := next.polite(StatusGoingAway); err != nil {
		t.Error(err)
	}
	s.free()
	before, err := c.polite(StatusGoingAway)
	if err != nil || len(before) != 2 || string(before[0].payload) != "block" || string(before[1].payload) != "behind it" {
		t.Errorf("the client got %v, then %v", before, err)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown returns %v", err)
	}
}

// S5: a client in its handshake gets a response or an end, never a frame, and
// never silence.
func TestShutdownDuringHandshake(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Timeouts: Timeouts{Drain: short}})
		holder := st.open() // keeps the shutdown from ending
		var halves []*client
		for range 8 {
			c := st.dial()
			c.send([]byte("GET / HTTP/1.1\r\n"))
			halves = append(halves, c)
		}
		eventually(t, "all are connected", func() bool { return st.Stats().Connecting == 8 })
		done := make(chan error)
		go func() { done <- st.Shutdown(context.Background()) }()
		for _, c := range halves {
			res := c.response()
			if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
				t.Errorf("got %s %v", res.Status, res.Header)
			}
			c.Close()
		}
		if _, err := holder.polite(StatusGoingAway); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Shutdown returns %v", err)
		}
	})
}

// A handshake that its hook holds up ends well, and then the client is told like all others.
func TestShutdownDuringOnUpgrade(t *testing.T) {
	watch(t)
	asked, release := make(chan bool), make(chan bool)
	st := start(t, Handler{}, Config{Loops: 1, Timeouts: Timeouts{Drain: short}, OnUpgrade: func(r *Request) *Refusal {
		if r.Path() == "/slow" {
			asked <- true
			<-release
		}
		return nil
	}})
	slow := st.dial()
	slow.send([]byte(upgrade("/slow")))
	<-asked
	quick := st.open() // stands behind slow, and is told after it
	done := make(chan error)
	go func() { done <- st.Shutdown(context.Background()) }()
	if _, err := quick.polite(StatusGoingAway); err != nil {
		t.Error(err)
	}
	close(release)
	slow.opened()
	if _, err := slow.polite(StatusGoingAway); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown returns %v", err)
	}
}

// S5: from the beginning of a shutdown nobody is taken in; those who connect
// while it begins are served and told, or refused.
func TestShutdownRefusesNewConnections(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Timeouts: Timeouts{Drain: short}})
		holder := st.open()
		var wg sync.WaitGroup
		var served atomic.Int64
		for range 4 {
			wg.Go(func() {
				for {
					conn, err := dialQuietly(st.addr)
					if err != nil {
						return // refused
					}
					conn.SetDeadline(time.Now().Add(patience))
					c := &client{Conn: conn, t: t, r: bufio.NewReader(conn)}
					c.Write([]byte(upgrade("/")))
					res, err := http.ReadResponse(c.r, nil)
					switch {
					case isTimeout(err):
						t.Error("accepted, and then silence")
					case err != nil || res.StatusCode != 101:
					default:
						if served.Add(1) > 20 {
							if _, err := c.polite(StatusGoingAway); isTimeout(err) {
								t.Error("served, and then not told")
							}
						}
					}
					conn.Close()
				}
			})
		}
		eventually(t, "clients come and go", func() bool { return served.Load() > 10 })
		done := make(chan error)
		go func() { done <- st.Shutdown(context.Background()) }()
		wg.Wait()
		if _, err := holder.polite(StatusGoingAway); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Shutdown returns %v", err)
		}
	})
}

// A request that net/http is serving is finished; the connection ends after it.
func TestShutdownFinishesHTTP(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		inside, release := make(chan bool), make(chan bool)
		mux := pages()
		mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
			inside <- true
			<-release
			io.WriteString(w, "done")
		})
		st := start(t, Handler{}, Config{Inline: inline, HTTP: mux, Timeouts: Timeouts{Drain: short}})
		idle, busy := st.dial(), st.dial()
		idle.send([]byte("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"))
		body(idle.response())
		busy.send([]byte("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"))
		<-inside
		done := make(chan error)
		go func() { done <- st.Shutdown(context.Background()) }()
		idle.gone()
		close(release)
		if got := body(busy.response()); got != "done" {
			t.Errorf("got %q", got)
		}
		if err := <-done; err != nil {
			t.Errorf("Shutdown returns %v", err)
		}
	})
}

// Shutdown and Close may be called by anybody, at once and again.
func TestShutdownAndCloseAtOnce(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		for range 5 {
			st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Timeouts: Timeouts{Drain: patience}})
			for range 5 {
				st.open()
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { st.Shutdown(context.Background()) })
			}
			wg.Go(func() { st.Close() })
			wg.Wait()
			st.Close()
			if n := st.Stats().Conns; n != 0 {
				t.Errorf("%d connections are left", n)
			}
		}
	})
}
