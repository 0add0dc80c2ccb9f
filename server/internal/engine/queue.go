package engine

import "sync"

// runQueue holds connections that have a turn to do and wait for a goroutine
// that may run application code. A connection stands in it at most once
// (wordQueued), so it never holds more than there are connections.
//
// In the default mode all loops share one; its workers live as long as there
// is something in it. In inline mode each loop has its own.
type runQueue struct {
	e    *Engine
	loop *Loop // the loop that alone may serve it, or nil

	mu   sync.Mutex // guards below
	ring []*Conn
	head int
	n    int
}

// push appends c and sees to it that somebody will serve it.
func (q *runQueue) push(c *Conn) {
	q.mu.Lock()
	if q.n == len(q.ring) {
		ring := make([]*Conn, max(64, 2*len(q.ring)))
		copy(ring, q.ring[q.head:])
		copy(ring[len(q.ring)-q.head:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = c
	q.n++
	hire := q.loop == nil && !q.e.mayServe() && q.e.hire()
	q.mu.Unlock()
	switch {
	case hire:
		q.e.submit(q.e.serveQueue)
	case q.loop != nil:
		q.loop.rouse()
	default:
		c.loop.rouse()
	}
}

// pop takes the oldest connection.
func (q *runQueue) pop() *Conn {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shift()
}

// popOrQuit is pop for a hired worker: finding nothing it is no longer counted,
// in the same critical section, so that a push either is seen or hires anew.
func (q *runQueue) popOrQuit() *Conn {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.shift()
	if c == nil {
		q.e.hired.Add(-1)
	}
	return c
}

func (q *runQueue) shift() *Conn {
	if q.n == 0 {
		return nil
	}
	c := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	if q.n == 0 && len(q.ring) > 1<<12 {
		q.ring, q.head = nil, 0 // a storm is over
	}
	return c
}

func (q *runQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// mayServe reports whether a leader may run application code: handlers are
// quick, and if it sticks there is a goroutine left to take its loop over.
// Each loop has at most one such call at a time, so there is always a goroutine for a loop.
func (e *Engine) mayServe() bool {
	return !e.slow.Load() && int(e.hired.Load())+len(e.loops) <= e.Workers
}

// hire counts one more goroutine that serves without leading a loop. It fails
// when Workers of them are busy. Called under the queue's mu.
func (e *Engine) hire() bool {
	for {
		n := e.hired.Load()
		if int(n) >= e.Workers {
			return false
		}
		if e.hired.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// serveQueue is what a hired goroutine does: serve connections from the shared
// queue until there are none.
func (e *Engine) serveQueue() {
	w := e.worker()
	defer w.free()
	w.serveQueue()
}

func (w *worker) serveQueue() {
	for {
		c := w.e.queue.popOrQuit()
		if c == nil {
			w.e.judge(w.pace)
			return
		}
		w.now = w.e.Tick()
		if c.word.unqueue() {
			c.serve(w)
		}
		w.count(c.loop)
	}
}

func (w *worker) count(l *Loop) {
	if w.received > 0 {
		l.received.Add(uint64(w.received))
		w.received = 0
	}
}

// judge adds the measure of some turns to the verdict on the application's
// code: with half of the turns slow, loops stop serving and hand ready
// connections to workers; with less than one in eight they serve again.
func (e *Engine) judge(p pace) {
	if p.turns == 0 {
		return
	}
	e.verdict.Lock()
	defer e.verdict.Unlock()
	e.window.turns += p.turns
	e.window.slow += p.slow
	slow := e.slow.Load()
	switch {
	case !slow && e.window.turns < paceWindow, slow && e.window.turns < 8*paceWindow:
		return
	case !slow && e.window.slow*2 >= e.window.turns:
		e.slow.Store(true)
		e.Counts.SlowModes.Add(1)
	case slow && e.window.slow*8 < e.window.turns:
		e.slow.Store(false)
	}
	e.window = pace{}
}
