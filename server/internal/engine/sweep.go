package engine

import "time"

const (
	tickLength = time.Second / 10
	sweepBatch = 16              // chunks looked at between two looks at the kernel
	sweepEvery = 64              // chunks that are looked at each tick; a larger table once in several
	standstill = 3 * time.Second // a longer gap between two wake-ups means the process may have stood still
)

// sweep is where a loop stands in looking for deadlines that have passed. A
// table is looked at whole, batch by batch, when its soonest deadline has passed.
type sweep struct {
	on        bool
	next      int           // chunk
	nearest   Tick          // soonest deadline that the present sweep has left standing
	notBefore time.Duration // when the next sweep may begin
	last      time.Duration // last call of expire
	deaf      int           // after a standstill: wake-ups that may find input from before it
	passed    []*Conn       // scratch
}

// expire signals connections whose deadline has passed.
func (l *Loop) expire() {
	s := &l.sweep
	now := l.e.kernel.Now()
	// Input comes before deadlines: after a standstill peers were not silent, we were
	// deaf. Every connection may have something to say, and each says it before any
	// is listened to twice, so a loop that is never done with input ends that, too.
	if now-s.last > standstill {
		s.deaf = l.table.live/len(l.events) + 1
	}
	s.last = now
	if s.deaf > 0 && l.ready == len(l.events) {
		s.deaf--
		return
	}
	s.deaf = 0
	chunks := (int(l.table.used) + chunkSize - 1) / chunkSize
	if !s.on {
		due := Tick(l.soonest.Load())
		if due == 0 || due > l.Now() || now < s.notBefore {
			return
		}
		s.on, s.next, s.nearest = true, 0, 0
		s.notBefore = now + tickLength*time.Duration(1+chunks/sweepEvery)
		l.soonest.Store(0) // deadlines that are set from here on note themselves again
	}
	for range sweepBatch {
		if s.next >= chunks {
			break
		}
		passed, nearest := l.table.sweep(s.next, l.Now(), s.passed[:0])
		s.next++
		if nearest != 0 && (s.nearest == 0 || nearest < s.nearest) {
			s.nearest = nearest
		}
		for _, c := range passed {
			if c.word.signal(sigExpired) {
				c.serve(nil)
			}
		}
		clear(passed)
		s.passed = passed
	}
	if s.next >= chunks {
		s.on = false
		if s.nearest != 0 {
			l.hurry(s.nearest)
		}
	}
}

// hurry notes a deadline, so that the loop does not sleep past it. Any goroutine may call it.
func (l *Loop) hurry(at Tick) {
	for {
		old := l.soonest.Load()
		if old != 0 && Tick(old) <= at {
			return
		}
		if l.soonest.CompareAndSwap(old, uint32(at)) {
			l.rouse()
			return
		}
	}
}
