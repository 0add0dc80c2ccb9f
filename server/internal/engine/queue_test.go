package engine

import (
	"math/rand/v2"
	"testing"
)

// A run queue against a list: first in, first out, however it grows and goes round.
func TestRunQueueAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	e := new(Engine)
	q := &runQueue{e: e, loop: new(Loop)}
	var want []*Conn
	for range 200 {
		// Phases of growth and of decline, some of them long.
		pushes := rnd.IntN(10)
		for range 1 << rnd.IntN(10) {
			if rnd.IntN(10) < pushes {
				c := new(Conn)
				q.push(c)
				want = append(want, c)
			} else if got := q.pop(); len(want) == 0 {
				if got != nil {
					t.Fatal("an empty queue has something")
				}
			} else if got != want[0] {
				t.Fatal("out of order")
			} else {
				want = want[1:]
			}
			if q.len() != len(want) {
				t.Fatalf("len is %d, want %d", q.len(), len(want))
			}
		}
	}
}

// The memory of a storm is given back when it is over.
func TestRunQueueShrinks(t *testing.T) {
	q := &runQueue{e: new(Engine), loop: new(Loop)}
	for range 10_000 {
		q.push(new(Conn))
	}
	for q.pop() != nil {
	}
	if len(q.ring) != 0 {
		t.Errorf("the ring still has %d places", len(q.ring))
	}
}

// A hired goroutine that finds nothing is no longer counted; there are never
// more than Workers of them.
func TestHire(t *testing.T) {
	e := &Engine{Config: Config{Workers: 3}, loops: make([]*Loop, 2)}
	q := &runQueue{e: e, loop: new(Loop)}
	for i := range 3 {
		if may := e.mayServe(); may != (i+2 <= 3) {
			t.Errorf("with %d hired, 2 loops and 3 workers, leaders may serve: %v", i, may)
		}
		if !e.hire() {
			t.Fatalf("worker %d was not hired", i)
		}
	}
	if e.hire() {
		t.Error("a fourth worker was hired")
	}
	q.push(new(Conn))
	if q.popOrQuit() == nil || e.hired.Load() != 3 {
		t.Error("who found work has left")
	}
	if q.popOrQuit() != nil || e.hired.Load() != 2 {
		t.Error("who found nothing has not left")
	}
}

// Connections that came to the queue when leaders could still serve get workers
// when they cannot any more, as many as there may be. While they can, a leader
// is told to serve them: nobody else will, should it be too late a moment later.
func TestStaff(t *testing.T) {
	hired := 0
	e := &Engine{Config: Config{Workers: 4, Submit: func(func()) error { hired++; return nil }}, loops: make([]*Loop, 2)}
	e.queue = &runQueue{e: e}
	l := &Loop{e: e, queue: e.queue}
	if l.staff() {
		t.Error("a leader is to serve nobody")
	}
	for range 3 {
		e.queue.push(&Conn{loop: l})
	}
	if mine := l.staff(); !mine || hired != 0 {
		t.Errorf("where leaders may serve: %v, and %d workers were hired", mine, hired)
	}
	e.hired.Store(3) // as many callbacks have stuck
	if mine := l.staff(); mine || hired != 1 {
		t.Errorf("%d workers were hired, want the one that is left; the leader may serve: %v", hired, mine)
	}
	e.hired.Store(0)
	e.slow.Store(true)
	if mine := l.staff(); mine || hired != 1+3 {
		t.Errorf("%d workers were hired for three slow connections; the leader may serve: %v", hired-1, mine)
	}
}

// Half of the turns slow: leave them to workers. Less than one in eight: take
// them back. In between it stays as it is, and one slow turn says nothing.
func TestVerdictOnPace(t *testing.T) {
	e := new(Engine)
	for i, tc := range []struct {
		judged pace
		slow   bool
	}{
		{pace{0, 0}, false},
		{pace{1, 1}, false}, // too few to tell
		{pace{15, 6}, false},
		{pace{16, 7}, false},
		{pace{16, 8}, true},
		{pace{127, 0}, true}, // too few
		{pace{1, 0}, false},
		{pace{16, 16}, true},
		{pace{128, 16}, true}, // one in eight
		{pace{128, 15}, false},
		{pace{8, 8}, false},
		{pace{8, 0}, true},
	} {
		e.judge(tc.judged)
		if got := e.slow.Load(); got != tc.slow {
			t.Fatalf("verdict %d, on %+v: slow is %v", i, tc.judged, got)
		}
	}
	if n := e.Counts.SlowModes.Load(); n != 3 {
		t.Errorf("slow mode was counted %d times, want 3", n)
	}
}
