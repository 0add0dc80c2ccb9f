package engine

import (
	"bytes"

	"github.com/roost-ws/roost/server/internal/secure"
	"github.com/roost-ws/roost/server/internal/sys"
)

// readsPerTurn bounds what one connection may read before others have their
// turn; with Config.ReadBuffer it is the budget of bytes.
const readsPerTurn = 4

// serve does what the word asks for, as its owner, until nothing is left. w is
// the worker of the calling goroutine, or nil when the goroutine is not ours: a
// sender writes what it can and leaves turns to a worker.
func (c *Conn) serve(w *worker) {
	for {
		bits := c.word.take()
		park := c.perform(w, bits)
		if c.flags&flagDetached != 0 || c.fd < 0 {
			return // gone: the word stays owned
		}
		done, push := c.word.release(park)
		if !done {
			if park != 0 {
				c.word.signal(park)
			}
			continue
		}
		if push {
			c.loop.queue.push(c)
		}
		return
	}
}

// perform does one round of work and returns the bits that it had to leave to
// a goroutine that may run application code.
func (c *Conn) perform(w *worker, bits uint32) (park uint32) {
	if bits&(sigWritable|sigExpired|sigStop) != 0 {
		c.flags |= flagRetry
	}
	if bits&(sigWritable|sigFlush|sigExpired) != 0 {
		c.flush()
	}
	if bits&sigShort != 0 {
		c.flags |= flagRefused
	}
	if bits&sigAsked != 0 {
		c.session.Asked()
	}
	if bits&sigExpired != 0 {
		now := c.loop.Now()
		if bits&(sigReadable|sigHangup) != 0 || c.in != nil {
			c.heard = now // unread bytes are proof of life
		}
		c.session.Tick(now)
	}
	if bits&sigStop != 0 {
		c.end(ErrStopped)
		c.flush() // its last words
		c.flags |= flagFinished
	}
	bits |= c.consequences()
	turn := bits & turnBits
	if turn == 0 {
		return 0
	}
	if turn&sigFinish != 0 && c.flags&flagCalls == 0 {
		return c.finish()
	}
	if w == nil {
		return turn
	}
	if !w.enter() {
		if c.flags&flagCalls != 0 {
			return turn
		}
		return c.turn(w, turn)
	}
	c.flags |= flagCalling
	turn = c.turn(w, turn)
	c.flags &^= flagCalling
	w.leave()
	return turn
}

// consequences returns what follows from the state of the connection beside
// the signals: a pause that is over, a notice that is owed, a session that is.
func (c *Conn) consequences() (bits uint32) {
	if c.flags&flagBroken != 0 && c.flags&flagEnded == 0 {
		c.flags |= flagEnded
		c.session.Ended(ErrBroken)
	}
	if c.flags&(flagRefused|flagPaused) != 0 && c.Waiting() == 0 {
		if c.flags&flagPaused != 0 {
			bits |= sigReadable | sigHangup // the edge was used up long ago
		}
		if c.flags&flagRefused != 0 {
			bits |= sigDrained
		}
		c.flags &^= flagRefused | flagPaused
	}
	if c.flags&(flagShut|flagFinished) == flagShut && c.Waiting() == 0 &&
		(c.flags&flagSecure == 0 || c.secured().bye()) {
		c.flags &^= flagShut
		if c.flags&flagKernel != 0 {
			secure.SayBye(int(c.fd))
		}
		if err := c.loop.e.kernel.ShutdownWrite(int(c.fd)); err != nil {
			c.loop.e.check(err)
			c.flags |= flagFinished
		}
		if c.flags&flagEnded != 0 {
			c.flags |= flagFinished
		}
	}
	if c.flags&flagFinished != 0 {
		bits |= sigFinish
	} else if c.flags&(flagOwing|flagPaused) == flagOwing {
		bits |= sigReadable // a pause ends with it
	}
	return bits
}

// turn reads, lets the session handle what came, and writes what it answered
// with one write. It returns what is left to do in a later turn.
func (c *Conn) turn(w *worker, bits uint32) (left uint32) {
	c.cork(w)
	began := w.begin()
	calls := 0
	if bits&sigDrained != 0 {
		c.session.Drained()
		calls++
	}
	if (bits&(sigReadable|sigHangup) != 0 || c.flags&flagOwing != 0) && c.flags&(flagPaused|flagFinished) == 0 {
		var n int
		left, n = c.input(w, bits)
		calls += n
	}
	c.uncork(w)
	w.end(began, calls)
	left |= c.consequences()
	if left&sigFinish != 0 {
		return c.finish()
	}
	return left
}

// input feeds the session from its stash and from the kernel until there is no
// more, or the session or the budget says stop. It returns the bits of what is left.
func (c *Conn) input(w *worker, bits uint32) (left uint32, calls int) {
	// What the session left comes first, and a quiet turn ends when it finds that it
	// needs the application.
	stuck := func() bool { return c.in != nil || c.flags&flagOwing != 0 }
	bits &= sigReadable | sigHangup
	if c.in != nil || c.flags&flagOwing != 0 {
		c.flags &^= flagOwing
		calls += c.give(c.take(), false)
	}
	for range readsPerTurn {
		if c.flags&(flagFinished|flagEnded|flagPaused) != 0 {
			return 0, calls // a pause ends with both bits set again
		}
		if stuck() {
			return bits | sigReadable, calls
		}
		n, err := c.loop.e.kernel.Read(int(c.fd), w.in)
		if err != nil {
			switch c.fault(err) {
			case sys.Again:
				return 0, calls
			case sys.Interrupted:
				continue
			case sys.Bug:
				panic(err)
			}
			if c.flags&flagKernel != 0 && c.control(&err) {
				continue
			}
			c.end(err)
			return 0, calls
		}
		if n == 0 {
			c.end(nil)
			return 0, calls
		}
		if calls > 0 {
			w.now = c.loop.e.Tick() // the application took its time
		}
		c.heard = w.now
		w.received += n
		calls += c.give(w.in[:n], true)
		if n < len(w.in) && bits&sigHangup == 0 && c.flags&flagKernel == 0 {
			// A short read emptied the socket; the next byte is a new edge. (The
			// kernel's TLS ends a read at a record of another type, too.)
			bits = 0
			if stuck() {
				bits = sigReadable
			}
			return bits, calls
		}
	}
	return bits | sigReadable, calls
}

// give hands bytes to the session and stashes what it leaves. shared says that
// b is the worker's buffer, which others use after us.
func (c *Conn) give(b []byte, shared bool) (calls int) {
	used, calls := c.session.Data(b)
	if o := c.out; o != nil && o.debts > 0 { // only the owner borrows, so its own look is enough
		c.repay()
	}
	if used < len(b) && c.flags&flagFinished == 0 {
		rest := b[used:]
		if shared {
			rest = bytes.Clone(rest)
		}
		c.stow(rest)
	}
	return calls
}

// end tells the session, once, that no more bytes will come.
func (c *Conn) end(fault error) {
	c.flush() // what was answered before the end still goes out
	if c.flags&(flagEnded|flagFinished) == 0 {
		c.flags |= flagEnded
		c.session.Ended(fault)
	}
}

// cork collects what is sent during a turn in the worker's buffer.
func (c *Conn) cork(w *worker) {
	c.mu.Lock()
	if c.out == nil {
		w.cork.corked = true
		c.out = &w.cork
	}
	c.mu.Unlock()
}

// uncork sends what the turn collected. What the kernel refuses moves to a
// queue of the connection's own.
func (c *Conn) uncork(w *worker) {
	refused := c.flush()
	c.mu.Lock()
	if c.out == &w.cork {
		c.out = nil
		w.cork.corked = false
		if !w.cork.empty() {
			c.out = w.cork.spill(c.loop.e.Unit)
			w.cork.clear()
			c.note(c.out)
			if !refused {
				c.word.signal(sigFlush) // another goroutine sent after our last look, and left it to us
			}
		}
		if cap(w.cork.spare) > corkMax {
			w.cork.spare = nil // who leads a loop is not freed for as long as it runs
		}
	}
	c.mu.Unlock()
	w.refit()
}

// flush writes the outbound queue until it is empty or the kernel refuses. What
// it refused it is not asked again before it reports room; but once in a tick,
// because it reports none when it was memory that it lacked.
func (c *Conn) flush() (refused bool) {
	e := c.loop.e
	now := c.loop.Now()
	for {
		c.mu.Lock()
		o := c.out
		if o != nil && c.flags&(flagBroken|flagDetached) != 0 {
			o.clear()
		}
		if o == nil || o.empty() {
			c.unhook()
			c.mu.Unlock()
			return c.flags&flagSecure != 0 && c.secured().flush()
		}
		if c.flags&flagRetry == 0 && o.refused == now {
			c.note(o)
			c.mu.Unlock()
			e.alarm()
			return true
		}
		c.flags &^= flagRetry
		o.refused = 0
		bufs := o.view(sys.IOVMax)
		c.mu.Unlock()

		var n int
		var err error
		switch {
		case c.flags&flagSecure != 0:
			n, err = c.secured().write(o, bufs)
		case len(bufs) > 1:
			n, err = e.kernel.Writev(int(c.fd), bufs)
		case c.flags&(flagShut|flagKernel) == flagShut:
			n, err = e.kernel.WriteLast(int(c.fd), bufs[0])
		default:
			n, err = e.kernel.Write(int(c.fd), bufs[0])
		}

		c.mu.Lock()
		o.advance(max(n, 0))
		empty := o.empty()
		if empty {
			c.unhook()
		} else {
			c.note(o)
		}
		c.mu.Unlock()
		if c.flags&flagSecure == 0 {
			c.loop.sent.Add(uint64(max(n, 0)))
		}
		if empty {
			return false
		}
		if err != nil && !c.refusal(err) {
			c.mu.Lock()
			o.refused = now
			c.mu.Unlock()
			e.alarm()
			return true
		}
	}
}

// unhook gives an empty queue back, under mu. A cork stays until its turn ends.
func (c *Conn) unhook() {
	if o := c.out; o != nil && !o.corked && o.empty() {
		c.note(o)
		c.out = nil
		if cap(o.spare) > spareMax {
			o.spare = nil
		}
		o.refused = 0
		outbounds.Put(o)
	}
}

// note tells the loop how much waits on the connection, under mu: only after
// the kernel has refused bytes, so that what goes out at once costs nothing.
func (c *Conn) note(o *outbound) {
	if !o.corked {
		c.count(o)
	}
}

// count brings up to date what is told of a queue.
func (c *Conn) count(o *outbound) {
	if more := o.bytes - o.noted; more != 0 {
		c.loop.waiting.Add(int64(more))
		c.loop.e.held.Add(int64(more))
		o.noted = o.bytes
	}
}

// renote is note for a queue that grows while it waits.
func (c *Conn) renote(o *outbound) {
	if o.noted != 0 {
		c.note(o)
	}
}

// refusal says what a failed write means; it reports whether to try again at once.
func (c *Conn) refusal(err error) (again bool) {
	if err == errShaking {
		return false // its end flushes
	}
	switch fault := c.fault(err); {
	case fault == sys.Interrupted:
		return true
	case fault == sys.Again:
		c.flags |= flagRefused
		c.DueBy(c.loop.Now() + c.loop.e.stall + 1)
	case fault == sys.Bug:
		panic(err)
	default:
		c.flags |= flagBroken
		return true // once more, to drop what waits
	}
	return false
}

// finish ends the connection: out of the poller, farewell, close.
func (c *Conn) finish() (left uint32) {
	if c.flags&(flagCalls|flagCalling) == flagCalls {
		return sigFinish // the farewell runs application code
	}
	e := c.loop.e
	detached := c.flags&flagDetached != 0
	if !detached {
		e.check(c.loop.poller.Remove(int(c.fd)))
	}
	c.mu.Lock()
	c.tail |= tailSealed
	if c.out != nil {
		c.out.clear()
		c.unhook()
	}
	c.mu.Unlock()
	c.session.Farewell()
	c.mu.Lock()
	fd := c.fd
	c.fd = -1
	c.mu.Unlock()
	c.take()
	if !detached {
		e.check(e.kernel.Close(int(fd)))
	}
	c.loop.retire(c)
	return 0
}
