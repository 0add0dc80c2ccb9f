//go:build darwin || netbsd || openbsd

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// accept makes up for an accept4 that x/sys does not have here.
func accept(fd int) (int, unix.Sockaddr, error) {
	// The lock keeps a fork out of the gap in which a child would inherit the
	// descriptor. The listener is non-blocking, so the lock is held briefly.
	syscall.ForkLock.RLock()
	nfd, sa, err := unix.Accept(fd)
	if err == nil {
		unix.CloseOnExec(nfd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, nil, err
	}
	if err := unix.SetNonblock(nfd, true); err != nil {
		unix.Close(nfd)
		return -1, nil, err
	}
	return nfd, sa, nil
}
