package load

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roost-ws/roost/bench/proc"
)

// phase is where in time a Run is.
type phase uint8

const (
	warming   phase = iota // messages flow and are not counted
	measuring              // the window
	draining               // nothing new is sent
)

// runOrder keeps messages in flight.
type runOrder struct {
	idle
	Run
	s      *Session
	phase  phase
	result *Result
	target int // closed loop: unanswered messages a connection must not exceed

	// The schedule of an open loop: turn k belongs to connection
	// turns[k%len(turns)] and is due at start + k*every.
	turns []*conn
	start time.Duration
	every time.Duration
	k     int

	from, to time.Duration // the window, once it has begun and ended
}

func (r Run) check() error {
	switch {
	case r.Size < SizeMin || r.Size > sizeMax:
		return fmt.Errorf("load: messages of %d bytes; %d to %d can be checked", r.Size, SizeMin, sizeMax)
	case r.Batch < 1:
		return fmt.Errorf("load: %d frames in one write", r.Batch)
	case r.Mode == ClosedLoop && (r.InFlight < 1 || r.InFlight%r.Batch != 0):
		return fmt.Errorf("load: %d messages in flight are no multiple of the %d in one write", r.InFlight, r.Batch)
	case r.Mode == OpenLoop && r.Rate <= 0:
		return fmt.Errorf("load: an open loop needs a rate")
	case r.Mode != ClosedLoop && r.Mode != OpenLoop:
		return fmt.Errorf("load: unknown mode %q", r.Mode)
	case r.Window <= 0:
		return fmt.Errorf("load: a run needs a window of time")
	}
	return nil
}

// Run keeps every open connection busy as asked. Its error is the client's
// own; what the server did wrong is in the result.
func (s *Session) Run(r Run, progress func(Progress)) (*Result, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if s.opened == 0 {
		return nil, fmt.Errorf("load: no connection is open")
	}
	if r.Drain <= 0 {
		r.Drain = 5 * time.Second
	}
	o := &runOrder{Run: r, s: s, result: &Result{Latency: NewHistogram()}}
	s.adopt(o, r.Size, r.Text)
	defer func() { s.order = idle{} }()
	o.start = s.clock()
	if r.Mode == OpenLoop {
		o.schedule()
	} else {
		o.target = r.InFlight
		for _, c := range s.conns {
			if c != nil && c.state == open {
				o.refill(c)
			}
		}
	}
	if err := o.loop(ticker(progress)); err != nil {
		return nil, err
	}
	s.countLost()
	o.result.Failures = s.failures
	return o.result, nil
}

// adopt makes o the order of the session and its messages new ones: what is
// left of an older run is told from them by the number of the run.
func (s *Session) adopt(o order, size int, text bool) {
	s.order, s.failures = o, Failures{}
	s.runs = (s.runs + 1) & (1<<14 - 1)
	s.size, s.op = size, opBinary
	if text {
		s.op = opText
	}
}

func (o *runOrder) loop(tell func(Progress)) error {
	s := o.s
	var cpu, own time.Duration
	end := o.start + o.Warmup
	for {
		now := s.clock()
		switch {
		case o.phase == warming && now >= end:
			o.phase, o.from, end = measuring, now, now+o.Window
			cpu, own = s.serverCPU(), ownCPU()
		case o.phase == measuring && now >= end:
			o.phase, o.to, end = draining, now, now+o.Drain
			o.result.Window = o.to - o.from
			o.result.ServerCPU, o.result.ClientCPU = s.serverCPU()-cpu, ownCPU()-own
			if o.Mode == OpenLoop {
				o.sendDue(now) // what was due in the window belongs to it
			}
			continue // there may be nothing left to wait for
		case o.phase == draining && (s.unanswered == 0 || now >= end):
			return nil
		case s.opened == 0:
			if o.phase == measuring {
				o.result.Window = now - o.from
			}
			return nil
		}
		timeout := end - now
		if o.Mode == OpenLoop && o.phase != draining {
			o.sendDue(s.clock())
			timeout = min(timeout, 10*time.Millisecond) // the timer normally comes first
		}
		if err := s.poll(timeout); err != nil {
			return err
		}
		if o.phase == measuring {
			tell(Progress{Done: o.result.Messages, Elapsed: s.now - o.from})
		}
	}
}

func ownCPU() time.Duration {
	d, _ := proc.CPU(os.Getpid()) // one's own clock can always be read
	return d
}

func (o *runOrder) replied(c *conn, _ uint64, sent time.Duration) {
	if o.phase == measuring {
		o.result.Messages++
	}
	// An open loop answers for every message that was due in the window, also
	// for those whose reply came after it.
	if o.phase == measuring && (o.Mode == ClosedLoop || sent >= o.from) ||
		o.phase == draining && o.Mode == OpenLoop && sent >= o.from && sent < o.to {
		o.result.Latency.Record(o.s.now - sent)
	}
}

func (o *runOrder) turn(c *conn) {
	switch {
	case c.state != open:
	case len(c.waiting) > 0 && len(c.out) == 0:
		due := c.waiting
		c.waiting = nil
		o.emit(c, due)
	case o.Mode == ClosedLoop && o.phase != draining:
		o.refill(c)
	}
}

// refill sends batches until the connection has its messages in flight.
func (o *runOrder) refill(c *conn) {
	for c.state == open && len(c.out) == 0 && c.unanswered+o.Batch <= o.target {
		s := o.s
		s.scratch = s.scratch[:0]
		for range o.Batch {
			s.scratch = s.pattern.appendMessage(s.scratch, s.op, o.Size, lead{c.id, s.runs, c.next})
			c.send(0)
		}
		now := s.clock()
		for seq := c.next - uint64(o.Batch); seq < c.next; seq++ {
			c.sent[seq&uint64(len(c.sent)-1)] = now
		}
		o.count(c, o.Batch)
		s.write(c, s.scratch)
	}
}

func (o *runOrder) count(c *conn, n int) {
	o.s.unanswered += n
	if o.phase != warming {
		o.result.Sent += uint64(n)
	}
}

// schedule lays the turns out in an order that spreads them over connections.
func (o *runOrder) schedule() {
	for _, c := range o.s.conns {
		if c != nil && c.state == open {
			o.turns = append(o.turns, c)
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(o.turns), func(i, j int) { o.turns[i], o.turns[j] = o.turns[j], o.turns[i] })
	o.every = time.Duration(float64(o.Batch) / o.Rate * float64(time.Second))
	o.result.Lag = NewHistogram()
}

func (o *runOrder) dueTime(k int) time.Duration {
	// From the rate each time: adding a rounded interval up would drift.
	return o.start + time.Duration(float64(k)*float64(o.Batch)/o.Rate*float64(time.Second))
}

// sendDue sends what is due and sets the timer for what comes next.
func (o *runOrder) sendDue(now time.Duration) {
	s := o.s
	due := o.dueTime(o.k)
	for ; due <= now; due = o.dueTime(o.k) {
		c := o.turns[o.k%len(o.turns)]
		o.k++
		if c.state != open {
			continue
		}
		times := make([]time.Duration, o.Batch)
		for i := range times {
			times[i] = due
		}
		if len(c.out) > 0 {
			c.waiting = append(c.waiting, times...)
			continue
		}
		o.emit(c, times)
	}
	wait := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(due-now, 1)))}
	_ = unix.TimerfdSettime(s.timer, 0, &wait, nil) // its arguments are always right
}

// emit writes messages that were due at the given times.
func (o *runOrder) emit(c *conn, due []time.Duration) {
	s := o.s
	s.scratch = s.scratch[:0]
	now := s.clock()
	for _, t := range due {
		s.scratch = s.pattern.appendMessage(s.scratch, s.op, o.Size, lead{c.id, s.runs, c.next})
		c.send(t)
		if t >= o.from && o.phase != warming {
			o.result.Lag.Record(now - t)
		}
	}
	o.count(c, len(due))
	s.write(c, s.scratch)
}

// countLost gives up on what is still unanswered. The connections it was
// asked on are closed: their replies could still come, into another run.
func (s *Session) countLost() {
	for _, c := range s.conns {
		if c == nil || c.state != open {
			continue
		}
		if n := c.unanswered + len(c.waiting); n > 0 {
			s.failures.Add(Lost, uint64(n), "connection %d: message %d was not answered in time", c.id, c.base)
			s.drop(c)
		}
	}
	s.reset()
}

// reset numbers the messages of every connection from 0 again.
func (s *Session) reset() {
	for _, c := range s.conns {
		if c != nil {
			c.base, c.next, c.early = 0, 0, 0
		}
	}
}
