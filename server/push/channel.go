package push

import (
	"fmt"
	"time"
)

// joined is what somebody who just subscribed starts from: everything that was
// handed out up to message since is in it, and nothing that came later.
type joined struct {
	roster *roster
	// since is the last message that is not for the new subscriber.
	since   uint64
	waiting bool // that or an earlier one may not have been delivered yet

	member  *member   // on a presence channel, the subscriber's user
	members []*member // on a presence channel, everybody
	count   int       // on a presence channel, how many everybody is
	cached  *cached   // on a cache channel, the last event; nil if there is none
	past    past      // on a channel with history, what was asked of it
}

// join subscribes a connection of the given loop to the named channel, as who if
// that is a presence channel. It is called on the loop's goroutine, which then
// puts the connection on the roster. What it is told of the channel's past is all
// there was up to message since, which the roster keeps from it; the rest comes
// through the roster.
func (a *app) join(name string, loop int, who *identity, ask catchUp) (j joined, no *subscriptionRefusal) {
	var onStack [8]*shard
	asleep := onStack[:0]
	now := a.hub.now()
	s := a.directory.stripe(name)
	s.mu.Lock()
	config := a.config.Load() // after the lock, for forgetUnruled
	ch, isNew := s.make(name)
	if isNew {
		ch.prepare(config)
	}
	if ch.presence && !ch.admits(who, config.Limits.PresenceMembers) {
		s.mu.Unlock() // a new channel admits somebody, so none is left empty
		return j, &subscriptionRefusal{kindLimit, fmt.Sprintf("A presence channel may have %d members", config.Limits.PresenceMembers), 4100}
	}
	if ch.presence && !a.hub.vouched.take(ch.seatMemory(who), &a.hub.vouched.members) {
		if isNew {
			s.channels.remove(ch)
		}
		s.mu.Unlock()
		return j, &subscriptionRefusal{kindLimit, overVouched, 4100}
	}
	if isNew {
		a.happened(ch, Notice{Name: ChannelOccupied})
	}
	ch.count++
	if ch.presence {
		asleep = a.enterMember(ch, who, &j, asleep)
	}
	j.roster = ch.rosterOn(loop)
	j.since, j.waiting = ch.serial, j.roster.pending.Load() > 0
	if ch.cache {
		j.cached = a.lookUp(ch, now)
	}
	if rule := config.historyRule(name); rule != nil {
		j.past = a.history.catchUp(name, ask, rule, &config.Limits, now)
		ch.followed = ch.followed || ask.ids
		a.hub.alarm.ask() // to forget it
	}
	if j.member == nil || j.member.connections == 1 {
		asleep = a.counted(ch, config, now, asleep)
	}
	s.mu.Unlock()
	wakeAll(asleep)
	return j, nil
}

// leave ends a subscription that was taken off its roster, and the user's
// membership with their last one. It is called on the roster's loop.
//
// An empty roster leaves the channel, and the last one takes the channel with
// it. Messages that were handed out before still go to r, where nobody is left; whoever
// joins again gets a new roster and only later messages.
func (a *app) leave(r *roster, m *member) {
	var onStack [8]*shard
	asleep := onStack[:0]
	config := a.config.Load()
	ch := r.channel
	s := a.directory.stripe(ch.name)
	s.mu.Lock()
	ch.count--
	if len(r.subs) == 0 {
		ch.drop(r)
	}
	if m != nil {
		asleep = a.leaveMember(ch, m, asleep)
	}
	switch {
	case ch.rosters == nil:
		s.channels.remove(ch)
		a.happened(ch, Notice{Name: ChannelVacated})
		if ch.followed {
			a.history.left(ch.name, a.hub.now())
		}
	case m == nil || m.connections == 0:
		asleep = a.counted(ch, config, a.hub.now(), asleep)
	}
	s.mu.Unlock()
	wakeAll(asleep)
}

// keep is what stays of an event when it was delivered.
type keep struct {
	cached *cached // on a cache channel; nil if it is not the last event then
	event  kept    // for the channel's history, if there is a rule
	client bool    // it is a client's, and the rule has to say so
}

// deliver hands a message to all subscribers of the named channel. One that is to
// be in the channel's history gets its place in there.
func (a *app) deliver(name string, m *message, keep keep) {
	var onStack [8]*shard
	asleep := onStack[:0]
	s := a.directory.stripe(name)
	s.mu.Lock()
	config := a.config.Load() // after the lock, for forgetUnruled
	ch := s.channels.get(name)
	if keep.cached != nil {
		a.cache.put(name, keep.cached, config.Limits.CacheBytes)
		if ch != nil && ch.special != nil {
			ch.special.missed = 0
		}
	}
	if rule := config.historyRule(name); rule != nil && (rule.ClientEvents || !keep.client) {
		k := keep.event
		k.at, m.kept = a.hub.now(), &k
		a.history.keep(name, &k, rule, &config.Limits, ch != nil && ch.followed)
		a.hub.alarm.ask() // to forget it
	}
	if ch != nil {
		asleep = a.hand(ch, m, asleep)
	}
	s.mu.Unlock()
	wakeAll(asleep)
}

// hand puts m into the inboxes of all loops that have subscribers of ch. The
// channel stays locked, so that two messages enter all inboxes in the same order. It
// adds to asleep the shards to be woken when the lock is free.
func (a *app) hand(ch *channel, m *message, asleep []*shard) []*shard {
	ch.serial++
	m.serial = ch.serial
	m.app = a
	loops := int32(0)
	for r := ch.rosters; r != nil; r = r.next {
		loops++
	}
	m.left.Store(loops)
	if loops > 0 {
		a.hub.pendingBytes.Add(m.memory())
	}
	for r := ch.rosters; r != nil; r = r.next {
		r.pending.Add(1)
		if s := a.hub.shards[r.loop]; s.put(delivery{roster: r, message: m}) {
			asleep = append(asleep, s)
		}
	}
	return asleep
}

func wakeAll(asleep []*shard) {
	for _, s := range asleep {
		s.wake()
	}
}

// happened makes a notice of what happened to ch, which is locked. A user's own
// channel is nobody else's business.
func (a *app) happened(ch *channel, n Notice) {
	if ch.user || a.hub.notices.to == nil {
		return
	}
	n.App, n.Channel = a.config.Load().ID, ch.name
	a.hub.notices.add(n)
}

// missEvery is how often subscribers of one empty cache channel are worth a notice.
const missEvery = 10 * time.Second

// lookUp returns the last event of a cache channel, which is locked.
func (a *app) lookUp(ch *channel, now time.Time) *cached {
	if c := a.cache.get(ch.name, now); c != nil {
		return c
	}
	sp := ch.rarely()
	if sp.missed == 0 || longAgo(now, sp.missed, missEvery) {
		sp.missed = now.UnixNano()
		a.happened(ch, Notice{Name: CacheMiss})
	}
	return nil
}
