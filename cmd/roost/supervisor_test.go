package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
)

// told is what a supervisor is told at its socket.
func told(t *testing.T) (path string, said *feed[string]) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	said = newFeed[string]()
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			said.put(string(buf[:n]))
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return path, said
}

// A supervisor is told when clients can connect, that the loops turn, and when
// and for how long the end goes on.
func TestSupervisorIsTold(t *testing.T) {
	path, said := told(t)
	p := launch(t, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=200000"}, "echo", "--listen", "127.0.0.1:0", "--drain", "1s")
	ready := said.await(t, "READY", func(s string) bool { return strings.HasPrefix(s, "READY=1\n") })
	if !strings.Contains(ready, "STATUS=Serving at 127.0.0.1:") {
		t.Errorf("told %q", ready)
	}
	said.await(t, "WATCHDOG", func(s string) bool { return s == "WATCHDOG=1" })
	p.cmd.Process.Signal(syscall.SIGTERM)
	// A second for the drain, five for those who do not answer, ten for webhooks.
	stopping := said.await(t, "STOPPING", func(s string) bool { return strings.HasPrefix(s, "STOPPING=1\n") })
	if !regexp.MustCompile(`\nSTATUS=Draining 0 connections\nEXTEND_TIMEOUT_USEC=16000000$`).MatchString(stopping) {
		t.Errorf("told %q", stopping)
	}
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if first := said.all()[0]; !strings.HasPrefix(first, "READY=1") {
		t.Errorf("told %q first", first)
	}
}

// What is for another process is not for this one; a supervisor that is gone is
// worth a line in the log.
func TestSupervisorOfOthers(t *testing.T) {
	p := start(t, []string{
		"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "gone"), "WATCHDOG_USEC=200000", "WATCHDOG_PID=1", "LISTEN_FDS=3", "LISTEN_PID=1",
	}, "echo", "--listen", "127.0.0.1:0", "--drain", "1s")
	p.log.await(t, "a warning", func(r record) bool { return r["state"] == "READY=1" })
	if got := regexp.MustCompile(`:[1-9]\d*$`).FindString(p.addr); got == "" {
		t.Errorf("it serves at %s", p.addr)
	}
}

// A socket that was opened before is served: who connected before the program
// was there is served, too.
func TestSocketActivation(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	early, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// The shell knows the number that the program will have.
	run := func(fds string) *program {
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=`+fds+` exec "$0" "$@"`, binary, "echo", "--listen", "127.0.0.1:1", "--drain", "1s")
		cmd.ExtraFiles = []*os.File{file}
		return follow(t, cmd, nil)
	}
	p := run("1").serving()
	if p.addr != ln.Addr().String() {
		t.Errorf("it serves at %s, not at the socket's %s", p.addr, ln.Addr())
	}
	early.SetDeadline(time.Now().Add(patience))
	const request = "GET / HTTP/1.1\r\nHost: roost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := early.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 12)
	if _, err := early.Read(answer); err != nil || string(answer) != "HTTP/1.1 101" {
		t.Errorf("who came early got %q, %v", answer, err)
	}
	early.Close()
	two := run("2")
	if code := two.wait(); code != exitListen || !strings.Contains(strings.Join(two.noise.all(), ""), "2 sockets were passed") {
		t.Errorf("two sockets: exit code %d, %v", code, two.noise.all())
	}
}

// A loop that is stuck is noticed.
func TestTurns(t *testing.T) {
	srv, err := server.New(server.Handler{}, server.Config{Inline: true, Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	never := make(chan struct{})
	if !turns(srv, patience, never) {
		t.Error("two idle loops do not turn")
	}
	free := make(chan struct{})
	if err := srv.Post(1, func() { <-free }); err != nil {
		t.Fatal(err)
	}
	if turns(srv, 50*time.Millisecond, never) {
		t.Error("a loop that is stuck turns")
	}
	close(free)
	if !turns(srv, patience, never) {
		t.Error("it does not turn again")
	}
}
