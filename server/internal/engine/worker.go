package engine

import (
	"sync"
	"time"
)

const (
	// corkBuffer is the room for what a turn sends, to begin with; corkMax is what a worker keeps of it.
	corkBuffer = 64 << 10
	corkMax    = 512 << 10
)

// worker is what a goroutine needs to serve connections: the buffers, and
// whether it leads a loop. Goroutines that serve nobody have none.
type worker struct {
	e        *Engine
	loop     *Loop // the loop it leads, or nil
	in       []byte
	cork     outbound
	now      Tick
	received int    // bytes read since the loop or the worker last counted them
	lead     uint64 // the loop's lead word since enter
	quiet    bool   // it never runs application code
	pace     pace
}

var workers = sync.Pool{New: func() any {
	return &worker{cork: outbound{spare: make([]byte, 0, corkBuffer)}}
}}

func (e *Engine) worker() *worker {
	w := workers.Get().(*worker)
	w.e = e
	if cap(w.in) < e.ReadBuffer {
		w.in = make([]byte, e.ReadBuffer)
	}
	w.in = w.in[:e.ReadBuffer]
	return w
}

func (w *worker) free() {
	w.e, w.loop, w.received, w.pace, w.quiet = nil, nil, 0, pace{}, false
	workers.Put(w)
}

// refit gives back a buffer that one turn has made large, or took along: a worker
// that leads a loop is never freed.
func (w *worker) refit() {
	if cap(w.cork.spare) > corkMax || w.cork.spare == nil {
		w.cork.spare = make([]byte, 0, corkBuffer)
	}
}

// enter asks to run application code in a turn. It is refused to a leader that
// would leave its loop without a successor, or whose connections are slow
// enough to be left to other workers.
func (w *worker) enter() bool {
	if w.quiet {
		return false
	}
	if w.loop != nil && !w.e.Inline {
		if !w.e.mayServe() {
			return false
		}
		w.lead = w.loop.lead.Add(1)
		w.e.ensureWatch()
	}
	return true
}

// leave ends what enter began. A leader that stuck in between finds that its
// loop went to another goroutine; from then on it is an ordinary worker.
func (w *worker) leave() {
	if w.loop != nil && !w.e.Inline && !w.loop.lead.CompareAndSwap(w.lead, w.lead+1) {
		w.loop = nil
	}
}

// slowCall is the time per call of application code above which a turn counts as slow.
const slowCall = 250 * time.Microsecond

// pace tells quick application code from slow, by the share of slow turns. A
// single slow turn says nothing: a thread that was descheduled looks the same.
type pace struct{ turns, slow int }

const paceWindow = 16 // turns a verdict is made of

// begin and end measure a turn in the default mode. There the worker's clock is
// set, too: since the last turn the application may have taken any time, and a
// goroutine that has just taken a loop over has not waited yet.
func (w *worker) begin() time.Duration {
	if w.e.Inline {
		return 0
	}
	now := w.e.kernel.Now()
	w.now = tickOf(now)
	return now
}

func (w *worker) end(began time.Duration, calls int) {
	if w.e.Inline || calls == 0 {
		return
	}
	w.pace.turns++
	if w.e.kernel.Now()-began > slowCall*time.Duration(calls) {
		w.pace.slow++
	}
	if w.pace.turns >= paceWindow {
		w.e.judge(w.pace)
		w.pace = pace{}
	}
}
