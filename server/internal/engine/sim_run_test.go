package engine

import (
	"net/netip"
	"time"

	"github.com/roost-ws/roost/server/internal/sim"
)

// simRun is one engine in a simulated world, with its clients and with
// goroutines of the application that are not the engine's.
type simRun struct {
	w        *sim.World
	k        *sim.Kernel
	e        *Engine
	cfg      Config
	pool     *sim.Pool
	listener *sim.Listener
	side     *sim.Listener // not the engine's, which adopts what it brings; or nil
	stopped  bool          // clients may be cut off from now on

	openingTime, idleTime, lingerTime time.Duration
	tardy                             time.Duration // how late a deadline may be met

	units, filling int           // of a client, at most
	pauseAt        int           // the session waits for a client that has so much to read; 0: never
	gaps           bool          // units may be dropped by policy
	pace           time.Duration // of clients and senders
	longest        time.Duration // that application code blocks
	often          int           // it blocks once in so many calls
	decline        float64       // probability that New wants no connection
	held           bool          // application code does not return

	sessions  []*simSession // those that were opened, in order
	doomed    map[uint32]bool
	inLoop    map[int]string
	calling   int
	calls     int
	starts    int
	refusals  int
	declined  int
	farewells int
	byes      int
	taken     int
	posted    int
	ran       int
	clients   int // that are still there
	senders   int
	drained   int
	pushes    int
	paused    int
}

// newSimRun draws an engine and its surroundings.
func newSimRun(cfg sim.Config) *simRun {
	w := sim.NewWorld(cfg)
	if weave != nil {
		weave(w)
	}
	r := &simRun{
		w: w, k: sim.NewKernel(w, sim.SwarmFaults(w.Rand)),
		openingTime: 10 * time.Minute, idleTime: time.Hour, lingerTime: 10 * time.Minute,
		units: 1 + w.Rand.IntN(40), filling: 1 + w.Rand.IntN(100),
		doomed: make(map[uint32]bool), inLoop: make(map[int]string),
	}
	one := func(n int) bool { return w.Rand.IntN(n) == 0 }
	r.cfg = Config{
		Kernel: r.k, New: r.newSession, Unit: simUnit, Submit: nil,
		Loops: 1 + w.Rand.IntN(3), Inline: one(3), Conns: 100,
		Outbound: 1 << 20, Stall: time.Hour,
	}
	r.cfg.Workers = 1 + w.Rand.IntN(5)
	if f := &r.k.Faults; f.CapMin == 0 && f.ReadMax == 0 && f.WriteMax == 0 && one(2) {
		r.units, r.filling = 5, unitMax-unitHead // it would take millions of steps in small portions
	}
	r.pace = []time.Duration{0, 10 * time.Microsecond, time.Millisecond, 70 * time.Millisecond, 500 * time.Millisecond}[w.Rand.IntN(5)]
	if one(3) {
		r.pauseAt = 1 + w.Rand.IntN(200)
	}
	if one(4) {
		r.cfg.Outbound = 100 + w.Rand.IntN(1000)
		r.cfg.Overflow = Overflow(w.Rand.IntN(3))
		r.gaps = r.cfg.Overflow != CloseSlow
	}
	if one(8) {
		r.decline = 0.3
	}
	if one(3) {
		r.side = r.k.Listen(1000)
	}
	if one(4) {
		r.k.Limit(3 + 2 + 2*r.cfg.Loops + 1 + w.Rand.IntN(3))
	}
	if one(2) {
		r.longest = []time.Duration{100 * time.Microsecond, 5 * time.Millisecond, time.Second}[w.Rand.IntN(3)]
		r.often = 1 + w.Rand.IntN(4)
		if one(2) {
			r.cfg.Workers, r.often = 1, 1 // slow, and short of workers
		}
	}
	if f := &r.k.Faults; (f.CapMin == 0 || f.Latency == 0) && one(2) {
		r.lingerTime = 20 * time.Second
	}
	r.tardy = time.Second + 2*time.Duration(r.units)*r.longest + 10*r.k.Faults.StallMax
	r.cfg.ReadBuffer = []int{1 + w.Rand.IntN(100), unitMax, 256 << 10}[w.Rand.IntN(3)]
	w.Idle = r.idle
	r.pool = w.NewPool("worker", 0)
	r.cfg.Submit = r.pool.Submit
	r.listener = r.k.Listen(1000)
	w.PartFaults(&r.k.Faults)
	return r
}

func (r *simRun) newSession(netip.AddrPort) Session {
	if r.w.Rand.Float64() < r.decline {
		r.declined++
		return nil
	}
	return &simSession{r: r}
}

// doom notes that the server gives a client up, which may miss some.
func (r *simRun) doom(s *simSession) {
	if s.client != 0 {
		r.doomed[s.client] = true
	}
}

// think is what a client or a sender does between two deeds.
func (r *simRun) think() {
	if r.pace > 0 && r.w.Rand.IntN(2) == 0 {
		r.w.Sleep(time.Duration(r.w.Rand.Int64N(int64(r.pace))))
	}
}

// block is what application code does with its time.
func (r *simRun) block() {
	if r.held {
		r.w.Until("held", func() bool { return !r.held })
	} else if r.longest > 0 && r.w.Rand.IntN(r.often) == 0 {
		r.w.Sleep(time.Duration(r.w.Rand.Int64N(int64(r.longest))))
	} else {
		r.w.Yield("application")
	}
}

// run runs everything and checks the end.
func (r *simRun) run(clients int) error {
	w := r.w
	early := w.Rand.IntN(6) == 0
	w.Go("main", func() {
		r.start()
		for i := range clients {
			if !w.Part("client %d", i+1) {
				continue
			}
			r.clients++
			w.Go("client", func() {
				r.client(uint32(i + 1))
				r.clients--
			})
		}
		for i := range w.Rand.IntN(4) {
			if !w.Part("sender %d", i) {
				continue
			}
			r.senders++
			w.Go("sender", func() {
				r.sender(uint32(1000 + i))
				r.senders--
			})
		}
		if early {
			w.Sleep(time.Duration(w.Rand.Int64N(int64(time.Second))))
		} else {
			w.Sleep(time.Duration(w.Rand.Int64N(int64(time.Minute))))
			r.calm()
			w.Within(4*time.Hour, "all clients are served", func() bool { return r.clients == 0 })
		}
		r.calm()
		r.stop()
	})
	return w.Run()
}

// start makes the engine.
func (r *simRun) start() {
	e, err := New(r.cfg)
	if err != nil {
		r.w.Fail("%v", err)
	}
	r.e = e
	r.listen()
	if r.side != nil {
		r.senders++
		r.w.Go("adopter", func() {
			r.adopt()
			r.senders--
		})
	}
}

// adopt accepts connections and gives them to the engine, with what it has read from them.
func (r *simRun) adopt() {
	for {
		r.w.Until("side door", func() bool { return r.side.Waiting() > 0 || r.stopped })
		if r.stopped {
			r.k.Close(r.side.FD())
			return
		}
		fd, _, err := r.k.Accept(r.side.FD())
		if err != nil {
			r.w.Sleep(time.Millisecond)
			continue
		}
		early := make([]byte, r.w.Rand.IntN(20)+1)
		n, err := r.k.Read(fd, early)
		if n == 0 && err == nil {
			r.k.Close(fd)
			continue
		}
		r.e.Adopt(fd, &simSession{r: r}, early[:n], false)
	}
}

// door is the listener for the next client.
func (r *simRun) door() *sim.Listener {
	if r.side != nil && r.w.Rand.IntN(2) == 0 {
		return r.side
	}
	return r.listener
}

// calm ends the faults: from here on everything must come to its end.
func (r *simRun) calm() {
	r.k.Faults = sim.Faults{}
	r.k.Limit(1000)
}

func (r *simRun) listen() {
	r.e.ListenSoon(r.listener.FD(), func(err error) {
		if err != nil {
			r.w.Fail("%v", err)
		}
	})
}

// stop is Engine.Stop, and then nothing may be left.
func (r *simRun) stop() {
	w, e := r.w, r.e
	r.stopped = true
	e.StopSoon()
	w.Within(time.Hour, "the engine stops", func() bool { return r.pool.Busy() == 0 })
	w.Within(time.Hour, "clients and senders end", func() bool { return r.clients+r.senders == 0 })
	w.Within(time.Hour, "taken descriptors are closed", func() bool { return r.k.Open() == 0 })
	if r.starts != r.farewells {
		w.Fail("%d sessions started, %d ended", r.starts, r.farewells)
	}
	opened, detached := 0, 0
	for _, s := range r.sessions {
		if s.detached {
			detached++
		}
		if s.detached || s.state != simOver {
			opened--
		}
		opened++
	}
	if opened != r.byes {
		w.Fail("the application knew %d sessions and saw %d end", opened, r.byes)
	}
	if r.posted != r.ran {
		w.Fail("%d of %d posted tasks were run", r.ran, r.posted)
	}
	accepted, refused, closed := e.Counts.Accepted.Load(), e.Counts.Refused.Load(), e.Counts.Closed.Load()
	if accepted != refused+closed+uint64(detached) || int(closed)+detached != r.farewells || int(refused) != r.refusals+r.declined {
		w.Fail("counts: %d accepted, %d refused (%d, %d), %d closed and %d detached (%d)",
			accepted, refused, r.refusals, r.declined, closed, detached, r.farewells)
	}
	// Those on their way back to the pool are not counted by the engine any more.
	if most := 2 * (r.cfg.Workers + 2*r.cfg.Loops + 1 + e.shaking.runners); r.pool.Peak() > most {
		w.Fail("%d goroutines at a time, want at most %d", r.pool.Peak(), most)
	}
	for _, l := range e.loops {
		if l.table.live != 0 || e.queue.len() != 0 {
			w.Fail("loop %d: %d connections, %d queued", l.index, l.table.live, e.queue.len())
		}
		if n := l.waiting.Load(); n != 0 {
			w.Fail("loop %d: %d bytes wait on no connection", l.index, n)
		}
	}
	for _, s := range r.sessions {
		if s.pipe.out != nil || s.pipe.in != nil {
			w.Fail("client %d: a closed connection holds a buffer", s.client)
		}
	}
}

// sender is a goroutine of the application's that sends to whom it likes.
func (r *simRun) sender(me uint32) {
	w := r.w
	next := make(map[*simSession]uint32)
	for range 1 + w.Rand.IntN(200) {
		r.think()
		if r.stopped {
			return
		}
		if len(r.sessions) == 0 {
			continue
		}
		s := r.sessions[w.Rand.IntN(len(r.sessions))]
		switch w.Rand.IntN(12) {
		case 0:
			s.pipe.Peer()
		case 1:
			s.pipe.Ask()
		case 2:
			if w.Rand.IntN(4) == 0 {
				s.pipe.EnqueueLast(appendUnit(nil, kindLast, s.client, lastAsked, 0), 1, nil)
			}
		case 3:
			r.post(s.pipe.Loop())
		default:
			r.push(me, s, next)
		}
	}
}

func (r *simRun) push(me uint32, s *simSession, next map[*simSession]uint32) {
	unit := appendUnit(nil, kindPushed, me, next[s], r.w.Rand.IntN(r.filling))
	var err error
	if r.w.Rand.IntN(2) == 0 {
		err = s.pipe.EnqueueShared(unit)
	} else {
		err = s.pipe.Enqueue(unit[:unitHead], unit[unitHead:], false)
		clear(unit) // it was copied
	}
	if err == nil {
		next[s]++
		r.pushes++
	} else if err == ErrOverflow && r.cfg.Overflow == CloseSlow {
		r.doom(s)
	}
}

func (r *simRun) post(loop int) {
	ok := r.e.Post(loop, func() {
		r.ran++
		if r.cfg.Inline {
			if r.inLoop[loop] != "" {
				r.w.Fail("loop %d runs a task while it runs %s", loop, r.inLoop[loop])
			}
			r.inLoop[loop] = "task"
		}
		r.w.Yield("task")
		r.inLoop[loop] = ""
	})
	if ok {
		r.posted++
	}
}
