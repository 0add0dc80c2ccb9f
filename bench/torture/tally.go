package torture

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
)

// tally counts what the suite itself has done, so that the server's own figures
// can be held against it.
type tally struct {
	open     atomic.Int64 // connections that are not closed on our side
	conns    atomic.Int64 // connections that were ever opened
	writes   atomic.Int64
	bytes    atomic.Int64 // sent
	refused  atomic.Int64 // responses with an error status
	alerts   atomic.Int64 // fatal TLS alerts received
	controls atomic.Int64 // control messages made
	calls    atomic.Int64 // over HTTP that succeeded
	events   atomic.Int64 // messages received

	mu       sync.Mutex
	closes   map[uint16]int64 // Close frames received, by code
	statuses map[int]int64    // responses with an error status, by status
}

// rejections are the codes with which a server fails a connection, or ends it in
// the words of the Pusher Channels protocol; others are often echoes of the client's own.
var rejections = []uint16{1002, 1007, 1008, 1009, 1011, 1013, 4001, 4005, 4006, 4007, 4008, 4009, 4100}

func (t *tally) count(events []Event) {
	for _, e := range events {
		switch {
		case e.Kind == Text || e.Kind == Binary:
			t.events.Add(1)
		case e.Kind == Response && e.Status == http.StatusOK:
			t.calls.Add(1)
		case e.Kind == Response && e.Status >= http.StatusBadRequest:
			t.refused.Add(1)
			t.mu.Lock()
			if t.statuses == nil {
				t.statuses = map[int]int64{}
			}
			t.statuses[e.Status]++
			t.mu.Unlock()
		case e.Kind == Alert:
			t.alerts.Add(1)
		case e.Kind == Close:
			t.mu.Lock()
			if t.closes == nil {
				t.closes = map[uint16]int64{}
			}
			t.closes[e.Code]++
			t.mu.Unlock()
		}
	}
}

func (t *tally) closesOf(code uint16) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closes[code]
}

// refusals are the responses with an error status, by status.
func (t *tally) refusals() map[int]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.statuses)
}

// load is how much was sent, for a price.
type load struct{ conns, writes, bytes, calls, events int64 }

func (t *tally) load() load {
	return load{t.conns.Load(), t.writes.Load(), t.bytes.Load(), t.calls.Load(), t.events.Load()}
}

func (l load) sub(o load) load {
	return load{l.conns - o.conns, l.writes - o.writes, l.bytes - o.bytes, l.calls - o.calls, l.events - o.events}
}
