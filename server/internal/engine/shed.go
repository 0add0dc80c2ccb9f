package engine

import (
	"sync/atomic"
	"time"
)

const (
	// shedMin: connections that hold less are not worth closing.
	shedMin = 512
	// shedPause is the time between two attempts when the first found nobody who holds much.
	shedPause = time.Second
)

// shedding is how a loop gets memory back when all connections together hold
// too much: it asks its connections in rounds, first those that hold much, then
// those that hold half as much, until enough was freed. The floor of the round
// is the loop's, which sessions read; the rest is the leader's.
type shedding struct {
	on        bool
	next      int // chunk
	notBefore time.Duration
}

// overloaded reports whether more is held than may be.
func (e *Engine) overloaded() bool { return e.Held > 0 && e.held.Load() > e.Held }

// Strained reports whether so much is held that nobody new should come: three
// quarters of what may be.
func (e *Engine) Strained() bool { return e.Held > 0 && e.held.Load() > e.Held/4*3 }

// HeldBytes counts what is held: the session's part, beside the outbound queues,
// is for the floor above to add and to take away.
func (e *Engine) HeldBytes() *atomic.Int64 { return &e.held }

// alarm wakes the loops when more is held than may be. The caller must hold no lock.
func (e *Engine) alarm() {
	if e.overloaded() {
		for _, l := range e.loops {
			l.rouse()
		}
	}
}

// shed asks a portion of the connections for what they hold.
func (l *Loop) shed() {
	s, e := &l.shedding, l.e
	if !s.on {
		if !e.overloaded() || e.kernel.Now() < s.notBefore {
			return
		}
		s.on, s.next = true, 0
		l.floor.Store(int64(e.Outbound / 2))
	}
	chunks := (int(l.table.used) + chunkSize - 1) / chunkSize
	for range sweepBatch {
		if s.next >= chunks {
			break
		}
		ch := l.table.chunks[s.next].Load()
		s.next++
		for _, c := range ch.conns {
			if c != nil && e.Strained() && c.word.signal(sigAsked) {
				c.serve(nil)
			}
		}
	}
	floor := l.floor.Load() / 2
	switch {
	case !e.Strained() || s.next >= chunks && floor < shedMin:
		s.on, s.notBefore = false, e.kernel.Now()+shedPause
		l.floor.Store(0)
	case s.next >= chunks:
		s.next = 0
		l.floor.Store(floor)
	}
}

// shedAgain is how long shed has nothing to do; negative: until somebody comes to hold more.
func (l *Loop) shedAgain() time.Duration {
	switch {
	case l.shedding.on:
		return 0
	case !l.e.overloaded():
		return -1
	}
	return max(0, l.shedding.notBefore-l.e.kernel.Now())
}

// What follows is for the owner.

// Floor is how much a connection holds that is to be closed now; 0: none is. Who
// was asked may answer late, when others have given enough.
func (c *Conn) Floor() int {
	if !c.loop.e.Strained() {
		return 0
	}
	return int(c.loop.floor.Load())
}

// Alarm is for a session that has come to hold more.
func (c *Conn) Alarm() { c.loop.e.alarm() }
