package webhook

import (
	"slices"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// emit makes an event of n for every endpoint that wants it.
func (s *Sender) emit(n *push.Notice, now time.Time) {
	app := s.apps[n.App]
	if app == nil {
		return // removed since
	}
	var event []byte
	for _, ep := range app.endpoints {
		if !ep.wants(n) {
			continue
		}
		if event == nil {
			// Clipped: endpoints share it, and batches append to what they have.
			event = slices.Clip(appendEvent(nil, n))
		}
		if !s.extend(ep, event, now) && !s.queue(ep, event, now) {
			s.stats.Overflowed++
		}
	}
}

// extend adds event to the batch of ep that is open, if there is one with room.
func (s *Sender) extend(ep *endpoint, event []byte, now time.Time) bool {
	d, l := ep.open, &s.config.Limits
	if d == nil {
		return false
	}
	grown := 1 + len(event)
	if d.count >= l.BatchEvents || len(d.events)+grown > l.BatchBytes {
		ep.shut(now)
		return false
	}
	if !s.makeRoom(ep, 0, grown) {
		return false
	}
	d.events = append(append(d.events, ','), event...)
	d.count++
	ep.bytes += grown
	s.pendingBytes += grown
	s.keep(d.id, d)
	if d.count == l.BatchEvents {
		ep.shut(now)
	}
	return true
}

// queue makes a delivery of event.
func (s *Sender) queue(ep *endpoint, event []byte, now time.Time) bool {
	d := &delivery{
		app: ep.address.app, url: ep.url, created: now, queued: now, due: now, events: event, count: 1, index: -1,
	}
	if !s.makeRoom(ep, 1, d.size()) {
		return false
	}
	d.id = s.newID()
	s.enqueue(ep, d)
	if ep.config.Batch && s.config.Limits.BatchEvents > 1 {
		d.due = now.Add(s.config.BatchWindow)
		ep.fresh.fix(d)
		ep.open = d
	}
	return true
}

func (s *Sender) newID() uint64 {
	s.lastID++
	return s.lastID
}

// enqueue lets a delivery for which there is room wait for its time.
func (s *Sender) enqueue(ep *endpoint, d *delivery) {
	ep.bytes += d.size()
	s.pendingBytes += d.size()
	ep.put(d)
	s.keep(d.id, d)
}

// leaveQueue takes a delivery that is in no queue any more off the books.
func (s *Sender) leaveQueue(ep *endpoint, d *delivery) {
	ep.bytes -= d.size()
	s.pendingBytes -= d.size()
}

// makeRoom reports whether so many deliveries and bytes more may wait for ep.
// When all endpoints together hold too much, the one that holds most loses
// what it would try last: a dead endpoint costs the others nothing.
func (s *Sender) makeRoom(ep *endpoint, deliveries, size int) bool {
	l := &s.config.Limits
	if ep.waiting()+deliveries > l.EndpointDeliveries {
		return false
	}
	for s.pendingBytes+size > l.PendingBytes {
		most := slices.MaxFunc(s.list, func(a, b *endpoint) int { return a.bytes - b.bytes })
		if most.bytes <= ep.bytes+size {
			return false
		}
		var last *delivery
		switch {
		case len(most.retry) > 0:
			last = most.retry[len(most.retry)-1]
		case len(most.fresh) > 0:
			last = most.fresh[len(most.fresh)-1]
		default:
			return false // all of it is in flight
		}
		most.pull(last)
		s.leaveQueue(most, last)
		s.forget(last.id)
		s.stats.Overflowed += uint64(last.count)
	}
	return true
}
