package push

import (
	"unsafe"

	"github.com/roost-ws/roost/server"
)

// roster is the subscribers of one channel on one loop. Only that loop's
// goroutine touches its subscribers.
type roster struct {
	channel *channel
	loop    int
	subs    []subscriber
	fanout  *fanout // events on their way to subs; nil when there are none
}

// subscriber is a roster's half of a subscription, subscription the session's.
// Each knows where the other stands, so that both lists stay dense.
type subscriber struct {
	conn *server.Conn
	at   uint32 // index in the session's subscriptions
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

// message is one event for one channel, encoded once for everybody.
type message struct {
	prepared    *server.Prepared
	excludeLoop int    // -1 when nobody is excluded
	exclude     uint64 // the number of a connection of that loop
}

// add appends a subscriber and returns its index.
func (r *roster) add(c *server.Conn, at int) (index uint32) {
	r.subs = append(r.subs, subscriber{conn: c, at: uint32(at)})
	return uint32(len(r.subs) - 1)
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
// there is none. c is nil for the one who is excluded. The subscriber counts as
// served from here on: a failed delivery ends a connection, and then it leaves the
// roster in the middle of this.
func (f *fanout) next() (c *server.Conn, over bool) {
	if f.cursor == f.end {
		return nil, true
	}
	c = f.roster.subs[f.cursor].conn
	f.cursor++
	if m := f.queue.front(); m.excludeLoop == f.roster.loop && m.exclude == c.ID() {
		return nil, false
	}
	return c, false
}

// begin starts the delivery of the front message to all who are subscribed now.
func (f *fanout) begin() {
	f.cursor, f.end = 0, len(f.roster.subs)
}
