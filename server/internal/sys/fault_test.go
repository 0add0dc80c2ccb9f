//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sys

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFaultOf(t *testing.T) {
	for want, errs := range map[Fault][]error{
		None:        {nil},
		Again:       {unix.EAGAIN, unix.EWOULDBLOCK},
		Interrupted: {unix.EINTR},
		Peer: {
			unix.EPIPE, unix.ECONNRESET, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.EHOSTDOWN,
			unix.ENETDOWN, unix.ENETUNREACH, unix.ENETRESET, unix.ECONNABORTED, unix.ECONNREFUSED,
			unix.EPROTO, unix.EPROTOTYPE, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EPERM, unix.ENOTCONN,
			unix.ESHUTDOWN, unix.EDESTADDRREQ, unix.EIO, unix.Errno(9999), errors.New("no errno at all"),
		},
		Resource: {unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC},
		Bug: {
			unix.EBADF, unix.ENOTSOCK, unix.EFAULT, unix.EINVAL, unix.EEXIST, unix.ENOENT, unix.ELOOP,
		},
	} {
		for _, err := range errs {
			if got := FaultOf(err); got != want {
				t.Errorf("FaultOf(%v) = %d, want %d", err, got, want)
			}
			if err == nil {
				continue
			}
			if TimedOut(err) != (err == unix.ETIMEDOUT) {
				t.Errorf("TimedOut(%v) = %v", err, TimedOut(err))
			}
			wrapped := fmt.Errorf("add: %w", os.NewSyscallError("epoll_ctl", err))
			if got := FaultOf(wrapped); got != want {
				t.Errorf("FaultOf(%v) = %d, want %d", wrapped, got, want)
			}
		}
	}
}

// For a sender the kernel's lack of memory means what a full buffer means.
func TestSendError(t *testing.T) {
	for errno, want := range map[unix.Errno]Fault{
		unix.ENOBUFS: Again, unix.ENOMEM: Again, unix.EAGAIN: Again, unix.EPIPE: Peer, unix.EBADF: Bug,
	} {
		if got := FaultOf(sendError(errno)); got != want {
			t.Errorf("%v on a send is %d, want %d", errno, got, want)
		}
	}
	if err := sendError(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

// Classifying is on the path of every read that finds nothing.
func TestFaultOfDoesNotAllocate(t *testing.T) {
	var err error = unix.EAGAIN
	if n := testing.AllocsPerRun(100, func() { FaultOf(err) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
