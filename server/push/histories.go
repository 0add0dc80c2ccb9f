package push

import (
	"container/heap"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"
)

// histories is the last events of an app's channels that have a HistoryRule,
// with subscribers or without. Its callers hold the stripe of the channel they ask
// for, while they hand an event to the rosters or add somebody to one: so an event is in
// what a subscriber catches up with or delivered to it, and never both or neither.
type histories struct {
	mu     sync.Mutex
	byName map[string]*ring
	full   byExpiry // rings with events
	blank  byExpiry // rings without, which are positions only
	bytes  int      // of all rings and their events
	epoch  uint64   // the last one that was given out; 0 before the first
	counts HistoryStats
}

// HistoryStats counts what is kept of channels.
type HistoryStats struct {
	Channels  int    // with history, now
	Bytes     int    // that it takes now, roughly
	Recovered uint64 // subscriptions that caught up with all they had missed
	Gaps      uint64 // subscriptions that were told that they could not
	Evicted   uint64 // channels whose history gave way to others' for a limit
}

func (s *HistoryStats) add(other HistoryStats) {
	s.Channels += other.Channels
	s.Bytes += other.Bytes
	s.Recovered += other.Recovered
	s.Gaps += other.Gaps
	s.Evicted += other.Evicted
}

// catchUp is what somebody who subscribes asks of a channel's history.
type catchUp struct {
	ids    bool     // events are to carry their ids
	resume bool     // what came after from is wanted
	from   position // may be none of ours; then there is a gap
	// former are the connections that the subscriber had before: events that were
	// not for these are not for it.
	former []SocketID
}

// past is what a new subscriber gets of a channel's history, before anything
// that is delivered later.
type past struct {
	// id is where the channel was when it was joined. It is the zero position when
	// the channel keeps nothing or nobody asked for ids.
	id        position
	recovered bool    // events are all that the subscriber has missed
	events    []*kept // the oldest first
}

// keep adds an event to the named channel's history. It makes k whole, which
// until then has no position.
func (h *histories) keep(name string, k *kept, rule *HistoryRule, limits *AppLimits, followed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.make(name)
	before := r.bytes
	r.put(k)
	r.trim(rule, min(limits.HistoryChannelBytes, limits.HistoryBytes-ringOverhead), k.at)
	h.bytes += r.bytes - before
	r.followed = r.followed || followed
	h.use(r, rule, k.at)
	h.shrink(limits, r)
}

// catchUp returns what somebody gets who joins the named channel now.
func (h *histories) catchUp(name string, ask catchUp, rule *HistoryRule, limits *AppLimits, now time.Time) (p past) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.byName[name]
	if r == nil && !ask.ids {
		return p
	}
	r = h.make(name)
	before := r.bytes
	r.trim(rule, limits.HistoryChannelBytes, now)
	h.bytes += r.bytes - before
	if ask.resume {
		p.events, p.recovered = r.after(ask.from)
		p.events = without(p.events, ask.former)
	} else {
		p.events = r.latest(rule.Rewind.Count, rule.Rewind.Age, now)
	}
	if !ask.ids {
		h.sort(r)
		return p
	}
	p.id = position{r.epoch, r.last}
	r.followed = true
	h.use(r, rule, now)
	h.shrink(limits, r)
	return p
}

// recall returns what the named channel keeps, or what came after the event with
// the id since. Nothing is used by being looked at.
func (h *histories) recall(name, since string, rule *HistoryRule, limits *AppLimits, now time.Time) (id position, events []*kept, complete bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.byName[name]
	if r == nil {
		return id, nil, since == ""
	}
	before := r.bytes
	r.trim(rule, limits.HistoryChannelBytes, now)
	h.bytes += r.bytes - before
	h.sort(r)
	id = position{r.epoch, r.last}
	if since == "" {
		return id, r.latest(rule.Size, rule.TTL, now), true
	}
	events, complete = r.after(parsePosition(since))
	return id, events, complete
}

// without returns the events that are for somebody who had these connections.
func without(events []*kept, former []SocketID) []*kept {
	left := events[:0]
	for _, k := range events {
		if !k.excludes(former) {
			left = append(left, k)
		}
	}
	return left
}

func (k *kept) excludes(connections []SocketID) bool {
	for _, c := range connections {
		if c == k.exclude && c != (SocketID{}) {
			return true
		}
	}
	return false
}

// left says that the named channel has no subscribers any more.
func (h *histories) left(name string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.byName[name]; r != nil {
		r.followed = false
		r.expires = now.Add(r.ttl)
		h.sort(r)
	}
}

// make returns the named channel's ring, new if need be. h is locked.
func (h *histories) make(name string) *ring {
	if r := h.byName[name]; r != nil {
		return r
	}
	if h.byName == nil {
		h.byName = make(map[string]*ring)
	}
	if h.epoch == 0 {
		// Positions that another run of the server gave out must not come up again.
		var b [8]byte
		rand.Read(b[:]) // never fails; crypto/rand ends the program instead
		h.epoch = binary.LittleEndian.Uint64(b[:]) >> 12
	}
	h.epoch++
	r := &ring{name: name, epoch: h.epoch}
	h.byName[name] = r
	h.bytes += ringOverhead
	heap.Push(&h.blank, r)
	return r
}

// use puts off the end of a ring. h is locked.
func (h *histories) use(r *ring, rule *HistoryRule, now time.Time) {
	r.ttl, r.expires = rule.TTL, now.Add(rule.TTL)
	h.sort(r)
}

// sort puts a ring where it belongs, when its events or its end have changed. h
// is locked.
func (h *histories) sort(r *ring) {
	if full := r.events.len() > 0; full != r.full {
		heap.Remove(h.with(r), r.place)
		r.full = full
		heap.Push(h.with(r), r)
		return
	}
	heap.Fix(h.with(r), r.place)
}

// with is the rings among which r is.
func (h *histories) with(r *ring) *byExpiry {
	if r.full {
		return &h.full
	}
	return &h.blank
}

// shrink forgets rings until the limits are kept, but the one that was just used
// only if it is blank: anybody may subscribe, and must not push out events by that. h is
// locked.
func (h *histories) shrink(limits *AppLimits, used *ring) {
	for h.bytes > limits.HistoryBytes || len(h.byName) > limits.HistoryChannels {
		r := h.blank.first(used)
		if r == nil && !used.full {
			r = used
		}
		if r == nil {
			r = h.full.first(used)
		}
		if r == nil {
			return
		}
		h.forget(r)
		h.counts.Evicted++
		if r == used {
			return
		}
	}
}

// forget drops a ring. Whoever knows a position in it has a gap: the channel's
// next ring has another epoch. h is locked.
func (h *histories) forget(r *ring) {
	heap.Remove(h.with(r), r.place)
	delete(h.byName, r.name)
	h.bytes -= ringOverhead + r.bytes
}

// names returns the channels that there is history of.
func (h *histories) names() (names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.byName {
		names = append(names, name)
	}
	return names
}

// forgetUnruled forgets the history of channels that no rule matches any more:
// their events do not get into it, and must not seem never to have been when a rule is
// back. Whoever had a stripe before may have read the old rules, and is done with it
// when its turn comes here; whoever has it later reads the new ones.
func (a *app) forgetUnruled() {
	config := a.config.Load()
	for _, name := range a.history.names() {
		if config.historyRule(name) != nil {
			continue
		}
		s := a.directory.stripe(name)
		s.mu.Lock()
		a.history.drop(name)
		s.mu.Unlock()
	}
}

// drop forgets the named channel's history.
func (h *histories) drop(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.byName[name]; r != nil {
		h.forget(r)
	}
}

// expireBatch is how many rings are looked at before publishers have their turn.
const expireBatch = 256

// expire forgets what is over, and reports whether anything is left.
func (h *histories) expire(now time.Time) (left bool) {
	more := true
	for more {
		left, more = h.expireSome(now)
	}
	return left
}

// expireSome is expire for a batch of rings. There may be more of them.
func (h *histories) expireSome(now time.Time) (left, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := 0; n < expireBatch; n++ {
		r := h.over(now)
		switch {
		case r == nil:
			return len(h.byName) > 0, false
		case !r.followed:
			h.forget(r)
		default:
			// Its subscribers have all there was. They keep their position in it, or a
			// quiet channel would seem to have a gap.
			h.bytes -= r.bytes
			for r.events.len() > 0 {
				r.drop()
			}
			r.expires = now.Add(r.ttl)
			h.sort(r)
		}
	}
	return true, true
}

// over returns a ring whose end has come, or nil. h is locked.
func (h *histories) over(now time.Time) *ring {
	for _, rings := range []byExpiry{h.blank, h.full} {
		if len(rings) > 0 && !now.Before(rings[0].expires) {
			return rings[0]
		}
	}
	return nil
}

// settled counts what became of a subscription that wanted to resume.
func (h *histories) settled(recovered bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if recovered {
		h.counts.Recovered++
	} else {
		h.counts.Gaps++
	}
}

func (h *histories) stats() HistoryStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.counts
	s.Channels, s.Bytes = len(h.byName), h.bytes
	return s
}

// byExpiry is a heap of rings: the one that expires next is the first.
type byExpiry []*ring

func (o byExpiry) Len() int           { return len(o) }
func (o byExpiry) Less(i, j int) bool { return o[i].expires.Before(o[j].expires) }

func (o byExpiry) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].place, o[j].place = i, j
}

func (o *byExpiry) Push(x any) {
	r := x.(*ring)
	r.place = len(*o)
	*o = append(*o, r)
}

func (o *byExpiry) Pop() any {
	last := len(*o) - 1
	r := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	return r
}

// first is the ring that expires next, apart from one; nil if there is none.
func (o byExpiry) first(but *ring) *ring {
	switch {
	case len(o) == 0 || len(o) == 1 && o[0] == but:
		return nil
	case o[0] != but:
		return o[0]
	case len(o) > 2 && o.Less(2, 1):
		return o[2]
	}
	return o[1]
}
