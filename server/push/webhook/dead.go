package webhook

import (
	"slices"
	"time"
)

// DeadLetter is a delivery that was given up.
type DeadLetter struct {
	ID       uint64 // for Requeue and Discard
	App, URL string
	Body     []byte // what was sent
	Events   int
	Created  time.Time
	Died     time.Time
	Attempts int
	Reason   string // of the last failure
}

// dead is the dead letters, oldest first.
type dead struct {
	letters []*delivery
	bytes   int
}

// bury makes a dead letter of a delivery that no queue has.
func (s *Sender) bury(d *delivery, reason string, now time.Time) {
	if reason != "" {
		d.reason = reason
	}
	d.died = now
	s.stats.DeadLettered += uint64(d.count)
	s.keep(d.id, d)
	s.listDead(d)
}

// listDead appends a dead letter and discards the oldest over the limits.
func (s *Sender) listDead(d *delivery) {
	s.dead.letters = append(s.dead.letters, d)
	s.dead.bytes += d.size()
	over := 0
	for len(s.dead.letters)-over > s.config.Limits.DeadLetters || s.dead.bytes > s.config.Limits.DeadBytes {
		old := s.dead.letters[over]
		s.dead.bytes -= old.size()
		s.stats.DeadDiscarded += uint64(old.count)
		s.forget(old.id)
		over++
	}
	s.dead.letters = slices.Delete(s.dead.letters, 0, over)
}

// DeadLetters lists at most n of what was given up, the oldest first and without
// the first few.
func (s *Sender) DeadLetters(without, n int) []DeadLetter {
	s.mu.Lock()
	defer s.mu.Unlock()
	letters := s.dead.letters[min(max(without, 0), len(s.dead.letters)):]
	letters = letters[:min(max(n, 0), len(letters))]
	list := make([]DeadLetter, 0, len(letters))
	for _, d := range letters {
		list = append(list, DeadLetter{
			ID: d.id, App: d.app, URL: d.url, Body: d.body(), Events: d.count,
			Created: d.created, Died: d.died, Attempts: d.attempts, Reason: d.reason,
		})
	}
	return list
}

// DeadLetterIDs are the ids of all that was given up, the oldest first.
func (s *Sender) DeadLetterIDs() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]uint64, 0, len(s.dead.letters))
	for _, d := range s.dead.letters {
		ids = append(ids, d.id)
	}
	return ids
}

// Requeue tries dead letters again as if they were new, and returns how many:
// those that are there, whose endpoint is configured and has room.
func (s *Sender) Requeue(ids ...uint64) int {
	now := time.Now()
	n := s.exhume(ids, func(d *delivery) bool {
		ep := s.endpoints[address{d.app, d.url}]
		if ep == nil || s.closing || !s.makeRoom(ep, 1, d.size()) {
			return false
		}
		d.attempts, d.reason, d.died = 0, "", time.Time{}
		d.queued, d.due = now, now
		s.enqueue(ep, d)
		return true
	})
	s.wake()
	return n
}

// Discard forgets dead letters and returns how many of them were there.
func (s *Sender) Discard(ids ...uint64) int {
	n := s.exhume(ids, func(d *delivery) bool {
		if s.closing {
			return false
		}
		s.forget(d.id)
		return true
	})
	s.wake()
	return n
}

// exhume takes the dead letters out of the list that were asked for and that
// take accepts.
func (s *Sender) exhume(ids []uint64, take func(*delivery) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.dead.letters)
	asked := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		asked[id] = true
	}
	s.dead.letters = slices.DeleteFunc(s.dead.letters, func(d *delivery) bool {
		size := d.size()
		if !asked[d.id] || !take(d) {
			return false
		}
		s.dead.bytes -= size
		return true
	})
	return before - len(s.dead.letters)
}
