// Package poller reports which descriptors are ready.
//
// It knows descriptors and opaque 64-bit tokens, and nothing of connections,
// buffers, callbacks or goroutines other than the one that waits.
//
// The contract, the same on every system:
//
//   - Add registers a descriptor once, for reading and writing, edge-triggered:
//     an Event is reported when the descriptor becomes readable or writable (at
//     least one for its state at the time of Add), and again only after new
//     bytes, new room, the end of the stream or an error arrived. The caller
//     therefore reads until a short read or EAGAIN before it waits for the next
//     edge, and to the end, an error or EAGAIN when the Event says Hangup.
//   - The token given to Add comes back in every Event of the descriptor. The
//     poller never looks into it; the one value it keeps for itself is
//     TokenReserved. An Event already taken out of the kernel may name a
//     descriptor that was removed since: the caller tells by the token.
//   - An Event is a hint. One that is not news (a read that finds EAGAIN) is
//     allowed; one that is missing is not.
//   - Remove ends the reports of a descriptor and must come before it is closed.
//   - Wait is called by one goroutine at a time. It returns when there is an
//     Event, when the timeout has passed (0: at once, negative: never) or when
//     Wake was called. A wait that was interrupted, or whose only report was of
//     a descriptor removed meanwhile, returns 0 early and no error. A timeout is
//     rounded up to what the system can measure, so a deadline that was waited
//     for has passed. Wait does not allocate.
//   - Wake makes the running or the next Wait return. Calls are coalesced; none
//     is lost. It costs a system call only when no wake is pending.
//   - Add, Remove, Wake and Close may be called from any goroutine, also while
//     another waits. Close ends a running Wait; after it every method returns
//     ErrClosed. The registered descriptors stay open: they are the caller's.
package poller

import "errors"

// Event is one report of readiness.
type Event struct {
	Token    uint64
	Readable bool // bytes, the end of the stream, or an error wait to be read
	Writable bool // room in the send buffer, or an error
	Hangup   bool // nothing will follow what can be read now: read to the end even after a short read
}

// TokenReserved is the one token that Add refuses: the poller marks its own
// wake-up with it.
const TokenReserved = ^uint64(0)

var (
	// ErrClosed is returned by every method of a Poller that was closed.
	ErrClosed = errors.New("poller: closed")
	// ErrUnsupported is returned by Open on a system without a backend.
	ErrUnsupported = errors.New("poller: this system has neither epoll nor kqueue")

	errToken = errors.New("poller: the token is reserved for the poller")
	errRoom  = errors.New("poller: Wait was given no room for an event")
)
