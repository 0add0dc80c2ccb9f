package engine

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sys"
)

// million is how many connections the benchmarks of very many have.
func million(b *testing.B) int {
	text := os.Getenv("ROOST_MILLION")
	if text == "" {
		return 1_000_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("ROOST_MILLION=%q is no number of connections", text)
	}
	return n
}

// BenchmarkSweepMillion measures what one loop with a million connections pays
// each second to find the deadlines that have passed: with deadlines thirty
// seconds apart, spread evenly and set anew when they pass (what pings do, but
// for the Ping itself), and with next to none that pass, so that it is all
// search. Its clock is the benchmark's: a second takes as long as its work.
func BenchmarkSweepMillion(b *testing.B) {
	const interval = 30 * time.Second
	b.Run("passing", func(b *testing.B) { sweepMillion(b, Ticks(interval)) })
	b.Run("searching", func(b *testing.B) { sweepMillion(b, Ticks(24*time.Hour)) })
}

func sweepMillion(b *testing.B, every Tick) {
	n := million(b)
	k := &stoppedKernel{now: time.Hour}
	e := &Engine{Config: Config{Kernel: k, Inline: true}, kernel: k}
	l := &Loop{e: e, table: newTable(n)}
	l.queue = &runQueue{e: e, loop: l}
	l.events = make([]poller.Event, eventBatch) // none of them ready: deadlines need not wait for input
	l.now.Store(uint32(e.Tick()))
	passed := 0
	for i := range n {
		s := &sweptSession{every: every, passed: &passed}
		c := &s.pipe
		c.session, c.loop = s, l
		if !l.table.put(c) {
			b.Fatal("the table is full")
		}
		c.SetDue(l.Now() + 1 + Tick(uint64(every)*uint64(i)/uint64(n)))
	}
	// One deadline is always near, as with a new connection now and then: no
	// sweep is left out.
	first := l.table.find(uint64(1) << 32).session.(*sweptSession)
	first.every = 1
	const seconds = 30
	var cost []time.Duration
	calls := 0
	passed = 0
	for b.Loop() {
		for range seconds {
			began := time.Now()
			for range time.Second / tickLength {
				k.now += tickLength
				l.now.Store(uint32(e.Tick()))
				for again := true; again; again = l.sweep.on {
					l.expire()
					calls++
				}
			}
			cost = append(cost, time.Since(began))
		}
	}
	// The median second: a busy machine makes some of them long, and none short.
	slices.Sort(cost)
	all := float64(len(cost))
	b.ReportMetric(float64(cost[len(cost)/2].Nanoseconds())/1e6, "ms/s")
	b.ReportMetric(float64(passed)/all, "deadlines/s")
	b.ReportMetric(float64(calls)/all, "slices/s")
	b.ReportMetric(0, "ns/op") // of thirty seconds: says nothing
	if every == Ticks(30*time.Second) && passed < len(cost)*n/40 {
		b.Fatalf("%d deadlines passed in %d seconds, with %d connections", passed, len(cost), n)
	}
}

// sweptSession is a session whose deadline is set anew each time it passes.
type sweptSession struct {
	pipe   Conn
	every  Tick
	passed *int
}

func (s *sweptSession) Pipe() *Conn            { return &s.pipe }
func (s *sweptSession) Start()                 {}
func (s *sweptSession) Data([]byte) (int, int) { return 0, 0 }
func (s *sweptSession) Refused()               {}
func (s *sweptSession) Ended(error)            {}
func (s *sweptSession) Asked()                 {}
func (s *sweptSession) Drained()               {}
func (s *sweptSession) Farewell()              {}
func (s *sweptSession) Tick(now Tick)          { *s.passed++; s.pipe.SetDue(now + s.every) }

// stoppedKernel is only a clock.
type stoppedKernel struct {
	sys.Kernel
	now time.Duration
}

func (k *stoppedKernel) Now() time.Duration { return k.now }
