package engine

import "sync/atomic"

// The signal word of a connection. Bits say what there is to do; whoever sets
// a bit of an unowned word owns the connection and does it. On release the
// owner looks again, so nothing that was signalled is ever forgotten.
const (
	sigReadable uint32 = 1 << iota // the kernel has bytes, the end of the stream or an error
	sigHangup                      // the peer ends the stream: read to the end, even after a short read
	sigWritable                    // the kernel has room again
	sigFlush                       // a sender left bytes in the outbound queue
	sigExpired                     // the deadline has passed
	sigAsked                       // the floor above asked for its Asked call
	sigDrained                     // the outbound queue, once refused by the kernel, is empty
	sigFinish                      // the session is over: say farewell and close
	sigStop                        // the engine stops
	sigServe                       // a worker took the connection off the queue
	sigShort                       // a sender found no room in the outbound queue: it waits for sigDrained

	wordQueued uint32 = 1 << 30 // the connection stands in the run queue
	wordOwned  uint32 = 1 << 31 // somebody owns the connection

	// turnBits need a turn: they may run application code. The rest is done by any owner.
	turnBits = sigReadable | sigHangup | sigDrained | sigFinish
	workBits = wordQueued - 1
)

// word is the ownership of one connection. After close it stays owned for
// ever: signals find an owner who will not come, and nothing happens.
type word struct{ bits atomic.Uint32 }

// signal adds bits. It reports whether the caller became the owner.
func (w *word) signal(bits uint32) (mine bool) {
	return w.bits.Or(bits|wordOwned)&wordOwned == 0
}

// take returns what is to be done and clears it. Only the owner calls it.
func (w *word) take() uint32 {
	return w.bits.And(^workBits) & workBits
}

// release gives the connection up and leaves park in the word for the worker
// that will take it from the run queue. It fails, and the caller stays the
// owner, when bits arrived meanwhile. push reports that the caller must now
// put the connection into the queue: it has bits parked and stands in none.
func (w *word) release(park uint32) (done, push bool) {
	for {
		old := w.bits.Load()
		if old&workBits != 0 {
			return false, false
		}
		to := old&wordQueued | park
		if park != 0 {
			to |= wordQueued
		}
		if w.bits.CompareAndSwap(old, to) {
			return true, park != 0 && old&wordQueued == 0
		}
	}
}

// unqueue is called by the one who took the connection off the run queue. It
// reports whether that made him the owner; if not, the owner will see sigServe.
// Both bits change at once: an owner that parks again in between would find
// wordQueued set, not push, and be forgotten when it is cleared.
func (w *word) unqueue() (mine bool) {
	for {
		old := w.bits.Load()
		if w.bits.CompareAndSwap(old, old&^wordQueued|sigServe|wordOwned) {
			return old&wordOwned == 0
		}
	}
}
