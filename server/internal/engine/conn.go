package engine

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/roost-ws/roost/server/internal/sys"
)

// Session is the floor above a connection: it is given bytes and says when it
// is over. Every method is called by the connection's owner, one at a time.
// Only Data, Drained and Farewell may run application code, and only after
// NeedCalls; the others are called on any goroutine and must not block.
type Session interface {
	// Pipe returns the connection embedded in the session, always the same.
	Pipe() *Conn
	// Start: the connection has its slot and is registered. The session sets its first deadline.
	Start()
	// Data gives received bytes, which the session may change and must not
	// keep. It returns how many it used and how many times it called
	// application code. Bytes left over come again at the start of the next
	// Data; a session leaves some when NeedCalls changed under it, or to wait
	// until its outbound queue is empty (Pause). in may be empty.
	Data(in []byte) (used, calls int)
	// Refused takes the place of Start and all others when the connection could not be taken in.
	Refused()
	// Ended: the stream is over, by its end (nil) or by a fault. The session must Finish, now or after a deadline.
	Ended(fault error)
	// Tick: the deadline set by SetDue has passed.
	Tick(now Tick)
	// Asked: some goroutine called Ask, or a limit of the outbound queue was met (Overflow).
	Asked()
	// Drained: the outbound queue is empty, after the kernel had refused some of it
	// or a sender had found no room in it.
	Drained()
	// Farewell is the last call; the descriptor is closed after it.
	Farewell()
}

// ErrClosed is returned for what came after the end of a connection.
var ErrClosed = errors.New("connection is closed")

// ErrStopped is what Ended gets when the engine stops.
var ErrStopped = errors.New("server stopped")

// ErrBroken is what Ended gets when a write found the peer gone.
var ErrBroken = errors.New("connection broken by its peer")

// ErrOverflow is returned when the outbound queue is at its limit. The bytes were not queued.
var ErrOverflow = errors.New("outbound queue is full")

// Flags of a connection, the owner's.
const (
	flagCalls    uint16 = 1 << iota // its turns may run application code
	flagCalling                     // such a turn is going on
	flagOwing                       // the session wants Data although no bytes came
	flagPaused                      // the session waits for an empty outbound queue
	flagRefused                     // the kernel refused bytes, or the queue did; Drained is owed when it is empty
	flagShut                        // FIN is to follow the last unit
	flagBroken                      // a write failed: the peer is gone
	flagEnded                       // the session knows that the stream has ended
	flagFinished                    // the session is over
	flagDetached                    // the descriptor was taken away
	flagRetry                       // the kernel may have room again: the next flush is to try
	flagSecure                      // the session is a secured one
	flagKernel                      // the kernel speaks TLS
)

// Conn is one connection. It is embedded in a session; the fields are the
// owner's unless they say otherwise.
type Conn struct {
	word    word
	fd      int32 // -1 when closed; changes under mu
	slot    uint32
	gen     uint32
	loop    *Loop
	session Session   // changes under mu, for the leader looks at it, too
	out     *outbound // the pointer and what it points to are guarded by mu; nil when nothing waits
	in      *stash    // bytes that the session did not use; nil as a rule
	mu      sync.Mutex
	heard   Tick // when bytes were last received
	flags   uint16
	tail    uint16 // guarded by mu: tailSealed, tailOver and the note of EnqueueLast
}

const (
	tailSealed uint16 = 1 << 15 // nothing can be queued any more
	tailOver   uint16 = 1 << 14 // the outbound queue met its limit
	tailNote          = tailOver - 1
)

// stash is what a session left of its input.
type stash struct{ b []byte }

// Loop returns the index of the loop the connection belongs to. Any goroutine may ask.
func (c *Conn) Loop() int { return c.loop.index }

// Token identifies the connection among all that its loop ever has. Any goroutine may ask.
func (c *Conn) Token() uint64 { return uint64(c.gen)<<32 | uint64(c.slot) }

// Peer returns the remote address, or an invalid one when there is none (unix
// sockets) or the connection is closed. Any goroutine may ask.
func (c *Conn) Peer() netip.AddrPort {
	c.mu.Lock() // keeps the descriptor from being closed and used again
	defer c.mu.Unlock()
	if c.fd < 0 {
		return netip.AddrPort{}
	}
	peer, err := c.loop.e.kernel.Peer(int(c.fd))
	if err != nil {
		return netip.AddrPort{}
	}
	return peer
}

// Enqueue copies one unit (head and payload) into the outbound queue and sees
// to its sending. Any goroutine may call it. A unit that meets the limit is
// treated by the engine's policy; control units are exempt from it.
func (c *Conn) Enqueue(head, payload []byte, control bool) error {
	c.mu.Lock()
	o, err := c.admit(len(head)+len(payload), control)
	if err != nil {
		c.mu.Unlock()
		return c.refused(err)
	}
	if now := c.loop.Now(); !o.borrow(head, payload, now) {
		o.add(head, payload, now)
	}
	c.renote(o)
	flush := !o.corked || o.bytes >= c.loop.e.pressure
	c.mu.Unlock()
	if flush {
		c.flushFrom()
	}
	return nil
}

// EnqueueShared is Enqueue for an immutable unit that many connections send: it is not copied.
func (c *Conn) EnqueueShared(unit []byte) error {
	c.mu.Lock()
	o, err := c.admit(len(unit), false)
	if err != nil {
		c.mu.Unlock()
		return c.refused(err)
	}
	o.share(unit, c.loop.Now())
	c.renote(o)
	flush := !o.corked || o.bytes >= c.loop.e.pressure
	c.mu.Unlock()
	if flush {
		c.flushFrom()
	}
	return nil
}

// EnqueueLast is Enqueue for the unit after which there is no other: every
// later call fails with ErrClosed. No limit stops it. The session's Asked is called.
// note, below 16,384, is for Sealed to return; before it can be, taken is called
// unless it is nil.
func (c *Conn) EnqueueLast(unit []byte, note uint16, taken func()) error {
	c.mu.Lock()
	o, err := c.admit(len(unit), true)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	o.add(unit, nil, c.loop.Now())
	c.renote(o)
	c.tail |= tailSealed | note&tailNote
	if taken != nil {
		taken()
	}
	c.mu.Unlock()
	if c.word.signal(sigFlush | sigAsked) {
		c.serve(nil)
	}
	return nil
}

// Sealed reports whether the last unit was queued, and with which note.
func (c *Conn) Sealed() (note uint16, sealed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tail & tailNote, c.tail&tailSealed != 0
}

// admit decides, under mu, whether a unit of n bytes may be queued.
func (c *Conn) admit(n int, control bool) (*outbound, error) {
	if c.tail&tailSealed != 0 {
		return nil, ErrClosed
	}
	if c.out == nil {
		c.out = outbounds.Get().(*outbound)
	}
	e := c.loop.e
	// A unit that finds the queue empty is always taken, so that a limit below
	// the size of a message slows a connection down instead of breaking it.
	over := c.out.bytes + n + segCost - e.Outbound
	if control || over <= 0 || c.out.idle() {
		return c.out, nil
	}
	switch e.Overflow {
	case DropNewest:
		e.Counts.DroppedNewest.Add(1)
		return nil, ErrOverflow
	case DropOldest:
		units := c.out.discard(over, e.Unit)
		e.Counts.DroppedOldest.Add(uint64(units))
		return c.out, nil
	}
	c.tail |= tailOver
	return nil, ErrOverflow
}

// refused lets the owner know that the limit was met: it closes the connection,
// or owes the sender a notice.
func (c *Conn) refused(err error) error {
	if err != ErrOverflow {
		return err
	}
	bit := sigAsked
	if c.loop.e.Overflow == DropNewest {
		bit = sigShort
	}
	if c.word.signal(bit) {
		c.serve(nil)
	}
	return err
}

// flushFrom sends what was queued, from the sender's goroutine if nobody owns
// the connection; otherwise the owner will.
func (c *Conn) flushFrom() {
	if c.word.signal(sigFlush) {
		c.serve(nil)
	}
}

// Ask has the session's Asked called by whoever owns the connection, at the
// latest when the present owner releases it. Any goroutine may call it.
func (c *Conn) Ask() {
	if c.word.signal(sigAsked) {
		c.serve(nil)
	}
}

// What follows is for the owner: the session, from within its methods.

// Seal ends the outbound queue without a last unit: every later call fails with ErrClosed.
func (c *Conn) Seal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tail |= tailSealed
}

// Asking reports whether Asked is still to be called for something that was
// asked until now: by Ask, by EnqueueLast or by an outbound queue at its limit.
func (c *Conn) Asking() bool { return c.word.bits.Load()&sigAsked != 0 }

// Overflowed reports whether the outbound queue met its limit.
func (c *Conn) Overflowed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tail&tailOver != 0
}

// Queued returns the number of bytes in the outbound queue. Any goroutine may ask.
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return 0
	}
	return c.out.bytes
}

// Waiting is Queued, or what else waits for the kernel when nothing is queued.
func (c *Conn) Waiting() int {
	if n := c.Queued(); n > 0 || c.flags&flagSecure == 0 {
		return n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secured().pending()
}

// Oldest returns when the oldest unsent unit was queued; 0 when there is none.
func (c *Conn) Oldest() Tick {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out != nil && !c.out.empty() {
		return c.out.segs[c.out.head].at
	}
	if c.flags&flagSecure != 0 {
		return c.secured().since
	}
	return 0
}

// Purge drops all units that were not begun. A closing session makes room for its
// last words, or gives memory back, which others see at once: of those who are asked
// beside it nobody more has to go than must.
func (c *Conn) Purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.out; o != nil && !o.empty() {
		o.discard(o.bytes, c.loop.e.Unit)
		if o.noted != 0 {
			c.count(o)
		}
	}
}

// Heard returns when bytes were last received.
func (c *Conn) Heard() Tick { return c.heard }

// SetDue sets the connection's deadline; 0 removes it. There is only one: a
// session with several keeps the soonest here and looks again in Tick.
func (c *Conn) SetDue(at Tick) {
	c.loop.table.setDue(c, at)
	if at != 0 {
		c.loop.hurry(at)
	}
}

// DueBy makes the deadline at, unless there is a sooner one.
func (c *Conn) DueBy(at Tick) {
	if due := c.loop.table.dueOf(c); due == 0 || at < due {
		c.SetDue(at)
	}
}

// Now is the engine's coarse clock.
func (c *Conn) Now() Tick { return c.loop.Now() }

// Calling reports whether application code may run now.
func (c *Conn) Calling() bool { return c.flags&flagCalling != 0 }

// NeedCalls says that from now on the session's turns run application code.
// Data is called once more soon, with or without bytes.
func (c *Conn) NeedCalls() { c.flags |= flagCalls | flagOwing }

// Calls says that from now on the session's turns run application code, when
// nothing is owed.
func (c *Conn) Calls() { c.flags |= flagCalls }

// NoCalls says that the session's turns run no application code any more.
func (c *Conn) NoCalls() { c.flags &^= flagCalls }

// Pressed reports whether so much is queued that a session should Pause before
// it adds more. It is cheap to ask when nothing is.
func (c *Conn) Pressed() bool {
	return c.word.bits.Load()&sigFlush != 0 && c.Waiting() >= c.loop.e.pressure
}

// Lend says that the message at whole[room:] may be sent where it lies, by an
// Enqueue of it before Settle; the room in front of it takes the head. Nobody
// may change the message until then.
func (c *Conn) Lend(whole []byte, room int) {
	c.mu.Lock()
	if c.out != nil && c.out.corked {
		c.out.lent, c.out.at = whole, room
	}
	c.mu.Unlock()
}

// Settle ends a Lend. reuse says that the session is about to use the memory
// again; otherwise it is the worker's and stays until Data returns.
func (c *Conn) Settle(reuse bool) {
	c.mu.Lock()
	debts := 0
	if c.out != nil {
		c.out.lent = nil
		debts = c.out.debts
	}
	c.mu.Unlock()
	if reuse && debts > 0 {
		c.repay()
	}
}

// repay sends what lent messages are queued, and copies what the kernel refuses.
func (c *Conn) repay() {
	c.flush()
	c.mu.Lock()
	if c.out != nil {
		c.out.repay()
	}
	c.mu.Unlock()
}

// Pause leaves the rest of the input where it is until the outbound queue is
// empty. It reports false, and does nothing, when it is empty already.
func (c *Conn) Pause() bool {
	c.flush()
	if c.Waiting() == 0 {
		return false
	}
	c.flags |= flagPaused
	return true
}

// Unread has Data called again with b, which must not be the engine's.
func (c *Conn) Unread(b []byte) {
	if c.flags&flagSecure != 0 {
		c.secured().unread(b)
		return
	}
	c.stow(b)
}

// Stowed is how many bytes of input there are that the session has left for
// later, or has not been given.
func (c *Conn) Stowed() (n int) {
	if c.in != nil {
		n = len(c.in.b)
	}
	if c.flags&flagSecure != 0 {
		n += c.secured().stowed()
	}
	return n
}

// Deafen drops that input, for a session that needs no more: it is lingering, or
// has finished.
func (c *Conn) Deafen() {
	c.take()
	if c.flags&flagSecure != 0 {
		c.secured().deafen()
	}
}

// stow keeps bytes that the session did not use; take gives them back.
func (c *Conn) stow(b []byte) {
	c.in = &stash{b}
	c.loop.e.held.Add(int64(len(b)))
	c.Alarm()
}

func (c *Conn) take() (b []byte) {
	if c.in != nil {
		b, c.in = c.in.b, nil
		c.loop.e.held.Add(-int64(len(b)))
	}
	return b
}

// ShutdownWrite ends the outbound stream as soon as all that is queued was
// sent. If the peer's stream has ended too, that finishes the connection.
func (c *Conn) ShutdownWrite() { c.flags |= flagShut }

// Finish ends the connection: after Farewell the descriptor is closed.
func (c *Conn) Finish() { c.flags |= flagFinished }

// SetAckTimeout bounds how long the peer's TCP may leave what is sent
// unacknowledged, where the system can. Only Data may call it.
func (c *Conn) SetAckTimeout(d time.Duration) {
	c.loop.e.kernel.SetAckTimeout(int(c.fd), d)
}

// Detach takes the descriptor away from the engine: it leaves the poller and
// is the caller's from then on. Only Data may call it.
func (c *Conn) Detach() (fd int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fd = int(c.fd)
	c.loop.e.check(c.loop.poller.Remove(fd))
	c.fd = -1
	c.tail |= tailSealed
	c.flags |= flagDetached | flagFinished
	return fd
}

// check panics on an error that only a bug of ours explains.
func (e *Engine) check(err error) {
	if err != nil && sys.FaultOf(err) == sys.Bug {
		panic(err) // a descriptor we do not own: the first invariant is broken
	}
}
