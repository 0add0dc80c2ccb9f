package push

import (
	"sync/atomic"
	"time"
)

// alarmPeriod is how long after it was asked for an alarm rings: how late what
// the protocol does after some seconds may be.
const alarmPeriod = time.Second

// alarm rings once, a while after the first who asked. Nothing ticks while
// nobody waits for anything.
type alarm struct {
	asked atomic.Bool
	ring  func()
}

func (a *alarm) ask() {
	if a.asked.Swap(true) {
		return
	}
	time.AfterFunc(alarmPeriod, func() {
		a.asked.Store(false) // before it rings: who asks now has not been seen to
		a.ring()
	})
}

// wallClock is what notices and the ends of things are dated by.
func wallClock() time.Time { return time.Now() }

// longAgo reports whether d has passed since then, in Unix nanoseconds. What is yet to
// come was before the clock was set back, and nobody is to wait for it.
func longAgo(now time.Time, then int64, d time.Duration) bool {
	passed := now.UnixNano() - then
	return passed < 0 || passed >= int64(d)
}

// born is what passed counts from.
func born() time.Time { return time.Now() }

// passed is how long ago that was, whatever became of the time of day.
func passed(born time.Time) time.Duration { return time.Since(born) }

// rang does what some connection or channel has waited for.
func (h *Hub) rang() {
	h.tellDueCounts()
	h.expireHistory()
	for _, s := range h.shards {
		if s.unauthorised.count.Load() > 0 {
			_ = s.post(s.loop, func() { h.expire(s) }) // or the loop is gone, and they with it
		}
	}
}
