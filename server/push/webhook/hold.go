package webhook

import (
	"container/list"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// subject is who left: a channel, or a member of one.
type subject struct {
	app, channel, user string
	member             bool
}

func subjectOf(n *push.Notice, kind kinds) subject {
	s := subject{app: n.App, channel: n.Channel}
	if kind&(memberAdded|memberRemoved) != 0 {
		s.user, s.member = n.UserID, true
	}
	return s
}

// hold is a leaving that nobody was told of yet.
type hold struct {
	notice push.Notice
	due    time.Time // when everybody is told
	id     uint64    // in the store; 0 for the many that never are
}

// holds are the leavings held back, by subject and in the order they are due.
type holds struct {
	order     list.List // of *hold
	bySubject map[subject]*list.Element
	bytes     int
}

func (h *holds) len() int { return h.order.Len() }

// add takes a leaving in. Its subject must not be there.
func (h *holds) add(s subject, held *hold) {
	// Nearly always the last. But clocks are set, and what the store kept is older.
	after := h.order.Back()
	for after != nil && after.Value.(*hold).due.After(held.due) {
		after = after.Prev()
	}
	if after == nil {
		h.bySubject[s] = h.order.PushFront(held)
	} else {
		h.bySubject[s] = h.order.InsertAfter(held, after)
	}
	h.bytes += noticeSize(&held.notice)
}

// first returns the leaving that is due first, or nil.
func (h *holds) first() *hold {
	if e := h.order.Front(); e != nil {
		return e.Value.(*hold)
	}
	return nil
}

// of returns the leaving of s, or nil.
func (h *holds) of(s subject) *hold {
	if e := h.bySubject[s]; e != nil {
		return e.Value.(*hold)
	}
	return nil
}

// remove forgets a leaving.
func (h *holds) remove(held *hold) {
	s := subjectOf(&held.notice, kindOf(held.notice.Name))
	h.order.Remove(h.bySubject[s])
	delete(h.bySubject, s)
	h.bytes -= noticeSize(&held.notice)
}

// takeIn looks at what the inbox holds: it becomes a hold, or events, or nothing.
func (s *Sender) takeIn(now time.Time) {
	for _, n := range s.inbox.take() {
		kind := kindOf(n.Name)
		if s.config.HoldBack < 0 {
			s.emit(&n, now)
			continue
		}
		switch kind {
		case channelVacated, memberRemoved:
			s.leave(&n, kind, now)
		case channelOccupied, memberAdded:
			s.come(&n, kind, now)
		default:
			s.emit(&n, now)
		}
	}
}

// leave holds a leaving back.
func (s *Sender) leave(n *push.Notice, kind kinds, now time.Time) {
	who := subjectOf(n, kind)
	if held := s.holds.of(who); held != nil {
		if n.At.Before(held.due) {
			return // gone already: there is nothing new to tell
		}
		s.tell(held, now)
	}
	// A clock that was set must not hold anything back for hours.
	due := n.At.Add(s.config.HoldBack)
	if latest := now.Add(s.config.HoldBack); due.After(latest) {
		due = latest
	}
	s.holds.add(who, &hold{notice: *n, due: due})
	for s.holds.bytes > s.config.Limits.HeldBytes {
		s.stats.HeldTooMany++
		s.tell(s.holds.first(), now)
	}
}

// come tells of a coming, unless it only undoes a leaving that nobody knows of.
func (s *Sender) come(n *push.Notice, kind kinds, now time.Time) {
	if held := s.holds.of(subjectOf(n, kind)); held != nil {
		if n.At.Before(held.due) {
			s.holds.remove(held)
			s.forget(held.id)
			s.stats.Suppressed += 2
			return
		}
		s.tell(held, now)
	}
	s.emit(n, now)
}

// release tells of everyone who did not come back in time.
func (s *Sender) release(now time.Time) {
	for held := s.holds.first(); held != nil && !held.due.After(now); held = s.holds.first() {
		s.tell(held, now)
	}
}

// tell ends a hold with an event.
func (s *Sender) tell(held *hold, now time.Time) {
	s.holds.remove(held)
	s.forget(held.id)
	s.emit(&held.notice, now)
}
