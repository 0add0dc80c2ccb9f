package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/roost-ws/roost/server"
)

// cutSlack is how much longer than its window a drain may take before what is
// left is cut: the time of closing handshakes that began at its end.
const cutSlack = 5 * time.Second

// service is a server that runs until a signal ends it.
type service struct {
	log    *slog.Logger
	server *server.Server
	admin  adminPages
	certs  *certificates       // nil without TLS
	ready  func(addr net.Addr) // called once clients can connect; may be nil
	failed chan error          // what ends the program as no signal does; made by serve
	reload func()              // called for a SIGHUP; nil: that ends the program, as it does others
}

// serve listens, says so in one line, and blocks until SIGTERM or SIGINT ends
// the server. attrs are what else the start-up line says.
func (s *service) serve(listen address, adminAt optionalAddress, held capacity, attrs ...slog.Attr) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	hangups := make(chan os.Signal, 1)
	var looks <-chan time.Time
	if s.certs != nil {
		watch := time.NewTicker(certificateWatch)
		defer watch.Stop()
		looks = watch.C
		attrs = append(attrs, s.certs.attr())
	}
	if s.reload != nil || s.certs != nil {
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
	}

	var rests <-chan time.Time
	memory := newRest()
	if memory != nil {
		ticker := time.NewTicker(restEvery)
		defer ticker.Stop()
		rests = ticker.C
	}

	s.failed = make(chan error, 1)
	boss := newSupervisor(s.log)
	addr, err := s.listen(listen, boss)
	if err != nil {
		return err
	}
	defer s.server.Close()
	first := []slog.Attr{slog.String("addr", addr.String())}
	var a *admin
	if adminAt.on {
		if a, err = startAdmin(adminAt.address, s.admin, addr, s.log); err != nil {
			return err
		}
		defer a.stop()
		first = append(first, slog.String("admin", a.addr.String()))
	}
	attrs = slices.Concat(first, inForce(s.server.Config(), held), attrs)
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "listening", attrs...)
	if s.ready != nil {
		s.ready(addr)
	}
	boss.say("READY=1", "STATUS=Serving at "+addr.String())
	defer boss.watch(s.server)()
	for {
		select {
		case err := <-s.failed:
			return err
		case <-hangups:
			if s.certs != nil {
				s.certs.reload()
			}
			if s.reload != nil {
				s.reload()
			}
		case <-looks:
			if s.certs.changed() {
				s.certs.reload()
			}
		case <-rests:
			if memory.look(s.server.Stats()) {
				s.log.Debug("memory given back", "connections", s.server.Stats().Conns)
			}
		case signal := <-signals:
			if a != nil {
				a.draining.Store(true)
			}
			boss.stopping(s.server.Stats().Conns, s.server.Config().Timeouts.Drain+cutSlack+unstoredWait)
			return s.shutdown(signal, signals)
		}
	}
}

// listen begins to serve where boss has opened a socket, or else at an address.
func (s *service) listen(at address, boss *supervisor) (net.Addr, error) {
	ln, err := boss.listener()
	if err != nil {
		return nil, err
	}
	if ln == nil {
		addr, err := s.server.Listen(at.network, at.addr)
		if err != nil {
			return nil, listenError("--listen", at, err)
		}
		return addr, nil
	}
	addr := ln.Addr()
	go func() {
		if err := s.server.Serve(ln); err != server.ErrServerClosed {
			s.failed <- exitf(exitListen, "the passed socket (LISTEN_FDS) cannot be served: %v", err)
		}
	}()
	return addr, nil
}

// canHold is how a log says for how many connections there is room.
func canHold(conns int) string { return fmt.Sprintf("about %d connections", conns) }

// inForce is what the start-up line says about the configuration, defaults
// filled in.
func inForce(config server.Config, held capacity) []slog.Attr {
	handlers := "workers"
	if config.Inline {
		handlers = "inline"
	}
	return []slog.Attr{
		slog.String("version", version()),
		slog.Int("loops", config.Loops),
		slog.String("handlers", handlers),
		slog.String("descriptors", held.String()),
		slog.String("can_hold", canHold(config.Limits.Conns)),
		slog.Bool("deflate", config.Deflate.Enabled),
		slog.Group("limits",
			"connections_per_address", ceiling(max(0, config.Limits.ConnsPerAddress)).String(),
			"message", byteSize(config.Limits.Message).String(),
			"fragments", config.Limits.Fragments,
			"outbound", byteSize(config.Limits.Outbound).String(),
			"ping_interval", period(max(0, config.PingInterval)).String(),
			"idle_timeout", period(max(0, config.IdleTimeout)).String(),
		),
	}
}

// shutdown drains the server; a second signal ends it at once.
func (s *service) shutdown(first os.Signal, signals <-chan os.Signal) error {
	window := s.server.Config().Timeouts.Drain
	s.log.Info("draining", "signal", first.String(), "connections", s.server.Stats().Conns, "window", window.String())
	ctx, cancel := context.WithTimeout(context.Background(), window+cutSlack)
	defer cancel()
	began, drained := time.Now(), make(chan error, 1)
	go func() { drained <- s.server.Shutdown(ctx) }()
	select {
	case err := <-drained:
		if err != nil {
			s.log.Warn("connections that did not close in time were cut", "err", err)
			return nil
		}
		s.log.Info("drained", "connections", s.server.Stats().DrainFrom, "took", time.Since(began).Round(time.Millisecond).String())
		return nil
	case second := <-signals:
		open := s.server.Stats().Conns
		s.server.Close()
		return exitf(exitFailure, "%v during the drain: ended at once with %d connections open", second, open)
	}
}
