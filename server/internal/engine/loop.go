package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sys"
)

const (
	eventBatch = 512 // events taken from the kernel at once
	serveBatch = 256 // connections of the run queue served between two looks at the kernel
)

// Loop is a poller, the connections registered with it, and the goroutine of
// the pool that leads it at the moment. Fields are the leader's unless they say
// otherwise; when the loop moves, they move with it.
type Loop struct {
	e      *Engine
	index  int
	poller sys.Poller
	table  table
	queue  *runQueue // the engine's, or in inline mode the loop's own

	events    []poller.Event
	at, ready int // events[at:ready] are still to be served
	accepts   []*acceptor
	shut      bool // no listener is taken any more
	sweep     sweep
	shedding  shedding
	stopSeen  bool // the connections know that the engine stops

	lead     atomic.Uint64 // see lead.go
	now      atomic.Uint32 // Tick of the last wake-up
	soonest  atomic.Uint32 // no deadline is before it; 0: there is none
	asleep   atomic.Bool   // in Wait, or about to be
	received atomic.Uint64
	sent     atomic.Uint64
	floor    atomic.Int64 // how much a connection holds that is to be closed, see shedding; 0: none is
	waiting  atomic.Int64 // bytes in outbound queues that the kernel has refused

	mu    sync.Mutex // guards below
	tasks []func()
	fresh []fresh
	gone  []*Conn
	spare []func()
	ended bool // nobody will look at these again
}

// fresh is a connection that waits for its slot.
type fresh struct {
	fd      int
	session Session
	early   []byte
}

// run leads the loop until the engine stops or the loop moves to another
// goroutine; a goroutine that lost its loop goes on as an ordinary worker.
func (l *Loop) run() {
	w := l.e.worker()
	defer w.free()
	w.loop = l
	for !l.stopped() {
		l.wait(w)                        // until readiness, a task or the next deadline
		if l.dispatch(w) && l.serve(w) { // what is ready, then what stands in the run queue
			l.runTasks() // new connections, fan-out, other work posted by goroutines
			l.expire()   // deadlines become signals
			l.shed()     // too much is held: the largest go
			l.reap()     // only now may slots be used again
		}
		if w.loop != l {
			w.count(l)
			w.serveQueue()
			return
		}
	}
	w.count(l)
	l.poller.Close()
	l.e.loopsDone.Done()
}

// wait fills events. It does not sleep while there is work that needs no event.
func (l *Loop) wait(w *worker) {
	if l.at < l.ready {
		return // the former leader left them
	}
	w.count(l)
	timeout := l.timeout()
	if timeout != 0 {
		l.asleep.Store(true)
		if l.staff() {
			timeout = 0
		} else {
			timeout = l.timeout() // work and deadlines may have come between the look and the flag
		}
	}
	n, err := l.poller.Wait(l.events, timeout)
	if err != nil {
		panic(err) // the poller is ours: only a bug makes it fail
	}
	l.at, l.ready = 0, n
	w.now = l.e.Tick()
	l.now.Store(uint32(w.now)) // whoever finds the loop awake relies on it
	l.asleep.Store(false)
}

// timeout is how long the loop may sleep: 0 not at all, negative for ever.
func (l *Loop) timeout() time.Duration {
	if l.pending() || l.sweep.on {
		return 0
	}
	nap := time.Duration(-1)
	sooner := func(d time.Duration) {
		if d = max(0, d); nap < 0 || d < nap {
			nap = d
		}
	}
	now := l.e.kernel.Now()
	if due := l.soonest.Load(); due != 0 {
		sooner(max(l.e.At(Tick(due)), l.sweep.notBefore) - now)
	}
	for _, a := range l.accepts {
		if a.resume != 0 {
			sooner(a.resume - now) // whatever edges came meanwhile
		} else if a.more {
			return 0
		}
	}
	if l.e.stopping.Load() {
		sooner(tickLength / 20)
	}
	if again := l.shedAgain(); again >= 0 {
		sooner(again)
	}
	return nap
}

// pending reports whether there is work that needs no event.
func (l *Loop) pending() bool {
	l.mu.Lock()
	work := len(l.tasks)+len(l.fresh)+len(l.gone) > 0
	l.mu.Unlock()
	return work || l.e.stopping.Load() && !l.stopSeen || l.queue.len() > 0 && (l.e.Inline || l.e.mayServe())
}

// dispatch serves the events that wait. It reports whether w still leads the loop.
func (l *Loop) dispatch(w *worker) bool {
	for l.at < l.ready {
		ev := &l.events[l.at]
		l.at++
		if ev.Token&listenerToken != 0 {
			l.accepts[ev.Token&^listenerToken].more = true
			continue
		}
		c := l.table.find(ev.Token)
		if c == nil {
			l.e.Counts.StaleEvents.Add(1)
			continue
		}
		var bits uint32
		if ev.Readable {
			bits |= sigReadable
		}
		if ev.Writable {
			bits |= sigWritable
		}
		if ev.Hangup {
			bits |= sigReadable | sigHangup
		}
		if c.word.signal(bits) {
			c.serve(w)
			if w.loop != l {
				return false
			}
		}
	}
	for _, a := range l.accepts {
		a.accept()
	}
	return true
}

// serve gives turns to connections of the run queue, or hires workers for
// them. It reports whether w still leads the loop.
func (l *Loop) serve(w *worker) bool {
	n := l.queue.len()
	if n == 0 {
		return true
	}
	if !l.e.Inline && !l.e.mayServe() {
		l.staff()
		return true
	}
	for range min(n, serveBatch) {
		c := l.queue.pop()
		if c == nil {
			return true
		}
		if c.word.unqueue() {
			c.serve(w)
			if w.loop != l {
				return false
			}
		}
	}
	return true
}

// staff hires a worker for each connection of the run queue, when leaders may
// not serve it. A leader sees to it before it sleeps: connections may have come
// there when leaders still could. Where it may serve them itself, staff reports
// whether there are any: it must not sleep then, whatever it may a moment later.
func (l *Loop) staff() (mine bool) {
	n := l.queue.len()
	if l.e.Inline || l.e.mayServe() {
		return n > 0
	}
	for ; n > 0 && l.e.hire(); n-- {
		l.e.submit(l.e.serveQueue)
	}
	return false
}

// runTasks gives new connections their slots and runs posted tasks. None of it
// runs turns: those are left to the run queue, because the loop may move then.
func (l *Loop) runTasks() {
	l.mu.Lock()
	fresh, tasks := l.fresh, l.tasks
	l.fresh, l.tasks, l.spare = nil, l.spare[:0], nil
	l.mu.Unlock()
	for _, f := range fresh {
		l.add(f)
	}
	for i, task := range tasks {
		task()
		tasks[i] = nil
	}
	l.mu.Lock()
	l.spare = tasks[:0]
	l.mu.Unlock()
	if l.e.stopping.Load() && !l.stopSeen {
		l.stopSeen = true
		l.stopAll()
	}
}

// add gives a connection its slot and registers it with the poller.
func (l *Loop) add(f fresh) {
	c := f.session.Pipe()
	c.fd, c.session, c.loop, c.heard = int32(f.fd), f.session, l, l.Now()
	c.word.signal(sigServe) // ours until it is complete
	if l.e.stopping.Load() || !l.table.put(c) {
		l.e.refuse(f)
		return
	}
	if err := l.poller.Add(f.fd, c.Token()); err != nil {
		l.table.drop(c)
		l.e.check(err)
		l.e.refuse(f)
		return
	}
	if len(f.early) > 0 {
		c.stow(f.early)
		c.word.signal(sigReadable)
	}
	f.session.Start()
	if c.flags&flagOwing != 0 {
		c.word.signal(sigReadable)
	}
	c.serve(nil)
}

// reap frees the slots of connections that were closed.
func (l *Loop) reap() {
	l.mu.Lock()
	gone := l.gone
	l.gone = nil
	l.mu.Unlock()
	for _, c := range gone {
		l.table.drop(c)
	}
}

// stopAll tells every connection that the engine stops.
func (l *Loop) stopAll() {
	l.stopListening()
	for slot := range l.table.used {
		ch, i := l.table.at(slot)
		if c := ch.conns[i]; c != nil && c.word.signal(sigStop) {
			c.serve(nil)
		}
	}
}

// stopped reports whether the loop has nothing left to do for ever; it takes no tasks then.
func (l *Loop) stopped() bool {
	if !l.stopSeen || l.table.live > 0 || l.queue.len() > 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = len(l.tasks)+len(l.fresh)+len(l.gone) == 0
	return l.ended
}

// What follows may be called by any goroutine.

// Now is the engine's clock as of the loop's last wake-up; nobody needs it finer.
func (l *Loop) Now() Tick {
	if l.asleep.Load() {
		return l.e.Tick()
	}
	return Tick(l.now.Load())
}

// rouse ends the loop's sleep.
func (l *Loop) rouse() {
	if l.asleep.Load() {
		l.poller.Wake() // fails only when the loop is closed
	}
}

// post has a task run by the loop's leader, unless the loop has ended.
func (l *Loop) post(task func()) (ok bool) {
	l.mu.Lock()
	if ok = !l.ended; ok {
		l.tasks = append(l.tasks, task)
	}
	l.mu.Unlock()
	l.rouse()
	return ok
}

// adopt gives the loop a new connection.
func (l *Loop) adopt(f fresh) {
	l.mu.Lock()
	ended := l.ended
	if !ended {
		l.fresh = append(l.fresh, f)
	}
	l.mu.Unlock()
	if ended {
		l.e.refuse(f)
		return
	}
	l.rouse()
}

// retire gives the slot of a connection back that was closed or detached.
func (l *Loop) retire(c *Conn) {
	if c.flags&flagDetached == 0 {
		l.e.Counts.Closed.Add(1)
	}
	l.mu.Lock()
	l.gone = append(l.gone, c)
	l.mu.Unlock()
	l.rouse()
}
