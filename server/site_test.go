package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/roost-ws/roost/server/internal/sys"
)

// site is a server under test, which keeps a journal of its callbacks.
type site struct {
	*Server
	t    testing.TB
	addr net.Addr
	log  *logbook

	mu     sync.Mutex
	seen   uint64  // bytes, see received
	lives  []*life // in the order of OnOpen
	byConn map[*Conn]*life
}

// life is all that the application was told of one connection.
type life struct {
	conn   *Conn
	inside atomic.Bool // a callback runs

	mu     sync.Mutex
	events []string // "open /path", "text hello", "binary 300 bytes", "drain", "close 1000 bye (remote)"
	end    *CloseError
}

// start runs a server on a loopback address. At its end, the test's cleanup
// closes it and checks the order of all callbacks.
func start(t testing.TB, h Handler, cfg Config) *site {
	t.Helper()
	st := startIdle(t, h, cfg)
	st.addr = st.listen("tcp", "127.0.0.1:0")
	return st
}

// startIdle is start without a listener.
func startIdle(t testing.TB, h Handler, cfg Config) *site {
	t.Helper()
	if !watched.Load() {
		t.Fatal("the test is not watched for leaks")
	}
	st := &site{t: t, log: new(logbook), byConn: make(map[*Conn]*life)}
	if cfg.kernel == nil {
		cfg.kernel = tightKernel{sys.Real()}
	}
	if overTLS() && cfg.TLS == nil {
		cfg.TLS = suiteTLS().server
		cfg.KernelTLS = overKernelTLS()
	}
	cfg.Logger = slog.New(slog.NewTextHandler(st.log, nil))
	srv, err := New(st.record(h), cfg)
	if err != nil {
		t.Fatal(err)
	}
	st.Server = srv
	t.Cleanup(func() {
		srv.Close()
		st.check()
	})
	return st
}

func (st *site) listen(network, addr string) net.Addr {
	st.t.Helper()
	bound, err := st.Listen(network, addr)
	if err != nil {
		st.t.Fatal(err)
	}
	return bound
}

// dial connects a client.
func (st *site) dial() *client {
	st.t.Helper()
	return dialAddr(st.t, st.addr, nil)
}

// open connects a client and does the opening handshake.
func (st *site) open() *client {
	st.t.Helper()
	return st.dial().open("/")
}

// record wraps h so that every callback is written down.
func (st *site) record(h Handler) Handler {
	return Handler{
		OnOpen: func(c *Conn, r *Request) {
			l := &life{conn: c}
			st.mu.Lock()
			st.lives = append(st.lives, l)
			st.byConn[c] = l
			st.mu.Unlock()
			st.call(c, "open "+r.Path(), func() {
				if h.OnOpen != nil {
					h.OnOpen(c, r)
				}
			})
		},
		OnMessage: func(c *Conn, op Opcode, message []byte) {
			st.call(c, describe(op, message), func() {
				if h.OnMessage != nil {
					h.OnMessage(c, op, message)
				}
			})
		},
		OnDrain: func(c *Conn) {
			st.call(c, "drain", func() {
				if h.OnDrain != nil {
					h.OnDrain(c)
				}
			})
		},
		OnClose: func(c *Conn, err *CloseError) {
			st.call(c, describeClose(err), func() {
				st.life(c).finish(err)
				if h.OnClose != nil {
					h.OnClose(c, err)
				}
			})
		},
	}
}

func describe(op Opcode, message []byte) string {
	kind := map[Opcode]string{Text: "text", Binary: "binary"}[op]
	if len(message) > 64 {
		return fmt.Sprintf("%s %d bytes", kind, len(message))
	}
	return fmt.Sprintf("%s %s", kind, message)
}

func describeClose(err *CloseError) string {
	s := fmt.Sprintf("close %d", err.Code)
	if err.Reason != "" {
		s += " " + err.Reason
	}
	if err.Remote {
		s += " (remote)"
	}
	return s
}

// call writes an event down and makes the call, unless another is under way.
func (st *site) call(c *Conn, event string, do func()) {
	l := st.life(c)
	if l == nil {
		st.t.Errorf("%q is the first call for a connection", event)
		return
	}
	if l.inside.Swap(true) {
		st.t.Errorf("%q comes while another callback of the connection runs", event)
	}
	defer l.inside.Store(false)
	l.mu.Lock()
	l.events = append(l.events, event)
	l.mu.Unlock()
	do()
}

func (st *site) life(c *Conn) *life {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.byConn[c]
}

func (l *life) finish(err *CloseError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = err
}

// story is all events of a connection in one line.
func (l *life) story() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.events, ", ")
}

// nth waits for the nth connection that was opened, from 0.
func (st *site) nth(n int) *life {
	st.t.Helper()
	var l *life
	eventually(st.t, fmt.Sprintf("connection %d is open", n), func() bool {
		st.mu.Lock()
		defer st.mu.Unlock()
		if n < len(st.lives) {
			l = st.lives[n]
		}
		return l != nil
	})
	return l
}

// ended waits for the nth connection's OnClose and returns what it was told.
func (st *site) ended(n int) *CloseError {
	st.t.Helper()
	l := st.nth(n)
	var end *CloseError
	eventually(st.t, fmt.Sprintf("connection %d has ended", n), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		end = l.end
		return end != nil
	})
	return end
}

// told waits for the nth connection's OnClose and compares all of its story,
// without OnDrain if that is not in it: it depends on how fast the client is.
func (st *site) told(n int, story string) {
	st.t.Helper()
	st.ended(n)
	got := st.nth(n).story()
	if !strings.Contains(story, "drain") {
		got = strings.ReplaceAll(got, ", drain", "")
	}
	if got != story {
		st.t.Errorf("connection %d: the application was told\n%s\nwant\n%s", n, got, story)
	}
}

// quiet waits until no connection is left.
func (st *site) quiet() {
	st.t.Helper()
	eventually(st.t, "no connection is left", func() bool { return st.Stats().Conns == 0 })
}

// check looks at every story after the server's end: OnOpen first, OnClose
// exactly once and last. DESIGN, invariant 3.
func (st *site) check() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for i, l := range st.lives {
		for at, event := range l.events {
			if strings.HasPrefix(event, "open ") != (at == 0) || strings.HasPrefix(event, "close ") != (at == len(l.events)-1) {
				st.t.Errorf("connection %d: callbacks out of order: %s", i, strings.Join(l.events, ", "))
				break
			}
		}
	}
	if n := st.reasons.count.Load(); n != 0 {
		st.t.Errorf("a closed server keeps %d reasons", n)
	}
	stats := st.Stats()
	if n := stats.Conns + stats.Connecting + stats.Open + stats.Closing + stats.Lingering + stats.HTTP + stats.Streams; n != 0 {
		st.t.Errorf("a closed server still counts connections: %+v", stats)
	}
}

// logbook is what the server logged.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// echo sends every message back.
func echo(c *Conn, op Opcode, message []byte) { c.Send(op, message) }

// hold keeps all loops from doing anything until resume is called.
func (st *site) hold() (resume func()) {
	st.t.Helper()
	held, done := make(chan bool), make(chan bool)
	for i := range st.Loops() {
		if err := st.Post(i, func() { held <- true; <-done }); err != nil {
			st.t.Fatal(err)
		}
		<-held
	}
	return func() { close(done) }
}
