package push

import (
	"sync"
	"sync/atomic"

	"github.com/roost-ws/roost/server"
)

// shard delivers events on one loop.
//
// Publishers put events into its inbox. The loop moves them to the rosters they
// are for, each with a queue of its own, and serves the rosters in turn, a number
// of subscribers at a time: an event for a million subscribers of one
// channel does not make the others wait until it is through.
type shard struct {
	loop int
	post func(loop int, task func()) error
	task func() // run, made a value once
	send func(*server.Conn, *server.Prepared) error

	outbound int // bytes that may wait for one connection
	turn     int // turnSends, but in tests
	budget   int // runSends, but in tests

	pending   atomic.Int64 // messages accepted and not yet delivered to all of a roster
	delivered atomic.Uint64

	subscriptions atomic.Int64 // of the loop's connections, now

	latencies latencies
	endings   endings

	mu     sync.Mutex
	inbox  []delivery // guarded by mu
	posted bool       // guarded by mu: run is going to be called

	// The rest belongs to the loop's goroutine.
	spare        []delivery    // becomes the inbox when that is emptied
	active       fifo[*fanout] // rosters with events on their way, served in turn; nil is notes' turn
	notes        fifo[*notes]  // lines of watchers that are owed a word; when there are some, active has one nil
	words        []word        // for one turn of theirs
	free         []*fanout     // for reuse; an idle roster has none
	buf          []byte        // for frames that are written once
	inner        []byte        // for what becomes a string in such a frame
	unauthorised waiting       // sessions that have to become authorised
	token        shownToken    // the last one
}

// delivery is a message on its way to a roster, or a line of notes.
type delivery struct {
	roster  *roster
	message *message
	notes   *notes // instead of both. However long it is, it is no reason to refuse events
}

const (
	// turnSends is how many subscribers a roster serves before the next one's turn.
	turnSends = 256
	// runSends is how many are served before the loop looks at its sockets again.
	runSends = 2048
	// freeFanouts is how many idle fanouts a loop keeps.
	freeFanouts = 256
)

// put hands a delivery over. It reports whether the caller has to call wake, once
// it holds no lock.
func (s *shard) put(d delivery) (wake bool) {
	if d.notes == nil {
		s.pending.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inbox = append(s.inbox, d)
	wake = !s.posted
	s.posted = true
	return wake
}

// wake asks the loop to run. When it is gone, so are the subscribers.
func (s *shard) wake() { _ = s.post(s.loop, s.task) }

// run delivers for a while, on the loop's goroutine.
func (s *shard) run() {
	s.collect()
	s.deliver()
	if s.unfinished() {
		s.wake()
	}
}

// deliver serves the rosters and the notes in turn until all are served or the
// budget is spent.
func (s *shard) deliver() {
	for budget := s.budget; budget > 0 && s.active.len() > 0; {
		n := min(budget, s.turn)
		f := s.active.pop()
		if f == nil {
			budget -= s.serveNotes(n)
			if s.notes.len() > 0 {
				s.active.push(nil)
			}
			continue
		}
		budget -= s.serve(f, n)
		if f.queue.len() > 0 {
			s.active.push(f)
		} else {
			s.release(f)
		}
	}
}

// serveNotes tells at most n watchers what they are owed, one line after the
// other, and returns how many steps that took.
func (s *shard) serveNotes(n int) (steps int) {
	for steps < n && s.notes.len() > 0 {
		words, took, more := s.notes.front().take(s.words[:0], n-steps)
		if !more {
			s.notes.pop() // before anything is sent: what fails ends a connection, and makes notes
		}
		steps += took
		for _, w := range words {
			_ = s.send(w.conn, w.prepared) // or it is gone
		}
		clear(words)
		s.words = words[:0]
	}
	return steps
}

// unfinished reports whether run has to be called again. If not, the next put
// will ask for it: both are decided under one lock, so that no event is forgotten
// that came after collect.
func (s *shard) unfinished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posted = s.active.len() > 0 || len(s.inbox) > 0
	return s.posted
}

// collect moves the inbox's events to their rosters, and its notes to theirs.
func (s *shard) collect() {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = s.spare[:0]
	s.mu.Unlock()
	for i, d := range inbox {
		inbox[i] = delivery{}
		if d.notes != nil {
			if s.notes.len() == 0 {
				s.active.push(nil)
			}
			s.notes.push(d.notes)
			continue
		}
		f := d.roster.fanout
		if f == nil {
			f = s.take()
			f.roster, d.roster.fanout = d.roster, f
			s.active.push(f)
		}
		f.queue.push(d.message)
		if f.queue.len() == 1 {
			f.begin()
		}
	}
	s.spare = inbox
}

// serve sends a roster's events to at most n subscribers and returns how many
// steps that took, at least one.
func (s *shard) serve(f *fanout, n int) (steps int) {
	var sent, bytes uint64
	m := f.queue.front() // of one app, like all of the queue
	for steps < n && f.queue.len() > 0 {
		steps++
		sub, p, over := f.next()
		switch {
		case over:
			done := f.queue.pop()
			f.roster.delivered(done)
			s.through(done)
			s.pending.Add(-1)
			if f.queue.len() > 0 {
				f.begin()
			}
		case p != nil:
			// Whoever cannot be sent to is being closed; its OnClose takes it
			// out of the roster.
			next := f.queue.front()
			if sub.form == formBare && next.kept != nil {
				sessionOf(sub.conn).passes(s, f.roster.channel, next.kept.position)
			}
			_ = s.send(sub.conn, p)
			sent++
			bytes += uint64(next.size)
		}
	}
	s.delivered.Add(sent)
	m.count(s.loop, sent, bytes)
	return steps
}

func (s *shard) take() *fanout {
	if n := len(s.free); n > 0 {
		f := s.free[n-1]
		s.free = s.free[:n-1]
		return f
	}
	return &fanout{}
}

func (s *shard) release(f *fanout) {
	f.roster.fanout = nil
	f.roster = nil
	if len(s.free) < freeFanouts {
		s.free = append(s.free, f)
	}
}
