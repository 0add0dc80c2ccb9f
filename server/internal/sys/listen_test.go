//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sys

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// descriptors counts the open descriptors of the process.
func descriptors() int {
	n := 0
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

// noneLeft fails the test when test leaves a descriptor open or closes one too
// many.
func noneLeft(t *testing.T, test func()) {
	t.Helper()
	// Package net's first socket opens descriptors that Go keeps.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	before := descriptors()
	test()
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func nonblocking(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

func closeOnExec(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.FD_CLOEXEC != 0
}

func TestListen(t *testing.T) {
	for _, c := range []struct{ network, addr string }{
		{"tcp", "127.0.0.1:0"}, {"tcp", ":0"}, {"tcp4", ":0"}, {"tcp6", "[::1]:0"},
		{"unix", filepath.Join(t.TempDir(), "s")},
	} {
		noneLeft(t, func() {
			fd, bound, err := Listen(c.network, c.addr)
			if err != nil {
				t.Fatalf("Listen(%s, %s): %v", c.network, c.addr, err)
			}
			defer mustClose(t, fd)
			if !nonblocking(t, fd) || !closeOnExec(t, fd) {
				t.Errorf("Listen(%s, %s): the descriptor blocks or is inherited", c.network, c.addr)
			}
			client, err := net.Dial(bound.Network(), bound.String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			nfd, _ := acceptOne(t, fd)
			mustClose(t, nfd)
		})
	}
}

// An empty host means every address of both families, as with net.Listen.
func TestListenDualStack(t *testing.T) {
	_, bound := listen(t, "tcp", ":0")
	_, port, _ := net.SplitHostPort(bound.String())
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		c.Close()
	}
}

func TestListenErrors(t *testing.T) {
	_, taken := listen(t, "tcp", "127.0.0.1:0")
	noneLeft(t, func() {
		for _, c := range []struct {
			network, addr string
			is            error
			says          string
		}{
			{"tcp", taken.String(), syscall.EADDRINUSE, taken.String()},
			{"udp", "127.0.0.1:0", net.UnknownNetworkError("udp"), "udp"},
			{"tcp", "127.0.0.1:notaport", nil, "notaport"},
			{"unix", "/no/such/directory/s", syscall.ENOENT, "/no/such/directory/s"},
		} {
			fd, _, err := Listen(c.network, c.addr)
			if err == nil {
				mustClose(t, fd)
				t.Errorf("Listen(%s, %s) gave no error", c.network, c.addr)
				continue
			}
			if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Listen(%s, %s): %v", c.network, c.addr, err)
			}
		}
	})
}

// The socket file of a process that is gone is in nobody's way.
func TestListenReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, _, err := Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, fd)
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("the file did not stay: %v", err)
	}
	_, bound := listen(t, "unix", path)
	c, err := net.Dial("unix", bound.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// Whoever listens keeps the socket, and a file that is no socket stays as it is.
func TestListenKeepsWhatIsUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	lfd, _ := listen(t, "unix", path)
	if _, _, err := Listen("unix", path); err == nil || !strings.Contains(err.Error(), "listening") {
		t.Errorf("a second listener on a used socket: %v", err)
	}
	nfd, _ := acceptOne(t, lfd) // the question whether anybody listens
	mustClose(t, nfd)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first listener lost its socket: %v", err)
	}
	c.Close()

	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Listen("unix", file); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listening on a file: %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
		t.Errorf("the file was touched: %q, %v", b, err)
	}
}

// A listener that was taken over goes on after its first owner has closed it.
func TestDupListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, c := range []struct{ network, addr string }{{"tcp", "127.0.0.1:0"}, {"unix", path}} {
		ln, err := net.Listen(c.network, c.addr)
		if err != nil {
			t.Fatal(err)
		}
		if unixln, ok := ln.(*net.UnixListener); ok {
			unixln.SetUnlinkOnClose(false)
		}
		fd, err := DupListener(ln)
		if err != nil {
			t.Fatal(err)
		}
		defer mustClose(t, fd)
		ln.Close()
		if !nonblocking(t, fd) || !closeOnExec(t, fd) {
			t.Errorf("%s: the descriptor blocks or is inherited", c.network)
		}
		client, err := net.Dial(c.network, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		nfd, _ := acceptOne(t, fd)
		mustClose(t, nfd)
		if _, err := DupListener(ln); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: a closed listener: %v", c.network, err)
		}
	}
	if _, err := DupListener(struct{ net.Listener }{}); err == nil {
		t.Error("a listener of another kind was taken over")
	}
}

// A connection taken from its net.Conn lives on without it, and neither the
// taking nor the closing changes the O_NONBLOCK that both share.
func TestDupConn(t *testing.T) {
	lfd, bound := listen(t, "tcp", "127.0.0.1:0")
	noneLeft(t, func() {
		c, err := net.Dial("tcp", bound.String())
		if err != nil {
			t.Fatal(err)
		}
		nfd, _ := acceptOne(t, lfd)
		defer mustClose(t, nfd)
		fd, err := DupConn(c.(*net.TCPConn))
		if err != nil {
			t.Fatal(err)
		}
		defer mustClose(t, fd)
		if !nonblocking(t, fd) || !closeOnExec(t, fd) {
			t.Error("the descriptor blocks or is inherited")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if !nonblocking(t, fd) {
			t.Error("the descriptor blocks after its first owner has gone")
		}
		if n, err := Real().Write(fd, []byte("still here")); n != 10 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
		if _, err := DupConn(c.(*net.TCPConn)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed connection: %v", err)
		}
	})
}

// A descriptor handed to package net is a net.Conn in full: addresses,
// deadlines, both directions. The handed one is consumed.
func TestFileConn(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		addr := "127.0.0.1:0"
		if network == "unix" {
			addr = filepath.Join(t.TempDir(), "s")
		}
		lfd, bound := listen(t, network, addr)
		noneLeft(t, func() {
			client, err := net.Dial(network, bound.String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			fd, _ := acceptOne(t, lfd)
			witness, err := unix.Dup(fd) // shares O_NONBLOCK with whatever net has
			if err != nil {
				t.Fatal(err)
			}
			c, err := FileConn(fd)
			if err != nil {
				t.Fatal(err)
			}
			if !nonblocking(t, witness) {
				t.Error("the socket blocks")
			}
			mustClose(t, witness)
			if c.LocalAddr().String() != client.RemoteAddr().String() {
				t.Errorf("the address is %v, the client dialled %v", c.LocalAddr(), client.RemoteAddr())
			}
			c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a read past its deadline: %v", err)
			}
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := client.Write([]byte("ping")); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 4)
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "ping" {
				t.Errorf("read %q, %v", b, err)
			}
			if _, err := c.Write([]byte("pong")); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if got, err := io.ReadAll(client); err != nil || string(got) != "pong" {
				t.Errorf("the client read %q, %v", got, err)
			}
		})
	}
}

// Also a descriptor that package net does not want is consumed.
func TestFileConnErrors(t *testing.T) {
	noneLeft(t, func() {
		var p [2]int
		if err := unix.Pipe(p[:]); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p[1])
		if _, err := FileConn(p[0]); err == nil {
			t.Error("a pipe became a net.Conn")
		}
		if _, err := FileConn(-1); err == nil {
			t.Error("descriptor -1 became a net.Conn")
		}
	})
}

func TestRaiseDescriptorLimit(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	low := before
	low.Cur = 256
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	soft, err := RaiseDescriptorLimit()
	if err != nil {
		t.Fatal(err)
	}
	var after unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &after); err != nil {
		t.Fatal(err)
	}
	if soft != uint64(after.Cur) || after.Cur != before.Max && after.Cur == low.Cur {
		t.Errorf("returned %d, the limit is %d of %d", soft, after.Cur, after.Max)
	}
	again, err := RaiseDescriptorLimit()
	if again != soft || err != nil {
		t.Errorf("the second call returned %d, %v", again, err)
	}
}
