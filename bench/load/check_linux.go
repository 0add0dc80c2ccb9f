package load

import (
	"encoding/binary"
	"fmt"
	"time"
)

// checkWave is how many connections are asked at one time, so that the
// check's latencies are not those of a burst.
const checkWave = 256

// checkOrder asks every connection one thing.
type checkOrder struct {
	idle
	s      *Session
	probe  Probe
	asked  map[uint32]time.Duration // when, by connection id: those that have not answered
	result *Checked
}

// Check finds out how many connections really work. What goes wrong within
// the deadline, and who has not answered by then, is in the result.
func (s *Session) Check(r Check) (*Checked, error) {
	o := &checkOrder{s: s, probe: r.Probe, asked: map[uint32]time.Duration{}, result: &Checked{Open: s.opened, Latency: NewHistogram()}}
	s.adopt(o, max(r.Size, SizeMin), false)
	defer func() { s.order = idle{} }()
	start := s.clock()
	for next := 0; ; {
		for ; next < len(s.conns) && len(o.asked) < checkWave; next++ {
			if c := s.conns[next]; c != nil && c.state == open && !c.stalled {
				o.ask(c)
			}
		}
		if next == len(s.conns) && len(o.asked) == 0 {
			break
		}
		if err := s.poll(100 * time.Millisecond); err != nil {
			return nil, err
		}
		if s.now-start > r.Deadline {
			break
		}
	}
	if n := len(o.asked); n > 0 {
		s.failures.Add(Lost, uint64(n), "%d connections did not answer a %s within %v", n, o.probe, r.Deadline)
		for id := range o.asked {
			s.drop(s.conns[id])
		}
	}
	s.reset()
	o.result.Failures = s.failures
	return o.result, nil
}

func (o *checkOrder) ask(c *conn) {
	s := o.s
	now := s.clock()
	o.asked[c.id] = now
	switch o.probe {
	case Ping:
		s.write(c, appendControl(nil, opPing, binary.BigEndian.AppendUint32(nil, c.id), s.pattern.key))
	case Goodbye:
		c.state = closing
		s.write(c, appendControl(nil, opClose, []byte{1000 >> 8, 1000 & 0xff}, s.pattern.key))
	default:
		s.scratch = s.pattern.appendMessage(s.scratch[:0], s.op, s.size, lead{c.id, s.runs, c.next})
		c.send(now)
		s.unanswered++
		s.write(c, s.scratch)
	}
}

func (o *checkOrder) answered(c *conn) {
	sent, ok := o.asked[c.id]
	if !ok {
		return
	}
	delete(o.asked, c.id)
	o.result.Answered++
	o.result.Latency.Record(o.s.now - sent)
}

func (o *checkOrder) replied(c *conn, _ uint64, _ time.Duration) { o.answered(c) }

func (o *checkOrder) control(c *conn, op byte, payload []byte) *fault {
	switch {
	case op == opPong && o.probe == Ping:
		if len(payload) != 4 || binary.BigEndian.Uint32(payload) != c.id {
			return &fault{Corrupt, fmt.Sprintf("connection %d: the Pong has %x", c.id, payload)}
		}
		o.answered(c)
	case op == opClose && o.probe == Goodbye:
		o.answered(c)
	}
	return nil
}

// lost: what made the connection go was counted.
func (o *checkOrder) lost(c *conn) { delete(o.asked, c.id) }
