package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/roost-ws/roost/server"
)

// cutSlack is how much longer than its window a drain may take before what is
// left is cut: the time of closing handshakes that began at its end.
const cutSlack = 5 * time.Second

// service is a server that runs until a signal ends it.
type service struct {
	log     *slog.Logger
	server  *server.Server
	metrics http.Handler
	drain   time.Duration
	ready   func(addr net.Addr) // called once clients can connect; may be nil
}

// serve listens, says so in one line, and blocks until SIGTERM or SIGINT ends
// the server. limits are the attributes of the start-up line that the command
// knows.
func (s *service) serve(listen address, adminAt optionalAddress, held capacity, conns int, limits ...slog.Attr) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)

	addr, err := s.server.Listen(listen.network, listen.addr)
	if err != nil {
		return listenError("--listen", listen, err)
	}
	defer s.server.Close()
	attrs := []slog.Attr{slog.String("addr", addr.String())}
	var a *admin
	if adminAt.on {
		if a, err = startAdmin(adminAt.address, s.metrics, s.log); err != nil {
			return err
		}
		defer a.stop()
		attrs = append(attrs, slog.String("admin", a.addr.String()))
	}
	attrs = append(attrs,
		slog.String("version", version()),
		slog.Int("loops", s.server.Loops()),
		slog.String("descriptors", held.String()),
		slog.String("can_hold", fmt.Sprintf("about %d connections", conns)))
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "listening", append(attrs, limits...)...)
	if s.ready != nil {
		s.ready(addr)
	}
	first := <-signals
	if a != nil {
		a.draining.Store(true)
	}
	return s.shutdown(first, signals)
}

// shutdown drains the server; a second signal ends it at once.
func (s *service) shutdown(first os.Signal, signals <-chan os.Signal) error {
	s.log.Info("draining", "signal", first.String(), "connections", s.server.Stats().Conns, "window", s.drain.String())
	ctx, cancel := context.WithTimeout(context.Background(), s.drain+cutSlack)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- s.server.Shutdown(ctx) }()
	select {
	case err := <-drained:
		if err != nil {
			s.log.Warn("connections that did not close in time were cut", "err", err)
			return nil
		}
		s.log.Info("drained")
		return nil
	case second := <-signals:
		open := s.server.Stats().Conns
		s.server.Close()
		return exitf(exitFailure, "%v during the drain: ended at once with %d connections open", second, open)
	}
}
