//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sys

import (
	"errors"

	"golang.org/x/sys/unix"
)

// FaultOf classifies an error that a Kernel returned.
//
// ENOBUFS and ENOMEM are Resource here, which is what they mean for an accept
// or a registration. On a send they mean "no room now", so Write and Writev
// of the real kernel turn them into EAGAIN, and one table is enough.
func FaultOf(err error) Fault {
	if err == nil {
		return None
	}
	if errno, ok := err.(unix.Errno); ok {
		return faultOf(errno)
	}
	var errno unix.Errno // a poller wraps it; a Read does not, and must not pay for As
	if errors.As(err, &errno) {
		return faultOf(errno)
	}
	return Peer
}

// TimedOut reports whether err says that TCP has given a connection up, because
// its peer did not acknowledge what it was sent.
func TimedOut(err error) bool { return errors.Is(err, unix.ETIMEDOUT) }

func faultOf(errno unix.Errno) Fault {
	switch errno {
	case unix.EAGAIN:
		return Again
	case unix.EINTR:
		return Interrupted
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC:
		// ENOSPC is epoll's: the user's fs.epoll.max_user_watches are used up.
		return Resource
	case unix.EBADF, unix.ENOTSOCK, unix.EFAULT, unix.EINVAL, unix.EEXIST, unix.ENOENT, unix.ELOOP:
		// The last three are a poller's: added twice, removed unknown.
		return Bug
	}
	// ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETDOWN, ENOTCONN,
	// ECONNABORTED, EPROTO, EPERM and whatever a firewall or a protocol may
	// report next: the connection is over, or was never there to be accepted.
	// An error nobody has met yet costs one connection, not the server.
	return Peer
}
