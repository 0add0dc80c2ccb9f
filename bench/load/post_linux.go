package load

import (
	"fmt"
	"strconv"
	"time"
)

// postOrder makes calls on some connections, each when the one before is answered.
type postOrder struct {
	idle
	Post
	s       *Session
	phase   phase
	next    int               // events published
	got     []map[uint32]bool // who has which event; nil once all have it
	heard   int               // events that all subscribers have
	readers int
	callers []*caller
	result  *Posted
}

// Post calls the HTTP API as fast as it answers. Every event must reach every
// open connection once, in whatever order.
func (s *Session) Post(r Post, progress func(Progress)) (*Posted, error) {
	if s.opened < 1 || r.Callers < 1 {
		return nil, fmt.Errorf("load: %d callers and %d subscribers", r.Callers, s.opened)
	}
	o := &postOrder{Post: r, s: s, readers: s.opened, result: &Posted{Latency: NewHistogram()}}
	s.adopt(o, 0, true)
	s.textual = true
	defer func() { s.order, s.textual = idle{}, false }()
	for range r.Callers {
		cl, err := s.openCaller(o.answered)
		if err != nil {
			return nil, err
		}
		o.callers = append(o.callers, cl)
	}
	if err := o.loop(ticker(progress)); err != nil {
		return nil, err
	}
	s.failures.Add(Lost, uint64(o.next-o.heard), "%d of %d events did not reach every subscriber", o.next-o.heard, o.next)
	for _, cl := range o.callers {
		if cl.conn.state == open {
			s.drop(cl.conn)
		}
	}
	o.result.Failures = s.failures
	return o.result, nil
}

func (o *postOrder) loop(tell func(Progress)) error {
	s, start := o.s, o.s.clock()
	for _, cl := range o.callers {
		o.send(cl)
	}
	var cpu, own, from time.Duration
	for end := start + o.Warmup; ; {
		now := s.clock()
		switch {
		case o.phase == warming && now >= end:
			o.phase, from, end = measuring, now, now+o.Window
			cpu, own = s.serverCPU(), ownCPU()
		case o.phase == measuring && now >= end:
			o.phase, end = draining, now+o.Drain
			o.result.Window = now - from
			o.result.ServerCPU, o.result.ClientCPU = s.serverCPU()-cpu, ownCPU()-own
		case o.phase == draining && (o.heard == o.next && o.quiet() || now >= end):
			return nil
		}
		if err := s.poll(min(100*time.Millisecond, max(time.Millisecond, end-now))); err != nil {
			return err
		}
		tell(Progress{Done: uint64(o.heard), Elapsed: s.now - start})
	}
}

// quiet reports whether no call is under way.
func (o *postOrder) quiet() bool {
	for _, cl := range o.callers {
		if cl.since != 0 && cl.conn.state == open {
			return false
		}
	}
	return true
}

func (o *postOrder) send(cl *caller) {
	data := dataOf(o.Channel, o.next, o.Size)
	o.next++
	o.got = append(o.got, map[uint32]bool{})
	o.s.call(cl, o.App.trigger(o.s.dial.Addr, o.Channel, data, time.Now()))
}

func (o *postOrder) answered(cl *caller, took time.Duration) {
	if o.phase == measuring {
		o.result.Calls++
		o.result.Latency.Record(took)
	}
	if o.phase != draining {
		o.send(cl)
	}
}

func (o *postOrder) text(c *conn, payload []byte) *fault {
	seq, from := -1, len(delivered(o.Channel, ""))-len(`"}`)
	if to := from + seqDigits; len(payload) >= to {
		if n, err := strconv.Atoi(string(payload[from:to])); err == nil {
			seq = n
		}
	}
	switch {
	case seq < 0 || seq >= o.next || string(payload) != delivered(o.Channel, dataOf(o.Channel, seq, o.Size)):
		return &fault{Corrupt, fmt.Sprintf("subscriber %d got %.200q", c.id, payload)}
	case o.got[seq] == nil || o.got[seq][c.id]:
		return &fault{Duplicate, fmt.Sprintf("subscriber %d got event %d again", c.id, seq)}
	}
	if o.got[seq][c.id] = true; len(o.got[seq]) == o.readers {
		o.got[seq] = nil
		o.heard++
	}
	return nil
}
