package sim

import (
	"iter"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// coroutine is one thread of control. It rides on iter.Pull, which switches
// between goroutines several times faster than a channel does.
type coroutine struct {
	w        *World
	id       int
	name     string
	point    string // where it yielded last
	task     func()
	until    time.Duration // when its wait ends at the latest; 0: it can run
	ready    func() bool   // what it waits for; nil: only for time
	priority int           // the scheduler's
	next     func() (struct{}, bool)
	stop     func()
	yield    func(struct{}) bool
}

// Go starts a coroutine. It runs when the scheduler comes to choose it.
func (w *World) Go(name string, task func()) {
	if w.dead {
		return
	}
	var co *coroutine
	if n := len(w.idle); n > 0 {
		co, w.idle = w.idle[n-1], w.idle[:n-1]
	} else {
		co = &coroutine{w: w}
		co.next, co.stop = iter.Pull(co.live)
	}
	w.started++
	co.id, co.name, co.point, co.task = w.started, name, "start", task
	co.until, co.ready = 0, nil
	w.scheduler.welcome(co)
	w.coroutines = append(w.coroutines, co)
}

// live runs one task after the other on one goroutine.
func (co *coroutine) live(yield func(struct{}) bool) {
	co.yield = yield
	for {
		co.run()
		co.w.retire(co)
		if !yield(struct{}{}) {
			return
		}
	}
}

// run runs the task. Whatever way it ends, the World goes on.
func (co *coroutine) run() {
	finished := false
	defer func() {
		if finished {
			return
		}
		if p := recover(); p != nil {
			co.w.record(Panic, co.w.describe("%s panicked: %v\n%s", co.name, p, debug.Stack()))
		} else if !co.w.dead {
			co.w.record(Panic, co.name+" called runtime.Goexit")
			co.switchBack() // iter.Pull would pass the Goexit on to Run's caller
		}
	}()
	co.task()
	finished = true
}

func (w *World) retire(co *coroutine) {
	if w.dead {
		return
	}
	i := slices.Index(w.coroutines, co)
	w.coroutines = slices.Delete(w.coroutines, i, i+1)
	co.task, co.ready = nil, nil
	w.idle = append(w.idle, co)
}

// resume runs the coroutine until it switches back.
func (co *coroutine) resume() { co.next() }

// switchBack leaves the coroutine until it is resumed. It does not return when the run is over.
func (co *coroutine) switchBack() {
	if !co.yield(struct{}{}) {
		runtime.Goexit()
	}
}

// canRun reports whether the coroutine has nothing to wait for any more.
func (co *coroutine) canRun() bool {
	return co.until <= co.w.now || co.ready != nil && co.ready()
}

// Yield gives the others a chance to run. The point is for the trace.
func (w *World) Yield(point string) {
	co := w.current
	if co == nil {
		return
	}
	if w.dead {
		runtime.Goexit()
	}
	co.point = point
	w.step()
	w.reschedule(co)
}

// reschedule lets the chosen coroutine run, which may be the same.
func (w *World) reschedule(co *coroutine) {
	next := w.pick()
	if next == co {
		return
	}
	w.next = next
	co.switchBack()
	w.trace.add(line{step: w.steps, now: w.now, co: co.id, who: co.name, what: "runs on from", text: co.point})
}

// Sleep lets at least d of virtual time pass.
func (w *World) Sleep(d time.Duration) {
	w.wait("sleep", w.now+max(d, 0), nil)
}

// Until waits until ready returns true. ready is called often, must be quick
// and must not change anything.
func (w *World) Until(point string, ready func() bool) {
	w.wait(point, forever, ready)
}

// Within is Until with a limit of time; passing it is a failure of the run.
func (w *World) Within(d time.Duration, point string, ready func() bool) {
	if !w.wait(point, w.now+d, ready) {
		w.fail(Unmet, w.describe("not within %v: %s", d, point))
	}
}

// wait leaves the coroutine until ready returns true or the moment has come.
// It reports which it was. Outside of Run there is nothing to wait for.
func (w *World) wait(point string, until time.Duration, ready func() bool) bool {
	co := w.current
	if co == nil {
		return ready != nil && ready()
	}
	if w.dead {
		runtime.Goexit()
	}
	co.point, co.until, co.ready = point, until, ready
	w.step()
	w.reschedule(co)
	co.until, co.ready = 0, nil
	return ready != nil && ready()
}
