package sim

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Config says how to run a World. Only the seed has no default.
type Config struct {
	Seed     uint64
	Schedule uint64        // another order of the same run
	Parts    *Parts        // what takes part; nil: everything
	Choices  []byte        // decide first, one byte for each decision; then the seed does
	Strategy Strategy      // how the next coroutine is chosen; 0: the seed decides
	Steps    uint64        // a run with more steps has failed; 0: two million
	Time     time.Duration // a run that takes longer in virtual time has failed; 0: a day
	Step     time.Duration // virtual time that one step takes; 0: the seed decides
	Trace    int           // how many lines of its past a failure shows; 0: ROOST_SIM_TRACE, or 80
}

// World is one simulated run. Its methods are called by its coroutines, and
// before and after Run by the goroutine that made it.
type World struct {
	// Rand is the only source of chance in the World.
	Rand *rand.Rand
	// Idle, if set, is called whenever nobody can run before time has passed:
	// what is still to be done then, and has no timer, was forgotten. It must
	// not yield. An error ends the run.
	Idle func() error

	cfg        Config
	now        time.Duration
	end        time.Duration
	steps      uint64
	timers     timers
	timerSeq   uint64
	coroutines []*coroutine // those that have not finished, in order of their start
	runnable   []*coroutine // scratch of pick
	idle       []*coroutine // finished ones, whose goroutines can be used again
	started    int
	current    *coroutine // the one that runs; nil outside of Run
	next       *coroutine // chosen by the one that ran last
	scheduler  scheduler
	expects    []expectation
	trace      trace
	failure    *Failure
	dead       bool          // Run is over; what still runs is being unwound
	progress   atomic.Uint64 // steps, for the watchdog
}

type expectation struct {
	name string
	met  func() bool
}

// NewWorld makes a World in which nothing runs yet.
func NewWorld(cfg Config) *World {
	if cfg.Steps == 0 {
		cfg.Steps = 2_000_000
	}
	if cfg.Time == 0 {
		cfg.Time = 24 * time.Hour
	}
	if cfg.Trace == 0 {
		cfg.Trace = traceLines
	}
	w := &World{cfg: cfg, Rand: rand.New(&choices{cfg.Choices, rand.NewPCG(cfg.Seed, 0x726f6f7374+cfg.Schedule)})}
	if cfg.Step == 0 {
		steps := [...]time.Duration{100, time.Microsecond, 20 * time.Microsecond}
		w.cfg.Step = steps[w.Rand.IntN(len(steps))]
	}
	// A clock has no reason to start at zero.
	w.now = time.Duration(w.Rand.Int64N(int64(100 * 24 * time.Hour)))
	w.end = w.now + cfg.Time
	w.scheduler = newScheduler(cfg.Strategy, w.Rand)
	w.trace.lines = make([]line, cfg.Trace)
	return w
}

// choices is a source of chance that somebody else has made the first choices of.
type choices struct {
	made []byte
	rest rand.Source
}

func (c *choices) Uint64() uint64 {
	if len(c.made) == 0 {
		return c.rest.Uint64()
	}
	// The same byte is a large number, a small one and a probability: what is
	// drawn from the high bits and from the low ones both depend on it.
	b := uint64(c.made[0])
	c.made = c.made[1:]
	return b * 0x0101010101010101
}

// Now is the virtual clock.
func (w *World) Now() time.Duration { return w.now }

// Steps returns how many steps were taken.
func (w *World) Steps() uint64 { return w.steps }

// Hash sums up the run so far: equal seeds must give equal hashes.
func (w *World) Hash() uint64 { return w.trace.hash }

// Stall lets d pass while nobody runs, as when the process was stopped.
func (w *World) Stall(d time.Duration) { w.now += d }

// Expect names something that must have come true when the run ends.
func (w *World) Expect(name string, met func() bool) {
	w.expects = append(w.expects, expectation{name, met})
}

// Run runs the coroutines until all have finished, or until the first failure.
// The error is a *Failure.
func (w *World) Run() error {
	watchdog := w.watch()
	for w.failure == nil {
		co := w.next
		w.next = nil
		if co == nil {
			co = w.pick()
		}
		if co == nil {
			break
		}
		w.current = co
		co.resume()
		w.current = nil
	}
	if w.failure == nil {
		w.verdict()
	}
	w.unwind()
	watchdog.Stop()
	return w.Err()
}

// Err returns the first failure, for those who use a World without Run.
func (w *World) Err() error {
	if w.failure == nil {
		return nil
	}
	return w.failure
}

// pick chooses who runs next, letting time pass when all wait. It returns nil
// when nobody can ever run again.
func (w *World) pick() *coroutine {
	for {
		w.fire()
		w.runnable = w.runnable[:0]
		for _, co := range w.coroutines {
			if co.canRun() {
				w.runnable = append(w.runnable, co)
			}
		}
		if len(w.runnable) > 0 {
			return w.scheduler.choose(w.runnable, w.current)
		}
		w.look()
		if w.failure != nil || !w.advance() {
			return nil
		}
	}
}

// look lets the test look around.
func (w *World) look() {
	if w.Idle == nil || w.failure != nil {
		return
	}
	co := w.current
	w.current = nil // nobody's: what it calls does not yield
	defer func() { w.current = co }()
	if err := w.Idle(); err != nil {
		w.record(Wrong, w.describe("%v", err))
	}
}

// advance moves the clock to the next moment at which something happens.
func (w *World) advance() bool {
	soonest := forever
	if len(w.timers) > 0 {
		soonest = w.timers[0].at
	}
	for _, co := range w.coroutines {
		soonest = min(soonest, co.until)
	}
	if soonest == forever {
		return false
	}
	w.now = max(w.now, soonest)
	if w.now > w.end && w.failure == nil {
		w.record(TimeLimit, w.describe("the run takes more than %v", w.cfg.Time))
	}
	return w.failure == nil
}

// step counts a step of the running coroutine.
func (w *World) step() {
	w.steps++
	w.progress.Store(w.steps)
	w.now += w.cfg.Step
	if w.steps > w.cfg.Steps {
		w.fail(StepLimit, w.describe("the run takes more than %d steps", w.cfg.Steps))
	}
}

// verdict judges a run in which nobody can run any more.
func (w *World) verdict() {
	if len(w.coroutines) > 0 {
		w.record(Deadlock, w.describe("nobody can run any more: deadlock or lost wake-up"))
		return
	}
	for _, e := range w.expects {
		if !e.met() {
			w.record(Unmet, "expectation not met: "+e.name)
			return
		}
	}
}

// describe says what everybody waits for.
func (w *World) describe(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	for _, e := range w.expects {
		if !e.met() {
			text += "\n  expectation not met: " + e.name
		}
	}
	for _, co := range w.coroutines {
		text += fmt.Sprintf("\n  %s is at %q", co.name, co.point)
		if co.until != forever && co.until > w.now {
			text += fmt.Sprintf(" for another %v", co.until-w.now)
		}
	}
	return text
}

// unwind ends the coroutines that have not finished, so that no goroutine stays.
func (w *World) unwind() {
	w.dead = true
	for _, co := range append(w.idle, w.coroutines...) {
		w.current = co
		var wg sync.WaitGroup
		wg.Go(co.stop) // on a goroutine of its own, which takes the Goexit that stop passes on
		wg.Wait()
	}
	w.current = nil
	w.coroutines, w.idle = nil, nil
}

// timer is something that the kernel does by itself at a moment.
type timer struct {
	at  time.Duration
	seq uint64 // order among those of one moment
	do  func()
}

type timers []timer

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].seq < t[j].seq
}
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)   { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	*t = (*t)[:last]
	return x
}

const forever = time.Duration(math.MaxInt64)

// at has do called at the given moment, by the scheduler: it must not yield.
func (w *World) at(moment time.Duration, do func()) {
	w.timerSeq++
	heap.Push(&w.timers, timer{moment, w.timerSeq, do})
}

// fire calls the timers whose moment has come.
func (w *World) fire() {
	for len(w.timers) > 0 && w.timers[0].at <= w.now {
		heap.Pop(&w.timers).(timer).do()
	}
}

// chance is true with probability p.
func (w *World) chance(p float64) bool {
	return p > 0 && w.Rand.Float64() < p
}

// upTo returns a random duration of at most d.
func (w *World) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(w.Rand.Int64N(int64(d) + 1))
}

// stuckAfter is how much real time one step may take.
const stuckAfter = time.Minute

// watch ends the process when a step never ends: some code waits for real, or loops.
func (w *World) watch() *time.Timer {
	var last uint64
	var t atomic.Pointer[time.Timer]
	timer := time.AfterFunc(stuckAfter, func() {
		if now := w.progress.Load(); now != last {
			last = now
			if t := t.Load(); t != nil {
				t.Reset(stuckAfter)
			}
			return
		}
		debug.SetTraceback("all")
		panic(fmt.Sprintf("sim: seed %d: step %d does not end: a goroutine waits outside of the World, or loops",
			w.cfg.Seed, last))
	})
	t.Store(timer)
	return timer
}
