package push

import "sync/atomic"

// tally counts what the connections of one app on some loops do. It is a cache
// line of its own, so that loops do not wait for each other to count.
type tally struct {
	opened, closed          atomic.Uint64
	received, receivedBytes atomic.Uint64
	sent, sentBytes         atomic.Uint64
	joined, left            atomic.Uint64
}

// tallies is how many of them an app has. More loops than that share.
const tallies = 16

type traffic [tallies]tally

func (t *traffic) of(loop int) *tally { return &t[loop%tallies] }

// tally is where s is counted.
func (s *session) tally() *tally { return s.app.traffic.of(s.conn.Loop()) }

// count adds what a loop has delivered of one roster's events.
func (m *message) count(loop int, sent, bytes uint64) {
	if m.app == nil || sent == 0 {
		return
	}
	t := m.app.traffic.of(loop)
	t.sent.Add(sent)
	t.sentBytes.Add(bytes)
}

// AppStats counts what one app does. Bytes are those of messages; what the
// frames around them and TLS add is not known for one app.
type AppStats struct {
	ID            string
	Connections   int64 // open now
	Channels      int   // with subscribers now
	Subscriptions int64 // of all connections now

	Opened, Closed     uint64 // connections that the app has admitted
	Subscribed         uint64 // subscriptions, since the start
	Published          uint64 // events, those of clients among them
	Received           uint64 // messages of clients
	ReceivedBytes      uint64
	Sent               uint64 // events times subscribers
	SentBytes          uint64
	TooManyEvents      uint64 // client events over the app's rate
	TooManyJoins       uint64 // of presence channels, over the app's rate
	RefusedConnections uint64 // over the app's or the server's number of connections
}

// AppStats returns the counters of every app: those that are configured, and
// those that are not any more while they have connections.
func (h *Hub) AppStats() []AppStats {
	t := h.apps.Load()
	all := make([]AppStats, 0, len(t.byID)+len(t.gone))
	for _, a := range t.byID {
		all = append(all, a.stats())
	}
	for _, a := range t.gone {
		if a.connections.Load() > 0 {
			all = append(all, a.stats())
		}
	}
	return all
}

func (a *app) stats() AppStats {
	s := AppStats{
		ID:                 a.config.Load().ID,
		Connections:        a.connections.Load(),
		Channels:           a.directory.size(),
		Published:          a.published.Load(),
		TooManyEvents:      a.tooManyEvents.Load(),
		TooManyJoins:       a.tooManyJoins.Load(),
		RefusedConnections: a.refused.Load(),
	}
	for i := range a.traffic {
		t := &a.traffic[i]
		left := t.left.Load() // before joined, so that the difference is never negative
		s.Opened += t.opened.Load()
		s.Closed += t.closed.Load()
		s.Received += t.received.Load()
		s.ReceivedBytes += t.receivedBytes.Load()
		s.Sent += t.sent.Load()
		s.SentBytes += t.sentBytes.Load()
		s.Subscribed += t.joined.Load()
		s.Subscriptions += int64(t.joined.Load() - left)
	}
	return s
}
