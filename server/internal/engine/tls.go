package engine

import (
	"bytes"
	"errors"
	"io"

	"github.com/roost-ws/roost/server/internal/secure"
)

// secured is a session that speaks TLS with the client and plaintext with the
// session proper: it stands between a connection and that session, which does
// not notice. Its methods are the owner's, like any session's.
type secured struct {
	Session // the session proper
	c       *Conn
	stream  *secure.Stream
	shake   *shake // until the handshake is done
	rest    []byte // plaintext that the session did not use; nil as a rule
	fault   error  // what is behind it; io.EOF for a close_notify
	owed    bool   // the session wants Data although no bytes came
	torn    Tick   // since when a record has not become whole; 0: there is none
	noted   int    // what the engine's sum of held bytes has of rest and the stream
	since   Tick   // when the kernel refused records that carry no unit; 0: none wait
	deaf    bool   // nothing that comes is opened any more; the session knows
	mute    bool   // nothing can be sealed any more
	bid     bool   // close_notify was said
	leave   bool   // the kernel may take over
}

// Failure is what Ended gets when the stream broke and the client is being told
// why. Bytes may still come, of which nothing can be made: the session should
// see the client off as it does when it fails the connection itself.
type Failure struct{ Err error }

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns what is wrong with the stream.
func (f *Failure) Unwrap() error { return f.Err }

// errShaking is what a write returns while the handshake goes on.
var errShaking = errors.New("the TLS handshake is not done")

// secureSession puts TLS between a new connection and its session. stream is of
// a handshake that was done before, with plaintext that was opened and not used
// yet; it is nil when the handshake is to come.
func secureSession(s Session, stream *secure.Stream, early []byte) Session {
	t := &secured{Session: s, c: s.Pipe(), stream: stream, rest: early}
	t.c.flags |= flagSecure
	if stream == nil {
		t.stream, t.shake = new(secure.Stream), new(shake)
	}
	return t
}

// secured returns the TLS of a connection that has flagSecure.
func (c *Conn) secured() *secured { return c.session.(*secured) }

// Stream returns the connection's TLS, or nil when it has none. Only the owner
// may use it, and after Detach whoever goes on with the descriptor.
func (c *Conn) Stream() *secure.Stream {
	if c.flags&flagSecure == 0 {
		return nil
	}
	return c.secured().stream
}

// Start begins with the handshake, unless it was done elsewhere.
func (s *secured) Start() {
	s.Session.Start()
	if s.shake == nil {
		s.c.flags |= flagOwing // there may be plaintext that nobody has read
		return
	}
	q := &s.c.loop.e.shaking
	s.shake.due = s.c.Now() + q.timeout
	s.c.DueBy(s.c.Now() + q.patience())
}

// Data opens records and gives the session what is in them.
func (s *secured) Data(in []byte) (used, calls int) {
	switch {
	case s.deaf:
		return s.Session.Data(in)
	case s.shake != nil:
		return s.greet(in), 0
	}
	scratch := secure.NewScratch()
	defer scratch.Free()
	s.stream.Receive(in, scratch) // first of all: whoever takes the connection away takes it, too
	if s.rest != nil || s.owed || len(in) == 0 {
		if calls = s.give(s.rest); s.c.flags&flagDetached != 0 {
			s.forget()
			return len(in), calls // the stream is somebody else's now
		}
	}
	if s.fault != nil || s.halted() {
		s.stream.Unread()
		if s.halted() {
			return 0, calls
		}
		s.broken()
		return len(in), calls
	}
	opened := 0
	for {
		n, err := s.stream.Open(scratch.Plain[:])
		if opened += n; n > 0 {
			calls += s.give(scratch.Plain[:n])
		}
		if s.c.flags&flagDetached != 0 {
			s.forget()
			return len(in), calls
		}
		if err != nil {
			s.stream.Unread()
			s.note()
			if s.fault = err; s.halted() {
				s.c.flags |= flagOwing // what came before it is first
			} else {
				s.broken()
			}
			return len(in), calls
		}
		if n == 0 || s.halted() {
			break
		}
	}
	left := len(s.stream.Unread())
	s.note()
	s.minds(opened > 0)
	if s.stream.Pending() != nil && s.c.flush() {
		s.c.flags |= flagPaused // it asks for answers and does not take them: whoever asks must also listen
	}
	if left == 0 && s.leave {
		s.offload()
	}
	return len(in) - left, calls
}

// minds looks after a record that is not whole: bytes of it are proof of life,
// so a client must not make one last for ever.
func (s *secured) minds(progress bool) {
	limit := s.c.loop.e.record
	switch now := s.c.Now(); {
	case limit == 0 || s.stream.Torn() == 0:
		s.torn = 0
		return
	case s.torn == 0 || progress:
		s.torn = now
	}
	s.c.DueBy(s.torn + limit)
}

// give hands plaintext to the session and keeps what it leaves.
func (s *secured) give(b []byte) (calls int) {
	s.rest = nil
	used, calls := s.Session.Data(b)
	c := s.c
	if o := c.out; o != nil && o.debts > 0 { // only the owner borrows, so its own look is enough
		c.repay()
	}
	if used < len(b) && c.flags&(flagFinished|flagDetached) == 0 {
		s.rest = bytes.Clone(b[used:])
		c.flags |= flagOwing
	}
	s.owed = c.flags&flagOwing != 0
	if c.flags&flagDetached == 0 { // else the stream is somebody else's
		s.note()
	}
	return calls
}

// unread keeps plaintext that the session gives back whole.
func (s *secured) unread(b []byte) {
	s.rest = b
	s.c.flags |= flagOwing
}

// halted reports whether the session is to be given nothing more in this turn.
func (s *secured) halted() bool {
	f := s.c.flags
	return s.deaf || s.rest != nil || f&(flagPaused|flagFinished|flagDetached) != 0 || f&(flagOwing|flagCalling) == flagOwing
}

// broken ends the client's side of the stream: with its close_notify, or
// because something is wrong.
func (s *secured) broken() {
	if s.fault != io.EOF {
		s.fail(s.fault)
		return
	}
	// "Any data received after a closure alert has been received MUST be
	// ignored." RFC 8446, 6.1. We may go on speaking.
	s.deaf = true
	switch c := s.c; {
	case c.flags&(flagEnded|flagFinished) != 0:
	case c.flags&flagShut != 0:
		c.flags |= flagEnded // the session lingers; our own close_notify is still to be said, and finishes
	default:
		s.Session.Ended(nil)
		s.partWell()
	}
}

// partWell says close_notify to a client that has ended its side well, where the
// session has nothing to say and finishes at once. RFC 8446, 6.1.
func (s *secured) partWell() {
	if s.c.flags&(flagFinished|flagDetached) == flagFinished {
		s.bye()
	}
}

// fail ends the stream in both directions. What is pending tells the client why.
func (s *secured) fail(err error) {
	c := s.c
	c.loop.e.Counts.TLSFailures.Add(1)
	s.deaf, s.mute, s.shake = true, true, nil
	c.flags |= flagRetry
	c.flush()
	if c.flags&(flagEnded|flagFinished) == 0 {
		s.Session.Ended(&Failure{err})
	}
}

// Ended: the descriptor's stream is over.
func (s *secured) Ended(fault error) {
	if !s.deaf {
		s.Session.Ended(fault)
	} else if fault != nil || s.c.flags&flagShut == 0 && s.c.Waiting() == 0 {
		// The session was told before, and lingers. With flagShut our own end is still
		// to be said, behind what others may be sending right now; it finishes, too.
		s.c.Finish()
	}
	switch fault {
	case ErrStopped:
		s.c.flush()
		s.bye()
	case nil:
		s.partWell()
	}
}

// Tick minds the handshake's deadline beside the session's own.
func (s *secured) Tick(now Tick) {
	if s.shake != nil && now >= s.shake.due {
		s.late()
		return
	}
	limit := s.c.loop.e.record
	if s.torn != 0 && now >= s.torn+limit {
		s.late()
		return
	}
	s.Session.Tick(now)
	if s.torn != 0 {
		s.c.DueBy(s.torn + limit)
	}
	if s.shake != nil {
		q := &s.c.loop.e.shaking
		q.relieve(now)
		s.c.DueBy(min(s.shake.due, now+q.patience()))
	}
}

// late ends a connection whose handshake, or a record of it, took too long.
func (s *secured) late() {
	s.c.loop.e.Counts.TLSTimeouts.Add(1)
	s.c.end(errLate)
}

var errLate = errors.New("tls: the client took too long")

// Asked looks whether the handshake came a step further, too.
func (s *secured) Asked() {
	if h := s.shake; h != nil && h.holder.CompareAndSwap(withOwnerAgain, withOwner) {
		s.stepped()
	}
	if h := s.shake; h != nil && h.slow.Load() && h.holder.Load() == withOwner {
		s.late()
		return
	}
	s.Session.Asked()
}

// Farewell gives back what TLS holds.
func (s *secured) Farewell() {
	s.Session.Farewell()
	s.forget()
	if s.c.flags&flagDetached != 0 || s.shake != nil && !s.abandon() {
		return // somebody else has the stream
	}
	s.stream.Drop()
	s.rest = nil
}

// forget takes back what note told.
func (s *secured) forget() {
	s.c.loop.e.held.Add(int64(-s.noted))
	s.noted = 0
}

// note tells the engine how much is held beside the outbound queue.
func (s *secured) note() {
	if more := len(s.rest) + s.stream.Kept() - s.noted; more != 0 {
		s.noted += more
		if s.c.loop.e.held.Add(int64(more)); more > 0 {
			s.c.Alarm()
		}
	}
}

// stowed is how much there is of what came and was not used: plaintext, and a
// record that is not whole.
func (s *secured) stowed() int { return len(s.rest) + s.stream.Torn() }

// deafen drops that, and has nothing more opened.
func (s *secured) deafen() {
	if s.shake != nil || s.deaf {
		return // there is none, and the stream may be a runner's
	}
	s.deaf, s.rest, s.torn = true, nil, 0
	s.stream.Deafen()
	s.note()
}

// write seals what waits in the outbound queue and sends it. n counts bytes of
// the queue of which all records were sent; those of which some are still
// pending stay in it, counted in o.sealed, and may not be dropped.
func (s *secured) write(o *outbound, bufs [][]byte) (n int, err error) {
	if s.shake != nil {
		if s.shake.holder.Load() == withOwner {
			err = s.push()
		}
		if err == nil {
			err = errShaking
		}
		return 0, err
	}
	if err := s.push(); err != nil {
		return 0, err
	}
	s.c.mu.Lock()
	n, o.sealed = o.sealed, 0
	s.c.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	for _, b := range bufs {
		b = b[:min(len(b), secure.SealMax-n)]
		if !s.mute && s.stream.Seal(b) != nil {
			s.mute = true // the stream has failed, or said its last: these bytes reach nobody
		}
		if n += len(b); n == secure.SealMax {
			break
		}
	}
	if err := s.push(); err != nil {
		s.c.mu.Lock()
		o.sealed = n
		s.c.mu.Unlock()
		return 0, err
	}
	return n, nil
}

// push sends the records that are pending, until all are sent or an error.
func (s *secured) push() error {
	c := s.c
	defer s.note()
	for b := s.stream.Pending(); b != nil; b = s.stream.Pending() {
		n, err := c.loop.e.kernel.Write(int(c.fd), b)
		c.loop.sent.Add(uint64(max(n, 0)))
		s.stream.Sent(max(n, 0))
		if err != nil {
			return err
		}
	}
	return nil
}

// pending returns the number of bytes of records that wait for the kernel.
func (s *secured) pending() int {
	switch {
	case s.shake != nil && s.shake.holder.Load() != withOwner:
		return 1 // there will be some
	case s.c.flags&flagDetached != 0:
		return 0
	}
	return len(s.stream.Pending())
}

// flush sends the records that carry no unit: of the handshake, alerts, key
// updates. The outbound queue is empty.
func (s *secured) flush() (refused bool) {
	if s.shake != nil && s.shake.holder.Load() != withOwner {
		return false
	}
	for s.c.flags&(flagBroken|flagDetached) == 0 {
		err := s.push()
		if err == nil {
			s.since = 0
			return false
		}
		if !s.c.refusal(err) {
			if s.since == 0 {
				s.since = s.c.Now()
			}
			return true
		}
	}
	if s.c.flags&flagDetached == 0 {
		s.stream.Drop()
		s.note()
	}
	return false
}

// bye says close_notify behind all that was sent, once. It reports whether the
// client was told everything.
func (s *secured) bye() (done bool) {
	if !s.bid && !s.mute && s.shake == nil {
		s.bid = true
		s.stream.Bye()
	}
	s.flush()
	return s.pending() == 0 || s.c.flags&flagBroken != 0
}
