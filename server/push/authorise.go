package push

import (
	"sync/atomic"
	"time"
)

// waiting is the connections of one loop that have to become authorised in time.
type waiting struct {
	// since is in the order of arrival for each span of time, of which apps have few.
	since map[time.Duration]*fifo[arrival]
	count atomic.Int64 // of all; the rest is the loop's
}

type arrival struct {
	session *session
	at      time.Time
}

// await gives s some time to sign in or to subscribe where that takes an authorisation.
func (h *Hub) await(s *session, within time.Duration) {
	s.rarely().unauthorised = true
	w := &h.shards[s.conn.Loop()].unauthorised
	if w.since == nil {
		w.since = make(map[time.Duration]*fifo[arrival])
	}
	line := w.since[within]
	if line == nil {
		line = &fifo[arrival]{}
		w.since[within] = line
	}
	line.push(arrival{s, h.now()})
	w.count.Add(1)
	h.alarm.ask()
}

// expire closes the connections of a loop whose time is up, on its goroutine.
func (h *Hub) expire(sh *shard) {
	w, now := &sh.unauthorised, h.now()
	for within, line := range w.since {
		for line.len() > 0 && now.Sub(line.front().at) >= within {
			if s := line.pop().session; s.rare.unauthorised {
				refuse(s.conn, &refusal{codeUnauthorised, "Connection not authorised within " + within.String()})
			}
			w.count.Add(-1)
		}
		if line.len() == 0 {
			delete(w.since, within)
		}
	}
	if w.count.Load() > 0 {
		h.alarm.ask()
	}
}
