package load

import (
	"fmt"
	"time"
)

// publishOrder has each message published by a call of the HTTP API.
type publishOrder struct {
	fanoutOrder
	caller *caller
	texts  []string // what subscribers get, by message
}

// Publish publishes over the HTTP API; all open connections are subscribers.
func (s *Session) Publish(r Publish, progress func(Progress)) (*Fanned, error) {
	if s.opened < 1 || r.Messages < 1 {
		return nil, fmt.Errorf("load: %d events for %d subscribers", r.Messages, s.opened)
	}
	o := &publishOrder{fanoutOrder: newFanoutOrder(s, r.Fanout, s.opened)}
	s.adopt(o, 0, true)
	s.textual = true
	defer func() { s.order, s.textual = idle{}, false }()
	answered := 0
	var err error
	if o.caller, err = s.openCaller(func(*caller, time.Duration) { answered++ }); err != nil {
		return nil, err
	}
	o.publisher = o.caller.conn
	// A call is made when the one before is answered, so lateness is the server's.
	err = o.drive(func(due time.Duration) bool {
		if o.caller.since != 0 {
			return false
		}
		data := dataOf(r.Channel, len(o.due), r.Size)
		o.due, o.texts = append(o.due, due), append(o.texts, delivered(r.Channel, data))
		s.call(o.caller, r.App.trigger(s.dial.Addr, r.Channel, data, time.Now()))
		return true
	}, progress)
	if err != nil {
		return nil, err
	}
	// The last event may have arrived everywhere before its call is answered.
	for end := s.clock() + r.Drain; o.caller.since != 0 && o.caller.conn.state == open && s.clock() < end; {
		if err := s.poll(100 * time.Millisecond); err != nil {
			return nil, err
		}
	}
	s.failures.Add(Lost, uint64(len(o.due)-answered), "%d calls were not answered", len(o.due)-answered)
	if o.caller.conn.state == open {
		s.drop(o.caller.conn)
	}
	o.result.Failures = s.failures
	return o.result, nil
}

func (o *publishOrder) text(c *conn, payload []byte) *fault {
	if c.base < uint64(len(o.texts)) && string(payload) == o.texts[c.base] {
		o.replied(c, c.base, 0)
		return nil
	}
	for seq, text := range o.texts {
		switch {
		case string(payload) != text:
		case uint64(seq) < c.base:
			return &fault{Duplicate, fmt.Sprintf("subscriber %d got event %d again or late", c.id, seq)}
		default:
			return &fault{Lost, fmt.Sprintf("subscriber %d got event %d, event %d is missing", c.id, seq, c.base)}
		}
	}
	return &fault{Corrupt, fmt.Sprintf("subscriber %d got %.200q", c.id, payload)}
}
