package webhook

// Stats counts what a Sender does. Events are counted once per endpoint.
type Stats struct {
	Dropped    uint64 // notices that found the inbox full, were too large or came after Close
	Suppressed uint64 // notices of people who left and came back in time, both counted
	// HeldTooMany counts notices that went out early for want of room.
	HeldTooMany uint64

	Attempts  uint64 // requests begun
	Failed    uint64 // attempts without a 2xx
	Refused   uint64 // of these, because of the address
	Delivered uint64 // events that an endpoint has taken
	// Overflowed counts events dropped because too many waited for an endpoint, or
	// for all of them.
	Overflowed    uint64
	DeadLettered  uint64 // events given up
	DeadDiscarded uint64 // of these, discarded to make room for others

	Held         int // notices held back now
	Pending      int // deliveries that wait or are in flight now
	PendingBytes int // their size
	InFlight     int // attempts under way now
	Failing      int // endpoints that failed several times in a row
	DeadLetters  int // kept now

	StoreFailures uint64 // commits that failed; they are tried again
	Unsaved       int    // changes the store does not have yet
	Damaged       bool   // the file was damaged at the start and set aside
}

// Stats returns the counters.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Dropped = s.inbox.droppedSoFar()
	stats.Held = s.holds.len()
	stats.PendingBytes = s.pendingBytes
	stats.InFlight = s.inFlight
	for _, ep := range s.list {
		stats.Pending += ep.waiting()
		if ep.failing() {
			stats.Failing++
		}
	}
	stats.DeadLetters = len(s.dead.letters)
	stats.Unsaved = len(s.saving.unsaved)
	return stats
}
