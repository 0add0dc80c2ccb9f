package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/console"
)

// admin is the operators' address: health, metrics and profiles. It is apart
// from the port that clients reach, and loopback by default, because profiles
// and metrics are nobody else's business.
type admin struct {
	draining atomic.Bool
	server   *http.Server
	addr     net.Addr
}

// adminPages is what the admin address serves besides health and profiles.
type adminPages struct {
	metrics  func(served net.Addr) http.Handler // of what is served there
	console  *console.Console                   // nil when there is none
	letters  http.Handler                       // of webhooks; nil when there are none
	password string                             // "": none is asked for
}

// startAdmin listens at addr and answers until stop. Clients are served at served.
func startAdmin(addr address, pages adminPages, served net.Addr, log *slog.Logger) (*admin, error) {
	ln, err := server.NewListener(addr.network, addr.addr)
	if err != nil {
		return nil, listenError("--admin", addr, err)
	}
	a := &admin{addr: ln.Addr()}
	a.server = &http.Server{
		Handler:           a.routes(pages, served),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	if pages.console != nil {
		a.server.RegisterOnShutdown(pages.console.Close)
	}
	go func() {
		if err := a.server.Serve(patientListener{ln}); err != http.ErrServerClosed {
			log.Error("the admin address stopped answering", "err", err)
		}
	}()
	return a, nil
}

// patientListener outlives whatever the kernel says of one connection or of one
// moment: net/http gives a listener up for most of it, and tries again after a pause
// for what calls itself temporary.
type patientListener struct{ net.Listener }

func (l patientListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		err = passing{err}
	}
	return conn, err
}

// passing is an error that a later call may not have: a net.Error for net/http.
type passing struct{ error }

func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

// routes guards everything but health, which says nothing and is asked for by
// what knows no password.
func (a *admin) routes(pages adminPages, served net.Addr) http.Handler {
	guard := newGuard(pages.password, a.addr)
	guarded := http.NewServeMux()
	guarded.Handle("GET /metrics", pages.metrics(served))
	guarded.HandleFunc("/debug/pprof/", pprof.Index)
	guarded.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	guarded.HandleFunc("/debug/pprof/profile", pprof.Profile)
	guarded.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	guarded.HandleFunc("/debug/pprof/trace", pprof.Trace)
	private := func(h http.Handler) http.Handler {
		if !guard.private() {
			return http.HandlerFunc(noConsole)
		}
		return h
	}
	if pages.console != nil {
		guarded.Handle("/{$}", private(pages.console))
		guarded.Handle("/console/", private(pages.console))
	}
	if pages.letters != nil {
		guarded.Handle("/webhooks/", private(pages.letters))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", a.live)
	mux.HandleFunc("GET /ready", a.ready)
	mux.HandleFunc("GET /up", a.ready)
	mux.Handle("/", guard.protect(guarded))
	return mux
}

// noConsole stands in for a console that strangers could reach, and for what else
// changes something.
func noConsole(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "What changes something needs a password at this address: set ROOST_ADMIN_PASSWORD, or keep --admin on loopback or a unix socket.", http.StatusForbidden)
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

// port is the port of an address, as metrics are labelled with.
func port(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return strconv.Itoa(tcp.Port)
	}
	return "unix"
}
