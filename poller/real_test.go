//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package poller

import (
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	systems["real"] = func() system { return &realSystem{} }
}

// realSystem is the kernel the test runs on.
type realSystem struct {
	thread
	zeros [1 << 12]byte
	buf   [1 << 16]byte
}

func (*realSystem) backend(t *testing.T) backend {
	t.Helper()
	p, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return p.backend
}

func (*realSystem) socketpair(t *testing.T) (a, b int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	return pair[0], pair[1]
}

func (s *realSystem) write(fd, n int) int {
	got, _ := unix.Write(fd, s.zeros[:n])
	return max(got, 0)
}

func (s *realSystem) read(fd, n int) int {
	got, err := unix.Read(fd, s.buf[:n])
	if err != nil {
		return -1
	}
	return got
}

func (*realSystem) shutdown(fd int) { unix.Shutdown(fd, unix.SHUT_WR) }

func (*realSystem) close(fd int) { unix.Close(fd) }

func (*realSystem) descriptors() int {
	n := 0
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}
