//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sys

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listen opens a listening socket as NewListener does, and returns its
// descriptor. A unix socket's file stays when fd is closed.
func Listen(network, addr string) (fd int, bound net.Addr, err error) {
	ln, err := NewListener(network, addr)
	if err != nil {
		return -1, nil, err
	}
	defer ln.Close()
	if unixln, ok := ln.(*net.UnixListener); ok {
		unixln.SetUnlinkOnClose(false)
	}
	fd, err = DupListener(ln)
	if err != nil {
		return -1, nil, err
	}
	return fd, ln.Addr(), nil
}

// NewListener listens: tcp, tcp4, tcp6 or unix. It means what net.Listen means (both
// address families for an empty host, the backlog of the system, SO_REUSEADDR), except
// that the socket is plain TCP and never Multipath TCP, and that the socket file
// of a dead process is replaced.
func NewListener(network, addr string) (net.Listener, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	case "unix":
		if err := removeStale(addr); err != nil {
			return nil, fmt.Errorf("listen unix %s: %w", addr, err)
		}
	default:
		return nil, fmt.Errorf("listen %s: %w", addr, net.UnknownNetworkError(network))
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	return lc.Listen(context.Background(), network, addr) // its errors say "listen" and the address
}

// removeStale removes the socket file at path if nobody listens there any
// more. Only a refused connection proves that; a file that is no socket is
// left for bind to complain about.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("another process is listening on this socket: %w", syscall.EADDRINUSE)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}

// DupListener duplicates the descriptor of a TCP or unix listener. The
// duplicate is the caller's to close; ln is untouched and may be closed, which
// removes the file of a unix socket unless ln was told to leave it.
func DupListener(ln net.Listener) (fd int, err error) {
	switch ln := ln.(type) {
	case *net.TCPListener:
		if fd, err = DupConn(ln); err == nil {
			setNoDelay(fd) // Linux gives it to accepted sockets, which saves a call for each
		}
	case *net.UnixListener:
		fd, err = DupConn(ln)
	default:
		return -1, fmt.Errorf("take over listener: %T is neither a TCP nor a unix listener", ln)
	}
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}

// DupConn duplicates the descriptor behind c, close-on-exec and without a
// change to the O_NONBLOCK that both share. The duplicate is the caller's to
// close; c is untouched and may be closed.
func DupConn(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor: %w", err)
	}
	fd = -1
	var dupErr error
	err = raw.Control(func(original uintptr) {
		fd, dupErr = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = os.NewSyscallError("fcntl", dupErr)
	}
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor: %w", err)
	}
	return fd, nil
}

// FileConn hands fd to package net, whatever comes of it: fd is no longer the
// caller's. It must have left its poller before.
func FileConn(fd int) (net.Conn, error) {
	// NewFile keeps a non-blocking descriptor non-blocking; FileConn works on
	// a duplicate, so the file is closed here.
	f := os.NewFile(uintptr(fd), "")
	if f == nil {
		return nil, fmt.Errorf("hand over descriptor %d: %w", fd, unix.EBADF)
	}
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("hand over descriptor %d: %w", fd, err)
	}
	return c, nil
}

// RaiseDescriptorLimit raises the number of descriptors the process may open
// to its hard limit and returns the figure in force.
func RaiseDescriptorLimit() (soft uint64, err error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("descriptor limit: %w", os.NewSyscallError("getrlimit", err))
	}
	// Go's runtime has done this at start on most systems; setting the limit
	// again would make children inherit it, so only a real gain is worth it.
	if limit.Cur >= limit.Max {
		return uint64(limit.Cur), nil
	}
	raised := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
	err = unix.Setrlimit(unix.RLIMIT_NOFILE, &raised)
	if err == unix.EINVAL {
		// The hard limit of macOS may say "unlimited" and is refused when it is
		// taken at its word. Go's runtime knows the real one and has set it.
		return uint64(limit.Cur), nil
	}
	if err != nil {
		return uint64(limit.Cur), fmt.Errorf("raise descriptor limit: %w", os.NewSyscallError("setrlimit", err))
	}
	return uint64(raised.Cur), nil
}
