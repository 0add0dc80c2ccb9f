package push

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/roost-ws/roost/server"
)

// roster is the subscribers of one channel on one loop. Only that loop's
// goroutine touches its subscribers.
type roster struct {
	channel *channel
	next    *roster // of the channel, on another loop; guarded by the channel's stripe
	loop    int32
	// pending is how many messages were handed to the roster and are not yet
	// delivered to all of it. It grows under the channel's lock.
	pending atomic.Int32
	subs    []subscriber
	fanout  *fanout // messages on their way to subs; nil when there are none
	late    *late   // who subscribed while messages were pending; nil when nobody
}

// late is the subscribers for whom some pending messages come too late: what these
// say was in what they started from.
type late struct {
	since map[*server.Conn]uint64 // the last such message for each; some may have left
	until uint64                  // the last such message for any
}

// subscriber is a roster's half of a subscription, subscription the session's.
// Each knows where the other stands, so that both lists stay dense.
type subscriber struct {
	conn *server.Conn
	at   uint32 // index in the session's subscriptions
	form form   // of what it gets
}

type subscription struct {
	roster *roster
	at     uint32 // index in the roster's subs
}

// subscriptionBytesMax is the memory of one subscription, when both lists have
// grown to their capacity.
const subscriptionBytesMax = 64

const _ = uint(subscriptionBytesMax - unsafe.Sizeof(subscriber{}) - unsafe.Sizeof(subscription{})) // does not compile when exceeded

// fanout is the progress of a roster's events. While one is being delivered,
// subs consists of three parts:
//
//	[0, cursor)    have it
//	[cursor, end)  wait for it
//	[end, len)     subscribed since; it is not for them
type fanout struct {
	roster *roster
	queue  fifo[*message] // the front one is being delivered
	cursor int
	end    int
}

// message is one event for one channel, encoded once for everybody, and once
// more for those who want to know its id.
type message struct {
	serial      uint64 // of the channel
	prepared    *server.Prepared
	size        int          // of what is prepared, without the header
	app         *app         // nil for what is not handed to a channel
	born        time.Time    // when the event came; zero for what the protocol itself sends
	left        atomic.Int32 // rosters that do not all have it yet
	excludeLoop int          // -1 when nobody is excluded
	exclude     uint64       // the number of a connection of that loop

	kept   *kept // what it is in the channel's history; nil when it is not in there
	others [forms - 1]lazy
}

// memory is what m takes while it waits, roughly: as it came, compressed or in
// another form, and with what stands around it.
func (m *message) memory() int64 { return 3*int64(m.size) + 512 }

// form is how a subscriber gets messages.
type form uint8

const (
	formStock  form = iota // as the protocol says
	formID                 // with their ids
	formStream             // as server-sent events, with their ids
	formBare               // as server-sent events without: the connection is sent ids of its own
	forms
)

// lazy is an encoding that is made when the first who wants it is there.
type lazy struct {
	once     sync.Once
	prepared *server.Prepared
}

// encoding is what a subscriber gets.
func (m *message) encoding(f form) *server.Prepared {
	if f == formStock || f == formID && m.kept == nil {
		return m.prepared
	}
	if f == formStream && m.kept == nil {
		f = formBare // which is the same then
	}
	other := &m.others[f-1]
	other.once.Do(func() {
		switch f {
		case formID:
			other.prepared = m.kept.prepare()
		case formStream:
			other.prepared = server.PrepareChunk(appendServerSent(nil, m.kept.position.append(nil), m.kept.frame))
		case formBare:
			other.prepared = server.PrepareChunk(appendServerSent(nil, nil, m.prepared.Payload()))
		}
	})
	return other.prepared
}

// add appends a subscriber and returns its index.
func (r *roster) add(c *server.Conn, at int, form form) (index uint32) {
	r.subs = append(r.subs, subscriber{conn: c, at: uint32(at), form: form})
	return uint32(len(r.subs) - 1)
}

// postpone keeps the pending messages up to since from a new subscriber.
func (r *roster) postpone(c *server.Conn, since uint64) {
	if r.late == nil {
		r.late = &late{since: make(map[*server.Conn]uint64)}
	}
	r.late.since[c] = since
	r.late.until = since // it never falls: a channel counts up
}

// delivered is called when m has been delivered to all of the roster.
func (r *roster) delivered(m *message) {
	r.pending.Add(-1)
	if r.late != nil && m.serial >= r.late.until {
		r.late = nil
	}
}

// remove takes the subscriber at index i out. The hole is filled from the end of
// its part, and so on, so that nobody changes over to another part: one who moved from
// "waits for it" to "has it" would miss an event, the other way round get it twice.
func (r *roster) remove(i int) {
	if f := r.fanout; f != nil {
		if i < f.cursor {
			f.cursor--
			r.move(f.cursor, i)
			i = f.cursor
		}
		if i < f.end {
			f.end--
			r.move(f.end, i)
			i = f.end
		}
	}
	last := len(r.subs) - 1
	r.move(last, i)
	r.subs[last] = subscriber{}
	r.subs = r.subs[:last]
	if cap(r.subs) >= shrinkAt && len(r.subs) < cap(r.subs)/4 {
		r.subs = append(make([]subscriber, 0, cap(r.subs)/2), r.subs...)
	}
}

// shrinkAt is the capacity from which a list gives memory back when most of its
// subscribers have left.
const shrinkAt = 64

// move puts the subscriber at from into the place at to, and tells its session.
func (r *roster) move(from, to int) {
	if from == to {
		return
	}
	r.subs[to] = r.subs[from]
	sessionOf(r.subs[to].conn).subs[r.subs[to].at].at = uint32(to)
}

// next takes one subscriber who waits for the front message, and is over when
// there is none. p is what it gets, nil for nothing. The subscriber counts as
// served from here on: a failed delivery ends a connection, and then it leaves the
// roster in the middle of this.
func (f *fanout) next() (sub subscriber, p *server.Prepared, over bool) {
	if f.cursor == f.end {
		return sub, nil, true
	}
	r, m := f.roster, f.queue.front()
	sub = r.subs[f.cursor]
	f.cursor++
	if r.late != nil && m.serial <= r.late.since[sub.conn] {
		return sub, nil, false
	}
	if m.excludeLoop == int(r.loop) && m.exclude == sub.conn.ID() {
		if sub.form == formID && m.kept != nil {
			return sub, m.kept.passed(r.channel.name), false
		}
		return sub, nil, false
	}
	return sub, m.encoding(sub.form), false
}

// begin starts the delivery of the front message to all who are subscribed now.
func (f *fanout) begin() {
	f.cursor, f.end = 0, len(f.roster.subs)
}
