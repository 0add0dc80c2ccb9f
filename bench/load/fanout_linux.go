package load

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// fanoutOrder publishes on one connection what all subscribers must get, in
// order and exactly once.
type fanoutOrder struct {
	idle
	Fanout
	s          *Session
	publisher  *conn
	result     *Fanned
	due        []time.Duration // when each message was to be published
	first, got []int64         // first delivery (since due) and number of deliveries, by message
	last       []time.Duration
	readers    int // subscribers that read
	delivered  int
}

// Fanout publishes over the last connection opened, which must be one on the
// server's publishing path; all others are subscribers.
func (s *Session) Fanout(r Fanout, progress func(Progress)) (*Fanned, error) {
	if s.opened < 2 || r.Messages < 1 || r.Size < SizeMin || r.Size > sizeMax {
		return nil, fmt.Errorf("load: fan-out of %d messages of %d bytes over %d connections", r.Messages, r.Size, s.opened)
	}
	order := newFanoutOrder(s, r, 0)
	o := &order
	o.publisher = s.conns[len(s.conns)-1]
	for _, c := range s.conns {
		if c != nil && c != o.publisher && !c.stalled {
			o.readers++
		}
	}
	s.adopt(o, r.Size, false)
	s.expect = o.expect
	defer func() { s.order, s.expect = idle{}, nil }()
	err := o.drive(func(due time.Duration) bool { o.publish(due); return true }, progress)
	if err != nil {
		return nil, err
	}
	o.result.Failures = s.failures
	return o.result, nil
}

func newFanoutOrder(s *Session, r Fanout, readers int) fanoutOrder {
	return fanoutOrder{
		Fanout: r, s: s, readers: readers,
		result: &Fanned{Latency: NewHistogram(), First: NewHistogram(), Last: NewHistogram()},
		first:  make([]int64, r.Messages), got: make([]int64, r.Messages), last: make([]time.Duration, r.Messages),
	}
}

// drive has every message published when it is due, or as soon after that as
// publish says it could be, and waits until all deliveries have come.
func (o *fanoutOrder) drive(publish func(due time.Duration) bool, progress func(Progress)) error {
	s, r, start := o.s, o.Fanout, o.s.clock()
	cpu := s.serverCPU()
	tell := ticker(progress)
	var end time.Duration
	for {
		now, held := s.clock(), false
		for len(o.due) < r.Messages && now >= start+time.Duration(len(o.due))*r.Every && !held {
			held = !publish(start + time.Duration(len(o.due))*r.Every)
			end = now + r.Drain
		}
		if len(o.due) == r.Messages && (o.delivered == r.Messages*o.readers || now >= end) || o.publisher.state != open {
			break
		}
		// The timer counts nanoseconds, poll's timeout milliseconds.
		wait := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(start+time.Duration(len(o.due))*r.Every-now, 1)))}
		if len(o.due) < r.Messages && !held {
			_ = unix.TimerfdSettime(s.timer, 0, &wait, nil) // its arguments are always right
		}
		if err := s.poll(100 * time.Millisecond); err != nil {
			return err
		}
		tell(Progress{Done: uint64(o.delivered), Elapsed: s.now - start})
	}
	o.result.Elapsed, o.result.ServerCPU = s.clock()-start, s.serverCPU()-cpu
	o.result.Deliveries = uint64(o.delivered)
	o.finish()
	s.reset()
	return nil
}

func (o *fanoutOrder) publish(due time.Duration) {
	s, seq := o.s, uint64(len(o.due))
	o.due = append(o.due, due)
	s.write(o.publisher, s.pattern.appendMessage(nil, s.op, o.Size, lead{o.publisher.id, s.runs, seq}))
}

// expect checks a message at a subscriber; base counts those it has.
func (o *fanoutOrder) expect(c *conn, l lead) *fault {
	switch {
	case l.conn != o.publisher.id || l.run != o.s.runs || l.seq >= uint64(len(o.due)):
		return &fault{Stranger, fmt.Sprintf("subscriber %d got message %d of connection %d, run %d", c.id, l.seq, l.conn, l.run)}
	case l.seq < c.base:
		return &fault{Duplicate, fmt.Sprintf("subscriber %d got message %d again or late", c.id, l.seq)}
	case l.seq > c.base:
		return &fault{Lost, fmt.Sprintf("subscriber %d got message %d, message %d is missing", c.id, l.seq, c.base)}
	}
	return nil
}

func (o *fanoutOrder) replied(c *conn, seq uint64, _ time.Duration) {
	took := o.s.now - o.due[seq]
	c.base++
	o.delivered++
	o.result.Latency.Record(took)
	if o.got[seq]++; o.got[seq] == 1 {
		o.first[seq] = int64(took)
	}
	o.last[seq] = took
}

// finish sums up, message by message.
func (o *fanoutOrder) finish() {
	missing := uint64(0)
	for seq := range o.due {
		if o.got[seq] == 0 {
			missing += uint64(o.readers)
			continue
		}
		missing += uint64(o.readers) - uint64(o.got[seq])
		o.result.First.Record(time.Duration(o.first[seq]))
		o.result.Last.Record(o.last[seq])
	}
	o.s.failures.Add(Lost, missing, "%d of %d deliveries did not come", missing, len(o.due)*o.readers)
}
