package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roost-ws/roost/server/internal/deflate"
	"github.com/roost-ws/roost/server/internal/engine"
	"github.com/roost-ws/roost/server/internal/handshake"
	"github.com/roost-ws/roost/server/internal/ktls"
	"github.com/roost-ws/roost/server/internal/secure"
	"github.com/roost-ws/roost/server/internal/sys"
	"github.com/roost-ws/roost/server/internal/wire"
)

// Server serves WebSocket connections. It starts working with its first listener.
type Server struct {
	handler    Handler
	cfg        Config
	engine     *engine.Engine
	upgrader   *handshake.Upgrader
	head       handshake.Limits
	frames     wire.Limits
	deflated   wire.Limits // frames, for connections that may send compressed messages
	compressor *deflate.Compressor
	inflating  chan struct{} // a token for each worker that inflates much; nil when callbacks run on the loops
	ticks      ticks
	http       *httpSide // nil without Config.HTTP
	stats      counters
	loops      []loopCounters
	conns      atomic.Int64 // connections that count against maxConns
	maxConns   atomic.Int64 // Limits.Conns, or less, see LimitConns
	away       atomic.Int64 // connections that are being turned away
	address    *addresses   // nil without a limit
	complaints complaints
	reasons    reasons

	closing   atomic.Bool   // no new connections
	drainFrom atomic.Int64  // connections when Shutdown began
	closed    chan struct{} // closed when all has ended
	once      sync.Once
}

// ticks are the deadlines of Config in ticks; 0 means off.
type ticks struct{ handshake, message, close, stall, ping, pong, idle, streamPing engine.Tick }

// turnedAwayMax is how many connections beyond Limits.Conns, Handshakes and ConnsPerAddress
// are told so with a response at a time; more are closed without a word.
const turnedAwayMax = 64

// New makes a server and starts its loops. It fails for a Config that cannot be.
func New(h Handler, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{handler: h, cfg: cfg, closed: make(chan struct{})}
	s.head = handshake.Limits{Bytes: cfg.Limits.HandshakeBytes, Target: cfg.Limits.HandshakeTarget, Fields: cfg.Limits.HandshakeFields}
	s.frames = wire.Limits{Message: cfg.Limits.Message, Fragments: cfg.Limits.Fragments}
	s.ticks = ticks{
		handshake: engine.Ticks(cfg.Timeouts.Handshake),
		message:   engine.Ticks(cfg.Timeouts.Message),
		close:     engine.Ticks(cfg.Timeouts.Close),
		stall:     engine.Ticks(cfg.Timeouts.Stall),
		ping:      engine.Ticks(max(0, cfg.PingInterval)),
		pong:      engine.Ticks(max(0, cfg.PongTimeout)),
		idle:      engine.Ticks(max(0, cfg.IdleTimeout)),

		streamPing: engine.Ticks(max(0, cfg.StreamPingInterval)),
	}
	s.deflated = s.frames
	s.deflated.Deflate = true
	opening := handshake.Config{Subprotocols: cfg.Subprotocols, Origins: cfg.Origins}
	if cfg.Deflate.Enabled {
		s.compressor = deflate.NewCompressor(cfg.Deflate.Level)
		if !cfg.Inline {
			s.inflating = make(chan struct{}, runtime.GOMAXPROCS(0))
		}
		opening.Extensions = s.negotiate
	}
	s.upgrader, err = handshake.New(opening)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if cfg.Limits.ConnsPerAddress > 0 {
		s.address = newAddresses(cfg.Limits.ConnsPerAddress)
	}
	s.maxConns.Store(int64(cfg.Limits.Conns))
	s.loops = make([]loopCounters, cfg.Loops)
	if cfg.TLS != nil {
		cfg.TLS = secure.Config(cfg.TLS)
	}
	if cfg.KernelTLS = cfg.KernelTLS && cfg.TLS != nil; cfg.KernelTLS {
		if err := ktls.Available(); err != nil {
			cfg.KernelTLS = false
			cfg.Logger.Info("the kernel does no TLS, so the process does it all", "reason", err)
		} else {
			cfg.TLS = secure.Offloading(cfg.TLS)
		}
	}
	s.cfg.KernelTLS = cfg.KernelTLS
	s.engine, err = engine.New(engine.Config{
		Kernel: cfg.kernel, Submit: cfg.submit, New: s.admit, Unit: unit,
		Loops: cfg.Loops, Workers: cfg.Workers, Inline: cfg.Inline, ReadBuffer: cfg.readBuffer, Conns: cfg.Limits.Conns + turnedAwayMax,
		Outbound: cfg.Limits.Outbound, Held: int64(cfg.Limits.Held), Stall: cfg.Timeouts.Stall, Overflow: engine.Overflow(cfg.SlowConsumer),
		TLS: cfg.TLS, TLSTimeout: cfg.Timeouts.TLSHandshake, TLSRecord: cfg.Timeouts.Message,
		TLSHandshakes: cfg.Limits.TLSHandshakes, ClientHello: cfg.Limits.ClientHello, KernelTLS: cfg.KernelTLS,
	})
	if err != nil {
		return nil, fmt.Errorf("server: start loops: %w", err)
	}
	s.frames.Held, s.deflated.Held = s.engine.HeldBytes(), s.engine.HeldBytes()
	if cfg.HTTP != nil {
		s.http = newHTTPSide(s)
	}
	return s, nil
}

// Listen starts to serve on an address and returns the one it is bound to,
// which says the port when addr left it open. network is tcp, tcp4, tcp6 or
// unix. It may be called several times, but with Config.Inline not from a
// callback, because it waits for a loop.
func (s *Server) Listen(network, addr string) (net.Addr, error) {
	if s.closing.Load() {
		return nil, ErrServerClosed
	}
	fd, bound, err := sys.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err) // it says "listen" and where
	}
	switch err := s.engine.Listen(fd); {
	case err == engine.ErrStopped:
		return nil, ErrServerClosed
	case err != nil:
		return nil, fmt.Errorf("server: listen %s %s: %w", network, addr, err)
	}
	return bound, nil
}

// ListenAndServe is Listen, and waits until the server is closed. It always
// returns an error; after Shutdown or Close it is ErrServerClosed.
func (s *Server) ListenAndServe(network, addr string) error {
	if _, err := s.Listen(network, addr); err != nil {
		return err
	}
	<-s.closed
	return ErrServerClosed
}

// Serve takes over a TCP or unix listener, which it closes in any case, and
// waits like ListenAndServe. The file of a unix socket stays.
func (s *Server) Serve(ln net.Listener) error {
	if s.closing.Load() {
		ln.Close()
		return ErrServerClosed
	}
	fd, err := sys.DupListener(ln)
	if err != nil {
		ln.Close()
		return fmt.Errorf("server: serve: %w", err)
	}
	if unix, ok := ln.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // the socket is in use for as long as ours is open
	}
	ln.Close()
	if err := s.engine.Listen(fd); err != nil && err != engine.ErrStopped {
		return fmt.Errorf("server: serve: %w", err)
	}
	<-s.closed
	return ErrServerClosed
}

// Config returns the configuration in force: defaults are filled in, and Limits.Conns
// is what LimitConns made of it.
func (s *Server) Config() Config {
	cfg := s.cfg
	cfg.Limits.Conns = int(s.maxConns.Load())
	return cfg
}

// LimitConns sets Limits.Conns of a server that runs, to at least 1 and at most what it
// was made with. Connections beyond it stay open; new ones get 503 until there are
// fewer. It may be called from any goroutine.
func (s *Server) LimitConns(n int) {
	s.maxConns.Store(int64(min(max(n, 1), s.cfg.Limits.Conns)))
}

// Loops returns the number of loops.
func (s *Server) Loops() int { return s.cfg.Loops }

// Post has a task run on a loop: with Config.Inline on the goroutine that runs
// all callbacks of the loop's connections, one at a time with them. The task
// must not block. Tasks of one loop run in the order they were posted. It
// returns ErrServerClosed, and the task never runs, when the loop has ended.
func (s *Server) Post(loop int, task func()) error {
	if !s.engine.Post(loop, task) {
		return ErrServerClosed
	}
	return nil
}

// admit makes the session of an accepted connection, or none for one to be closed at once.
func (s *Server) admit(peer netip.AddrPort) engine.Session {
	c := &Conn{srv: s, proto: -1}
	c.calls = s.count(c, peer.Addr())
	s.stats.states[stateConnecting].Add(1)
	if c.calls&turnedAway != 0 && s.away.Add(1) > turnedAwayMax || s.closing.Load() {
		c.Refused()
		return nil
	}
	return c
}

// count counts a connection against the limits, unless one is met. Those that
// are turned away are counted elsewhere: they must not keep others out.
func (s *Server) count(c *Conn, client netip.Addr) calls {
	if s.conns.Add(1) > s.maxConns.Load() {
		s.conns.Add(-1)
		s.stats.OverConns.Add(1)
		return overConns
	}
	if s.stats.states[stateConnecting].Load() >= int64(s.cfg.Limits.Handshakes) {
		s.conns.Add(-1)
		s.stats.OverHandshakes.Add(1)
		return overHandshakes
	}
	if s.engine.Strained() {
		s.conns.Add(-1)
		s.stats.OverHeld.Add(1)
		return overHeld
	}
	if s.address == nil || !client.IsValid() {
		return 0
	}
	bucket, ok := s.address.add(client)
	if !ok {
		s.conns.Add(-1)
		s.stats.OverAddress.Add(1)
		return overAddress
	}
	c.address = bucket
	return counted
}

// forget gives back what admit counted.
func (s *Server) forget(c *Conn) {
	s.stats.states[stateClosed].Add(-1)
	s.reasons.take(c) // when the application closed what was ending already
	if c.calls&turnedAway != 0 {
		s.away.Add(-1)
		return
	}
	s.conns.Add(-1)
	if c.calls&counted != 0 {
		s.address.remove(c.address)
	}
}

// panicked reports the panic of a callback.
func (s *Server) panicked(p any, stack []byte) {
	s.stats.Panics.Add(1)
	if suppressed, ok := s.complaints.allow(s.cfg.kernel.Now()); ok {
		s.cfg.Logger.Error("server: a callback panicked; its connection is closed",
			"panic", p, "suppressed", suppressed, "stack", string(stack))
	}
}

// Shutdown ends the server gracefully: it stops accepting, sends every client
// a Close frame (Config.ShutdownCode), spread over Timeouts.Drain or what ctx
// leaves of it, waits for their answers, and ends. When ctx ends first, it
// closes what is left at once and returns the context's error. It waits for
// callbacks like Close and must not be called from one.
func (s *Server) Shutdown(ctx context.Context) error {
	s.retire()
	httpDone := make(chan struct{})
	go func() {
		defer close(httpDone)
		if s.http != nil {
			s.http.shutdown(ctx)
		}
	}()
	s.drain(ctx)
	<-httpDone
	err := ctx.Err()
	s.Close()
	return err
}

// retire has nobody new come in.
func (s *Server) retire() {
	s.drainFrom.CompareAndSwap(0, s.conns.Load())
	s.closing.Store(true)
	s.engine.StopListening()
}

// drain has all connections close, evenly over the window, and waits for their end.
func (s *Server) drain(ctx context.Context) {
	const step, again = 20 * time.Millisecond, 500 * time.Millisecond
	window := s.cfg.Timeouts.Drain
	if deadline, ok := ctx.Deadline(); ok {
		// Clients that are told last need time to answer, too.
		window = min(window, time.Until(deadline)*3/4)
	}
	began := time.Now()
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for conns, told := s.snapshot(), 0; s.conns.Load() > 0; {
		passed := time.Since(began)
		due := len(conns)
		if passed < window {
			due = int(float64(len(conns)) * float64(passed) / float64(window))
		}
		for ; told < due; told++ {
			conns[told].pipe.Ask()
		}
		if passed >= window+again {
			began = began.Add(again)
			conns, told = s.snapshot(), 0 // who had no slot yet, however that came
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// snapshot lists the connections that there are now.
func (s *Server) snapshot() []*Conn {
	var mu sync.Mutex
	var all []*Conn
	var wg sync.WaitGroup
	for i := range s.cfg.Loops {
		wg.Add(1)
		posted := s.engine.Post(i, func() {
			defer wg.Done()
			mu.Lock()
			defer mu.Unlock()
			for session := range s.engine.Sessions(i) {
				all = append(all, session.(*Conn))
			}
		})
		if !posted {
			wg.Done()
		}
	}
	wg.Wait()
	return all
}

// Close ends the server and every connection at once. It returns when all
// callbacks have returned, so it must not be called from one.
func (s *Server) Close() error {
	s.closing.Store(true)
	s.once.Do(func() {
		s.engine.Stop()
		if s.http != nil {
			s.http.close()
		}
		close(s.closed)
	})
	<-s.closed
	return nil
}
