package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"
)

// admin is the operators' address: health, metrics and profiles. It is apart
// from the port that clients reach, and loopback by default, because profiles
// and metrics are nobody else's business.
type admin struct {
	draining atomic.Bool
	server   *http.Server
	addr     net.Addr
}

// startAdmin listens at addr and answers until stop; metrics is what /metrics says.
func startAdmin(addr address, metrics http.Handler, log *slog.Logger) (*admin, error) {
	ln, err := net.Listen(addr.network, addr.addr)
	if err != nil {
		return nil, listenError("--admin", addr, err)
	}
	a := &admin{addr: ln.Addr()}
	a.server = &http.Server{
		Handler:           a.routes(metrics),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := a.server.Serve(ln); err != http.ErrServerClosed {
			log.Error("the admin address stopped answering", "err", err)
		}
	}()
	return a, nil
}

func (a *admin) routes(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", a.live)
	mux.HandleFunc("GET /ready", a.ready)
	mux.HandleFunc("GET /up", a.ready)
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// live says that the process runs; a drain does not change that, or an
// orchestrator would kill it in the middle.
func (a *admin) live(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "OK")
}

// ready says whether new connections are welcome.
func (a *admin) ready(w http.ResponseWriter, _ *http.Request) {
	if a.draining.Load() {
		http.Error(w, "DRAINING", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "OK")
}

// stop ends the admin address; a profile in flight gets a moment to end.
func (a *admin) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		a.server.Close()
	}
}
