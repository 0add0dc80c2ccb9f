package push

import (
	"slices"
	"time"

	"github.com/roost-ws/roost/server"
)

// kept is one event in the history of a channel. It does not change any more
// once it is in there.
type kept struct {
	position
	frame   []byte // as those receive it who do not ask for ids
	plain   bool   // not to be compressed
	exclude SocketID
	at      time.Time
}

// keptOverhead is what a kept event takes beside its frame, roughly.
const keptOverhead = 120

func (k *kept) size() int { return len(k.frame) + keptOverhead }

// append appends the event as those receive it who ask for ids.
func (k *kept) append(b []byte) []byte {
	b = append(b, k.frame[:len(k.frame)-1]...)
	b = append(b, `,"id":"`...)
	b = k.position.append(b)
	return append(b, `"}`...)
}

// prepare encodes the event for those who ask for ids.
func (k *kept) prepare() *server.Prepared {
	return prepare(k.append(make([]byte, 0, len(k.frame)+64)), k.plain)
}

// passed tells the connection that the event is not for where the channel is: one
// that speaks much and hears little would fall behind all that is kept. Stock
// clients pass over what is pusher_internal and unknown to them.
func (k *kept) passed(channel string) *server.Prepared {
	b := append([]byte(nil), `{"event":"pusher_internal:position","channel":`...)
	b = appendChannel(b, channel)
	b = append(b, `,"id":"`...)
	b = k.position.append(b)
	return server.Prepare(server.Text, append(b, `"}`...))
}

// ring is the last events of one channel. It begins with an epoch of its own,
// and what it says is true for as long as it lives: the events after a position of that
// epoch are these, or some of them are gone.
type ring struct {
	name   string
	epoch  uint64
	last   uint64 // serial of the last event there was
	gone   uint64 // serial of the last event that is not here any more
	events fifo[*kept]
	bytes  int // of its events

	// ttl is the rule's when the ring was last used, expires when it is forgotten
	// if it is not used again. followed: its channel has subscribers who know positions,
	// and then only its events are.
	ttl      time.Duration
	expires  time.Time
	followed bool
	full     bool // which of the two of histories it is in
	place    int  // in there
}

// ringOverhead is what a ring without events takes, roughly.
const ringOverhead = 400

// put appends the channel's next event and says which it is.
func (r *ring) put(k *kept) {
	r.last++
	k.position = position{r.epoch, r.last}
	r.events.push(k)
	r.bytes += k.size()
}

// drop forgets the oldest event.
func (r *ring) drop() {
	k := r.events.pop()
	r.gone = k.serial
	r.bytes -= k.size()
}

// trim forgets what is over the rule's limits, or older than that, or too large together.
func (r *ring) trim(rule *HistoryRule, bytes int, now time.Time) {
	for r.events.len() > 0 && (r.events.len() > rule.Size || r.bytes > bytes || now.Sub(r.events.front().at) >= rule.TTL) {
		r.drop()
	}
}

// after returns the events that came after p, and false if one of them is gone
// or p is no position of this ring.
func (r *ring) after(p position) (events []*kept, ok bool) {
	if p.epoch != r.epoch || p.serial < r.gone || p.serial > r.last {
		return nil, false
	}
	return slices.Clone(r.events.all()[p.serial-r.gone:]), true
}

// latest returns the last count events that are not older than age.
func (r *ring) latest(count int, age time.Duration, now time.Time) []*kept {
	events := r.events.all()
	events = events[max(0, len(events)-count):]
	for len(events) > 0 && now.Sub(events[0].at) > age {
		events = events[1:]
	}
	return slices.Clone(events)
}
