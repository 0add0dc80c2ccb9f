package engine

import (
	"testing"
	"time"

	"github.com/roost-ws/roost/poller"
)

// After a standstill input comes before deadlines: the peers were not silent, the
// process was. But a loop that is never done with its input keeps deadlines, too,
// from when every connection had its turn.
func TestSweepAfterStandstill(t *testing.T) {
	const conns = 3 * eventBatch
	for _, tc := range []struct {
		name   string
		gap    time.Duration
		ready  int // events of each wake-up
		before int // wake-ups without a look at deadlines
	}{
		{"no gap", tickLength, eventBatch, 0},
		{"all input was seen", time.Minute, eventBatch - 1, 0},
		{"saturated", time.Minute, eventBatch, conns/eventBatch + 1},
	} {
		k := &stoppedKernel{now: time.Hour}
		e := &Engine{Config: Config{Kernel: k, Inline: true}, kernel: k}
		l := &Loop{e: e, table: newTable(conns), events: make([]poller.Event, eventBatch)}
		l.queue = &runQueue{e: e, loop: l}
		wake := func() {
			l.now.Store(uint32(e.Tick()))
			l.expire()
		}
		wake()
		passed := 0
		for range conns {
			s := &sweptSession{every: Ticks(time.Hour), passed: &passed}
			s.pipe.session, s.pipe.loop = s, l
			l.table.put(&s.pipe)
			s.pipe.SetDue(e.Tick() + 1)
		}
		k.now += tc.gap
		l.ready = tc.ready
		for range tc.before {
			if wake(); passed > 0 {
				t.Fatalf("%s: %d deadlines passed before the input was seen", tc.name, passed)
			}
			k.now += time.Millisecond
		}
		if wake(); passed != conns {
			t.Errorf("%s: %d of %d deadlines passed", tc.name, passed, conns)
		}
	}
}
