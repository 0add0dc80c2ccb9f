package sim

import "math/rand/v2"

// Strategy is a way to choose who runs next. Bugs that one of them hardly ever
// meets are common with another.
type Strategy uint8

const (
	_        Strategy = iota // the seed decides
	Uniform                  // anybody who can run
	Sticky                   // as a rule the same one as before: long turns, rare switches
	Priority                 // the one of the highest priority; now and then the one that runs loses its own
	Starve                   // anybody but one, who runs only when nobody else can
)

// scheduler applies a strategy.
type scheduler struct {
	strategy Strategy
	rand     *rand.Rand
	lowest   int        // the lowest priority given so far
	victim   *coroutine // who is starved
}

func newScheduler(s Strategy, r *rand.Rand) scheduler {
	if s == 0 {
		s = Uniform + Strategy(r.IntN(int(Starve)))
	}
	return scheduler{strategy: s, rand: r}
}

// welcome gives a new coroutine its place.
func (s *scheduler) welcome(co *coroutine) {
	if s.strategy == Priority {
		co.priority = s.rand.IntN(1 << 20)
	}
}

// choose returns one of the runnable coroutines; current is the one that ran until now.
func (s *scheduler) choose(runnable []*coroutine, current *coroutine) *coroutine {
	switch s.strategy {
	case Sticky:
		if current != nil && current.canRun() && s.rand.IntN(16) != 0 {
			return current
		}
	case Priority:
		// After "A randomized scheduler with probabilistic guarantees of
		// finding bugs" (Burckhardt et al., 2010), with change points that go
		// on for ever, because a run has no known length.
		if current != nil && s.rand.IntN(64) == 0 {
			s.lowest--
			current.priority = s.lowest
		}
		best := runnable[0]
		for _, co := range runnable {
			if co.priority > best.priority {
				best = co
			}
		}
		return best
	case Starve:
		if s.victim == nil || s.rand.IntN(512) == 0 {
			s.victim = runnable[s.rand.IntN(len(runnable))]
		}
		if len(runnable) == 1 {
			return runnable[0]
		}
		for {
			if co := runnable[s.rand.IntN(len(runnable))]; co != s.victim {
				return co
			}
		}
	}
	return runnable[s.rand.IntN(len(runnable))]
}
