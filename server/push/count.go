package push

import (
	"strconv"
	"sync"
	"time"

	"github.com/roost-ws/roost/server"
)

// Subscribers of a channel with more than countAtOnce of them are told how
// many they are at most every countEvery. Those of a smaller one are told of
// countAtOnce changes at once and of countRate in each second that follows; of
// others they hear after countEvery, or with the next.
const (
	countAtOnce = 100
	countEvery  = 5 * time.Second
	countRate   = 10
)

// counts is the channels whose subscribers are owed their number.
type counts struct {
	mu  sync.Mutex
	due []dueCount
}

type dueCount struct {
	app  *app
	name string
}

func (c *counts) add(due ...dueCount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = append(c.due, due...)
}

func (c *counts) take() []dueCount {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := c.due
	c.due = nil
	return due
}

// counted is called with ch locked whenever its number of subscribers, or of
// members if these are only counted, has changed. It tells them, or sees to it that they will be.
func (a *app) counted(ch *channel, config *App, now time.Time, asleep []*shard) []*shard {
	if !ch.countable(config) {
		return asleep
	}
	sp := ch.rarely()
	crowded := ch.count > countAtOnce && !longAgo(now, sp.told, countEvery)
	if crowded || !sp.counts.TakeOf(now, countRate, countAtOnce) {
		if !sp.due {
			sp.due = true
			a.hub.counts.add(dueCount{a, ch.name})
			a.hub.alarm.ask()
		}
		return asleep
	}
	return a.tellCount(ch, now, asleep)
}

// countable reports whether subscribers of ch are told how many they are.
func (ch *channel) countable(config *App) bool {
	if ch.presence {
		return ch.special.countOnly
	}
	return config.SubscriptionCount && !ch.user
}

// tellCount tells the subscribers of ch, which is locked.
func (a *app) tellCount(ch *channel, now time.Time, asleep []*shard) []*shard {
	sp := ch.special
	sp.told, sp.due = now.UnixNano(), false
	n := int(ch.count)
	if ch.presence {
		n = len(sp.members)
	}
	b := append([]byte(nil), `{"event":"pusher_internal:subscription_count","channel":`...)
	b = appendChannel(b, ch.name)
	b = append(b, `,"data":"{\"subscription_count\":`...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, `}"}`...)
	a.happened(ch, Notice{Name: SubscriptionCount, Count: n})
	return a.hand(ch, &message{prepared: server.Prepare(server.Text, b), excludeLoop: -1}, asleep)
}

// tellDueCounts tells those who have waited long enough.
func (h *Hub) tellDueCounts() {
	var later []dueCount
	for _, due := range h.counts.take() {
		if !due.app.tellDueCount(due.name, h.now()) {
			later = append(later, due)
		}
	}
	if later != nil {
		h.counts.add(later...)
		h.alarm.ask()
	}
	h.notices.tell()
}

// tellDueCount tells the subscribers of the named channel if it is time, and
// reports whether nothing is due any more.
func (a *app) tellDueCount(name string, now time.Time) (done bool) {
	var onStack [8]*shard
	asleep := onStack[:0]
	s := a.directory.stripe(name)
	s.mu.Lock()
	ch := s.channels.get(name)
	switch {
	case ch == nil || ch.special == nil || !ch.special.due:
		done = true
	case longAgo(now, ch.special.told, countEvery):
		asleep = a.tellCount(ch, now, asleep)
		done = true
	}
	s.mu.Unlock()
	wakeAll(asleep)
	return done
}
