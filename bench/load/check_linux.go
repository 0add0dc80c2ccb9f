package load

import "time"

// checkWave is how many connections are asked at one time, so that the
// check's latencies are not those of a burst.
const checkWave = 256

// checkOrder sends one message on every connection.
type checkOrder struct {
	s      *Session
	result *Checked
}

// Check finds out how many connections really work, within the deadline.
func (s *Session) Check(size int, deadline time.Duration) (*Checked, error) {
	o := &checkOrder{s: s, result: &Checked{Open: s.opened, Latency: NewHistogram()}}
	s.adopt(o, max(size, SizeMin), false)
	defer func() { s.order = idle{} }()
	start := s.clock()
	for next := 0; ; {
		for ; next < len(s.conns) && s.unanswered < checkWave; next++ {
			if c := s.conns[next]; c != nil && c.state == open && !c.stalled {
				o.ask(c)
			}
		}
		if next == len(s.conns) && s.unanswered == 0 {
			break
		}
		if err := s.poll(100 * time.Millisecond); err != nil {
			return nil, err
		}
		if s.now-start > deadline {
			break
		}
	}
	s.countLost()
	o.result.Failures = s.failures
	return o.result, nil
}

func (o *checkOrder) ask(c *conn) {
	s := o.s
	s.scratch = s.pattern.appendMessage(s.scratch[:0], s.op, s.size, lead{c.id, s.runs, c.next})
	c.send(s.clock())
	s.unanswered++
	s.write(c, s.scratch)
}

func (o *checkOrder) replied(_ *conn, _ uint64, sent time.Duration) {
	o.result.Answered++
	o.result.Latency.Record(o.s.now - sent)
}
func (o *checkOrder) opened(*conn) {}
func (o *checkOrder) turn(*conn)   {}
func (o *checkOrder) lost(*conn)   {}
