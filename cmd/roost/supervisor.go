package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/roost-ws/roost/server"
)

// supervisor is who started the program, if it wants to be told how it is:
// systemd, or what speaks its protocol. sd_notify(3), sd_listen_fds(3).
type supervisor struct {
	log      *slog.Logger
	notify   *net.UnixAddr // nil: nobody wants to know
	watchdog time.Duration // 0: nobody counts on hearing of us
	sockets  int           // that were opened for us, from descriptor 3 on
}

// newSupervisor reads the environment and clears it of what is for this
// process only.
func newSupervisor(log *slog.Logger) *supervisor {
	s := &supervisor{log: log}
	if path := os.Getenv("NOTIFY_SOCKET"); path != "" {
		s.notify = &net.UnixAddr{Name: path, Net: "unixgram"} // net knows that @ begins an abstract name
	}
	self := strconv.Itoa(os.Getpid())
	if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == self {
		us, _ := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64) // what is no number is none
		s.watchdog = time.Duration(us) * time.Microsecond
	}
	if os.Getenv("LISTEN_PID") == self {
		s.sockets, _ = strconv.Atoi(os.Getenv("LISTEN_FDS"))
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	return s
}

// listener returns the socket that was opened for us, or nil. Clients who come
// while the program restarts wait in its queue.
func (s *supervisor) listener() (net.Listener, error) {
	if s.sockets == 0 {
		return nil, nil
	}
	if s.sockets > 1 {
		return nil, exitf(exitListen, "%d sockets were passed (LISTEN_FDS): pass the one where clients connect", s.sockets)
	}
	const first = 3
	f := os.NewFile(first, "LISTEN_FDS")
	defer f.Close() // FileListener makes a copy
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, exitf(exitListen, "the passed socket (LISTEN_FDS) cannot be listened on: %v", err)
	}
	return ln, nil
}

// say tells the supervisor, one NAME=VALUE for each.
func (s *supervisor) say(state ...string) {
	if s.notify == nil {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, s.notify)
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(state, "\n")))
		conn.Close()
	}
	if err != nil {
		s.log.Warn("the supervisor cannot be told (NOTIFY_SOCKET)", "state", state[0], "err", err)
	}
}

// watch lets the supervisor know, twice in the time it waits for that, that all
// loops of srv turn; until stop is called. A loop that is stuck keeps it from hearing.
func (s *supervisor) watch(srv *server.Server) (stop func()) {
	if s.notify == nil || s.watchdog <= 0 {
		return func() {}
	}
	stopped := make(chan struct{})
	go func() {
		ticker := time.NewTicker(s.watchdog / 2)
		defer ticker.Stop()
		for {
			select {
			case <-stopped:
				return
			case <-ticker.C:
			}
			if turns(srv, s.watchdog/2, stopped) {
				s.say("WATCHDOG=1")
			}
		}
	}()
	return func() { close(stopped) }
}

// turns reports whether every loop runs a task in time.
func turns(srv *server.Server, within time.Duration, stopped <-chan struct{}) bool {
	late := time.NewTimer(within)
	defer late.Stop()
	turned := make(chan struct{}, srv.Loops())
	for loop := range srv.Loops() {
		if srv.Post(loop, func() { turned <- struct{}{} }) != nil {
			return true // the server has ended, which is no fault
		}
	}
	for range srv.Loops() {
		select {
		case <-turned:
		case <-late.C:
			return false
		case <-stopped:
			return false
		}
	}
	return true
}

// stopping tells that the end has begun and how long it may take, which may be
// longer than the supervisor would wait by itself.
func (s *supervisor) stopping(conns int64, most time.Duration) {
	s.say("STOPPING=1", fmt.Sprintf("STATUS=Draining %d connections", conns), fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", most.Microseconds()))
}
