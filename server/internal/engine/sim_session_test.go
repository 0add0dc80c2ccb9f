package engine

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/roost-ws/roost/server/internal/sys"
)

// The protocol of the simulation: units of a length, a kind, the number of
// their maker, a sequence number and filling that follows from these, so that
// a byte on the wrong connection, in the wrong place or missing is seen.
const (
	unitHead = 2 + 1 + 4 + 4
	unitMax  = unitHead + 4000

	kindHello  = 'h' // first from the client; answered in kind
	kindEcho   = 'e' // sent back as it is
	kindPushed = 'p' // from the server, unasked
	kindDetach = 'd' // the descriptor leaves the engine
	kindWrong  = 'w' // the server fails the connection
	kindLast   = 'l' // last from the server, with the reason in place of a sequence number
)

// Why the server ends a connection.
const (
	lastAsked uint32 = iota // by the application
	lastWrong
	lastOverflow
	lastStall
	lastIdle
)

func appendUnit(b []byte, kind byte, maker, seq uint32, filling int) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(unitHead+filling))
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, maker)
	b = binary.BigEndian.AppendUint32(b, seq)
	for i := range filling {
		b = append(b, byte(maker*31+seq*7)+byte(i))
	}
	return b
}

type unit struct {
	kind       byte
	maker, seq uint32
	whole      []byte
}

// cutUnit returns the unit that b begins with, and false when it is not whole.
// It panics on bytes that nobody sent.
func cutUnit(b []byte) (u unit, ok bool) {
	if len(b) < 2 {
		return u, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < unitHead || n > unitMax {
		panic(fmt.Sprintf("a unit of %d bytes: % x", n, b[:min(len(b), 32)]))
	}
	if len(b) < n {
		return u, false
	}
	u = unit{kind: b[2], maker: binary.BigEndian.Uint32(b[3:]), seq: binary.BigEndian.Uint32(b[7:]), whole: b[:n]}
	for i, x := range b[unitHead:n] {
		if x != byte(u.maker*31+u.seq*7)+byte(i) {
			panic(fmt.Sprintf("unit %c of %d, %d: byte %d is wrong", u.kind, u.maker, u.seq, i))
		}
	}
	return u, true
}

func simUnit(b []byte) (n int, keep bool) {
	return int(binary.BigEndian.Uint16(b)), b[2] == kindHello || b[2] == kindLast
}

type simState int

const (
	simOpening simState = iota
	simOpen
	simLingering
	simOver
)

// simSession is a session much like that of package server, which also checks
// how the engine treats it.
type simSession struct {
	pipe Conn
	r    *simRun

	state    simState
	inside   string // method that is running
	started  bool
	refused  bool
	ended    bool
	partial  []byte // of a unit that is not whole
	client   uint32 // its number, from its hello
	next     uint32 // sequence number of its next unit
	began    Tick
	due      Tick
	owesBye  bool // the application knows the connection and was not told of its end
	detached bool

	owedDrained bool // its queue was seen to wait
}

var _ Session = (*simSession)(nil)

func (s *simSession) Pipe() *Conn { return &s.pipe }

// enter checks the single owner: no two methods of a session at once, none
// before Start and none after Farewell.
func (s *simSession) enter(method string) (leave func()) {
	if s.inside != "" {
		s.r.w.Fail("client %d: %s while %s runs: two owners", s.client, method, s.inside)
	}
	if s.state == simOver || s.started == (method == "Start" || method == "Refused") {
		s.r.w.Fail("client %d: %s in state %d, started %v", s.client, method, s.state, s.started)
	}
	s.r.checkQueue(s.pipe.loop)
	s.inside = method
	s.r.w.Yield(method)
	return func() { s.inside = "" }
}

// call runs application code, which may block unless the engine is inline.
func (s *simSession) call(what string) {
	r := s.r
	if !s.pipe.Calling() && !r.cfg.Inline {
		r.w.Fail("client %d: %s on a goroutine that must not block", s.client, what)
	}
	loop := s.pipe.Loop()
	r.calls++
	r.calling++
	if r.cfg.Inline {
		if r.inLoop[loop] != "" {
			r.w.Fail("loop %d runs %s while it runs %s", loop, what, r.inLoop[loop])
		}
		r.inLoop[loop] = what
		r.w.Yield(what)
		r.inLoop[loop] = ""
	} else if r.calling > r.cfg.Workers+r.cfg.Loops {
		r.w.Fail("%d calls at a time, with %d workers and %d loops", r.calling, r.cfg.Workers, r.cfg.Loops)
	} else {
		r.block()
	}
	r.calling--
}

func (s *simSession) Start() {
	defer s.enter("Start")()
	s.started = true
	s.r.starts++
	s.began = s.pipe.Now()
	s.setDue(s.began + Ticks(s.r.openingTime))
	if s.r.cfg.Inline {
		s.pipe.Calls()
	}
}

func (s *simSession) Refused() {
	defer s.enter("Refused")()
	s.refused = true
	s.r.refusals++
	s.state = simOver
}

func (s *simSession) Data(in []byte) (used, calls int) {
	defer s.enter("Data")()
	if s.pipe.flags&flagFinished != 0 {
		s.r.w.Fail("client %d: Data after the session's end", s.client)
	}
	if s.state == simLingering {
		calls += s.bye()
		return len(in), calls
	}
	for s.state != simLingering && !s.detached {
		u, n, ok := s.cut(in[used:])
		used += n
		if !ok {
			return used, calls
		}
		quiet := u.kind == kindHello && s.state == simOpening
		if !quiet {
			s.call("message")
			calls++
		}
		s.handle(u)
		if quiet && !s.r.cfg.Inline {
			s.pipe.NeedCalls()
			return used, calls
		}
		if s.r.pauseAt > 0 && s.pipe.Waiting() > s.r.pauseAt && s.pipe.Pause() {
			s.r.paused++
			return used, calls
		}
	}
	return len(in), calls
}

// cut takes the next unit from what was kept and from in, of which it uses n bytes.
func (s *simSession) cut(in []byte) (u unit, n int, ok bool) {
	if len(s.partial) == 0 {
		if u, ok = cutUnit(in); ok {
			return u, len(u.whole), true
		}
		s.partial = append(s.partial, in...)
		return u, len(in), false
	}
	kept := len(s.partial)
	s.partial = append(s.partial, in...)
	if u, ok = cutUnit(s.partial); !ok {
		return u, len(in), false
	}
	s.partial = nil
	return u, len(u.whole) - kept, true
}

func (s *simSession) handle(u unit) {
	r := s.r
	switch u.kind {
	case kindHello:
		if s.state != simOpening {
			r.w.Fail("client %d: a second hello", s.client)
		}
		s.state, s.client, s.owesBye = simOpen, u.maker, true
		s.setDue(s.pipe.Now() + Ticks(r.idleTime))
	case kindEcho, kindWrong, kindDetach:
		if u.maker != s.client || u.seq != s.next {
			r.w.Fail("client %d: got unit %d of client %d, want %d", s.client, u.seq, u.maker, s.next)
		}
		s.next++
	}
	switch u.kind {
	case kindHello:
		s.pipe.Enqueue(u.whole, nil, true)
		r.sessions = append(r.sessions, s) // from now on the application's goroutines know it
	case kindEcho:
		if s.pipe.Enqueue(u.whole[:unitHead], u.whole[unitHead:], false) != nil {
			s.r.doom(s)
		}
		r.w.Yield("echoed")
		if r.w.Rand.IntN(8) == 0 {
			s.setDue(s.pipe.Now() + Tick(r.w.Rand.IntN(100))) // as for a message that has to end soon
		}
	case kindWrong:
		s.fail(lastWrong)
	case kindDetach:
		s.detach()
	}
}

// fail says a last word and lingers, so that it can be heard.
func (s *simSession) fail(reason uint32) {
	s.pipe.EnqueueLast(appendUnit(nil, kindLast, s.client, reason, 0), 1, nil)
	s.end()
}

// detach gives the descriptor away, when all that was answered has left.
func (s *simSession) detach() {
	paused := s.pipe.Pause()
	if _, sealed := s.pipe.Sealed(); sealed || paused {
		s.fail(lastAsked)
		return
	}
	s.detached = true
	s.owesBye = false
	fd := s.pipe.Detach()
	s.r.w.Go("taker", func() { s.r.take(fd, s.client) })
}

// end lingers: nothing more is said, and what still comes is thrown away.
func (s *simSession) end() {
	if s.owesBye {
		if s.pipe.Calling() {
			s.bye()
		} else {
			s.pipe.NeedCalls()
		}
	}
	if s.state != simLingering {
		s.state = simLingering
		s.pipe.ShutdownWrite()
	}
	s.setDue(s.pipe.Now() + Ticks(s.r.lingerTime))
}

// bye is the application's last call.
func (s *simSession) bye() (calls int) {
	if !s.owesBye {
		return 0
	}
	s.owesBye = false
	s.call("bye")
	s.r.byes++
	s.pipe.NoCalls()
	return 1
}

func (s *simSession) Ended(fault error) {
	defer s.enter("Ended")()
	if s.ended {
		s.r.w.Fail("client %d: the stream ended twice", s.client)
	}
	s.ended = true
	switch {
	case fault != nil || s.state == simOpening:
		s.r.doom(s)
		s.pipe.Finish()
	case s.state == simLingering:
		if s.pipe.Waiting() == 0 {
			s.pipe.Finish()
		}
	default:
		s.end()
	}
}

func (s *simSession) setDue(at Tick) {
	s.due = at
	s.pipe.SetDue(at)
}

func (s *simSession) Tick(now Tick) {
	defer s.enter("Tick")()
	r := s.r
	if now < s.due { // the engine has deadlines of its own, for writes that were refused
		s.setDue(s.due)
		return
	}
	late := r.k.Now() - r.e.At(s.due)
	if late < 0 || late > r.tardy {
		r.w.Fail("client %d: a deadline is met %v late", s.client, late)
	}
	switch s.state {
	case simOpening:
		if due := s.began + Ticks(r.openingTime); now < due {
			s.setDue(due)
			return
		}
		s.pipe.Finish()
	case simOpen:
		due := s.pipe.Heard() + Ticks(r.idleTime)
		if oldest := s.pipe.Oldest(); oldest != 0 {
			if now >= oldest+Ticks(r.cfg.Stall) {
				s.r.doom(s)
				s.pipe.Purge()
				s.fail(lastStall)
				return
			}
			due = min(due, oldest+Ticks(r.cfg.Stall))
		}
		if now < due {
			s.setDue(due)
			return
		}
		s.fail(lastIdle)
	case simLingering:
		s.r.doom(s)
		s.pipe.Finish()
	}
}

func (s *simSession) Asked() {
	defer s.enter("Asked")()
	if s.state != simOpen {
		return
	}
	if s.pipe.Overflowed() {
		s.r.doom(s)
		s.pipe.Purge()
		s.fail(lastOverflow)
		return
	}
	if _, sealed := s.pipe.Sealed(); sealed {
		s.end()
	}
}

func (s *simSession) Drained() {
	defer s.enter("Drained")()
	s.owedDrained = false
	if s.state == simOpen {
		s.call("drained")
		s.r.drained++
	}
}

func (s *simSession) Farewell() {
	defer s.enter("Farewell")()
	if s.owesBye {
		s.bye()
	}
	s.state = simOver
	s.r.farewells++
}

// take is what goes on with a descriptor that left the engine: it is somebody
// else's, who may use it at once.
func (r *simRun) take(fd int, client uint32) {
	word := appendUnit(nil, kindDetach, client, 0, 0)
	for len(word) > 0 {
		n, err := r.k.Write(fd, word)
		word = word[n:]
		switch sys.FaultOf(err) {
		case sys.Again, sys.Resource:
			r.w.Sleep(time.Millisecond)
		case sys.Peer:
			word = nil
		}
	}
	r.k.Close(fd)
	r.taken++
}
