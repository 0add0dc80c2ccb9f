package engine

import "time"

// watchPeriod is how often the watchdog looks for a loop that sticks in
// application code; a loop is moved after one to two periods.
const watchPeriod = time.Millisecond

// watchIdle is the number of periods without a call after which the watchdog ends.
const watchIdle = 64

// The lead word of a loop is odd while its leader is inside application code
// and counts every entry and exit, so the watchdog recognises a call that it
// saw before. Whoever moves the word on from an odd value decides who leads:
// the leader by coming back, or the watchdog by giving the loop away.

// watch gives loops that stick to new goroutines. It lives while there are
// calls and ends when all is quiet; enter starts it again.
func (e *Engine) watch() {
	seen := make([]uint64, len(e.loops))
	for quiet := 0; quiet < watchIdle; quiet++ {
		e.kernel.Sleep(watchPeriod)
		for i, l := range e.loops {
			v := l.lead.Load()
			switch {
			case v != seen[i]:
				quiet = 0
			case v&1 == 1 && l.lead.CompareAndSwap(v, v+1):
				quiet = 0
				e.hired.Add(1) // the goroutine that sticks
				e.Counts.Moves.Add(1)
				e.submit(l.run)
			}
			seen[i] = v
		}
	}
	e.watching.Store(false)
	for _, l := range e.loops {
		if l.lead.Load()&1 == 1 { // it began while we stopped looking
			e.ensureWatch()
			return
		}
	}
}

func (e *Engine) ensureWatch() {
	if !e.watching.Load() && e.watching.CompareAndSwap(false, true) {
		e.submit(e.watch)
	}
}
