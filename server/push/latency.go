package push

import (
	"sync/atomic"
	"time"
)

// latencyBounds are the upper ends of a Latency's buckets.
var latencyBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// latencies is a histogram that one loop fills.
type latencies struct {
	buckets [len(latencyBounds) + 1]atomic.Uint64 // the last one is what is over all bounds
	sum     atomic.Int64                          // nanoseconds
}

func (l *latencies) add(d time.Duration) {
	i := 0
	for i < len(latencyBounds) && d > latencyBounds[i] {
		i++
	}
	l.buckets[i].Add(1)
	l.sum.Add(int64(d))
}

// Latency is how long events took from Publish, or from the client that sent
// them, until they were written to the last of their subscribers, or stood in
// the outbound queue of those who read too slowly.
type Latency struct {
	Bounds []time.Duration // upper ends of all buckets but the last
	Counts []uint64        // of each bucket, not added up; one more than there are bounds
	Sum    time.Duration
}

// Latency returns the histogram of all events since the start that had subscribers.
func (h *Hub) Latency() Latency {
	l := Latency{Bounds: latencyBounds[:], Counts: make([]uint64, len(latencyBounds)+1)}
	for _, s := range h.shards {
		for i := range l.Counts {
			l.Counts[i] += s.latencies.buckets[i].Load()
		}
		l.Sum += time.Duration(s.latencies.sum.Load())
	}
	return l
}

// through is called when all of one roster has m. It notes how long that took
// when it was the last one, and m does not wait any more.
func (s *shard) through(m *message) {
	if m.left.Add(-1) != 0 {
		return
	}
	if m.app != nil {
		m.app.hub.pendingBytes.Add(-m.memory())
	}
	if !m.born.IsZero() {
		s.latencies.add(passed(m.born))
	}
}
