// Package poller reports which descriptors are ready.
//
// It knows descriptors and opaque 64-bit tokens, and nothing of connections,
// buffers, callbacks or goroutines other than the one that waits.
//
// The contract, the same on every system:
//
//   - Add registers a descriptor once, for reading and writing, edge-triggered:
//     an Event is reported when the descriptor becomes readable or writable
//     (at least one for its state at the time of Add), and again only after new bytes, new room, the end
//     of the stream or an error arrived. The caller therefore reads until a
//     short read or EAGAIN before it waits for the next edge.
//   - The token given to Add comes back in every Event of the descriptor. The
//     poller never looks into it. An Event already taken out of the kernel may
//     name a descriptor that was removed since: the caller tells by the token.
//   - Remove ends the reports of a descriptor and must come before it is closed.
//   - Wait is called by one goroutine at a time. It returns when there is an
//     Event, when the timeout has passed (0: at once, negative: never) or when
//     Wake was called; an interrupted wait returns 0 and no error.
//   - Wake makes the running or the next Wait return. Calls are coalesced; none
//     is lost. It may be called from any goroutine, also while the Poller is
//     being closed, when it returns ErrClosed.
package poller

// Event is one report of readiness.
type Event struct {
	Token    uint64
	Readable bool // bytes, the end of the stream, or an error wait to be read
	Writable bool // room in the send buffer, or an error
	Hangup   bool // the peer will send no more: read until the end even after a short read
}
