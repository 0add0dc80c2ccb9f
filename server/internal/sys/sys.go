// Package sys is the one door to the operating system: every system call the
// server makes on a socket, and the clock. The engine holds a Kernel and never
// imports x/sys; the simulator implements the same interface, which is what
// makes every fault of a real kernel reproducible from a seed.
//
// The package classifies an errno once (FaultOf); above it nobody compares
// error numbers. It knows nothing of connections, frames or WebSocket.
package sys

import (
	"net/netip"
	"time"

	"github.com/roost-ws/roost/poller"
)

// Kernel is what the engine needs from an operating system. Every descriptor
// is non-blocking and close-on-exec; no call waits. Errors are what FaultOf
// classifies. All methods may be called from any goroutine.
type Kernel interface {
	// Now is a monotonic clock, in nanoseconds since some fixed moment.
	Now() time.Duration
	// Sleep pauses the calling goroutine; it is the only wait that is not a Poller's.
	Sleep(d time.Duration)

	// Accept takes one connection off the listener fd. The new descriptor has
	// TCP_NODELAY set when it is a TCP socket. peer is invalid for unix sockets.
	Accept(fd int) (nfd int, peer netip.AddrPort, err error)
	// Read reads once. n == 0 with a nil error is the end of the stream.
	Read(fd int, b []byte) (n int, err error)
	// Write writes once; n may be short.
	Write(fd int, b []byte) (n int, err error)
	// WriteLast is Write for the last bytes of a stream: ShutdownWrite must follow as soon as
	// all were taken. Until then they may be held back, so that FIN goes with them in one segment.
	WriteLast(fd int, b []byte) (n int, err error)
	// Writev writes the buffers in order with one system call, at most IOVMax of them; n may be short.
	Writev(fd int, bufs [][]byte) (n int, err error)
	// SetAckTimeout ends the connection with ETIMEDOUT (see TimedOut) when its peer's TCP
	// does not acknowledge what was written, or has no room for it, for d. On systems
	// and sockets that have no such option it does nothing: there TCP decides itself.
	SetAckTimeout(fd int, d time.Duration)
	// ShutdownWrite sends FIN after what was written; the descriptor stays readable.
	ShutdownWrite(fd int) error
	// Close closes the descriptor. It is called exactly once for each.
	Close(fd int) error
	// Peer is the remote address of a connected socket; invalid when it has none.
	Peer(fd int) (netip.AddrPort, error)

	// NewPoller opens a readiness poller.
	NewPoller() (Poller, error)
}

// Poller is the contract of package poller, see there.
type Poller interface {
	Add(fd int, token uint64) error
	Remove(fd int) error
	Wait(events []poller.Event, timeout time.Duration) (int, error)
	Wake() error
	Close() error
}

// IOVMax bounds the buffers of one Writev.
const IOVMax = 64

// Fault says what an error from the kernel means for the one who got it.
type Fault uint8

const (
	// None: no error.
	None Fault = iota
	// Again: not now; readiness will be reported (EAGAIN, and ENOBUFS/ENOMEM on a send).
	Again
	// Interrupted: call again at once (EINTR).
	Interrupted
	// Peer: this connection is over, through its peer or the path to it.
	Peer
	// Resource: the machine or process is out of something; other work goes on (EMFILE, ENFILE, ...).
	Resource
	// Bug: we hold a descriptor that is not ours (EBADF, ENOTSOCK, EFAULT, EINVAL): an invariant is broken.
	Bug
)
