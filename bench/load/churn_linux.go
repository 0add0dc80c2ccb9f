package load

import (
	"fmt"
	"time"
)

// churnOrder opens connections, sends one message over each, closes it with
// the closing handshake and opens the next, so many at one time.
type churnOrder struct {
	idle
	s         *Session
	result    *Churned
	phase     phase
	live      int
	wanted    int
	from, end time.Duration
}

// Churn lets connections come and go. None must be open before; none is after.
func (s *Session) Churn(r Churn, progress func(Progress)) (*Churned, error) {
	if s.opened > 0 {
		return nil, fmt.Errorf("load: churn with %d connections open", s.opened)
	}
	o := &churnOrder{s: s, wanted: r.Concurrency, result: &Churned{Handshake: NewHistogram(), Life: NewHistogram()}}
	s.request = s.handshake(s.dial.Path)
	s.adopt(o, max(r.Size, SizeMin), false)
	defer func() { s.order = idle{} }()
	var cpu time.Duration
	tell := ticker(progress)
	for o.end = s.clock() + r.Warmup; ; {
		now := s.clock()
		switch {
		case o.phase == warming && now >= o.end:
			o.phase, o.from, o.end = measuring, now, now+r.Window
			cpu = s.serverCPU()
		case o.phase == measuring && now >= o.end:
			o.phase, o.end = draining, now+r.Drain
			o.result.Window = now - o.from
			o.result.ServerCPU = s.serverCPU() - cpu
		}
		if o.phase == draining && (o.live == 0 || now >= o.end) {
			break
		}
		for o.phase != draining && o.live < o.wanted {
			before := s.busy
			if err := s.dialOne(); err != nil {
				return nil, err
			}
			o.live += s.busy - before
			if s.failures.Total() > 0 {
				o.phase, o.end = draining, now+r.Drain // the server is in trouble: no more
			}
		}
		if err := s.poll(min(100*time.Millisecond, max(o.end-now, 0))); err != nil {
			return nil, err
		}
		tell(Progress{Done: o.result.Lives, Elapsed: s.now - o.from})
	}
	s.failures.Add(Lost, uint64(o.live), "%d connections did not finish their lives within %v", o.live, r.Drain)
	for _, c := range s.conns {
		if c != nil {
			s.drop(c)
		}
	}
	o.result.Failures = s.failures
	return o.result, nil
}

func (o *churnOrder) opened(c *conn) {
	s := o.s
	if o.phase == measuring {
		o.result.Handshake.Record(s.now - c.began)
	}
	s.scratch = s.pattern.appendMessage(s.scratch[:0], s.op, s.size, lead{c.id, s.runs, c.next})
	c.send(s.clock())
	s.unanswered++
	s.write(c, s.scratch)
}

func (o *churnOrder) replied(c *conn, _ uint64, _ time.Duration) {
	c.state = closing
	o.s.write(c, appendControl(nil, opClose, []byte{1000 >> 8, 1000 & 0xff}, o.s.pattern.key))
}

func (o *churnOrder) control(c *conn, op byte, _ []byte) *fault {
	if op == opClose && o.phase == measuring {
		o.result.Lives++
		o.result.Life.Record(o.s.now - c.began)
	}
	return nil
}

func (o *churnOrder) lost(*conn) { o.live-- }
