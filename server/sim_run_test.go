package server

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/roost-ws/roost/server/internal/sim"
)

// simRun is one server in a simulated world: with its clients, with goroutines
// of the application's, and with an application that checks how it is called.
type simRun struct {
	w        *sim.World
	k        *sim.Kernel
	draw     *rand.Rand // what the run is like; the order of things is w.Rand's
	srv      *Server
	cfg      Config
	pool     *sim.Pool
	listener *sim.Listener

	patient bool          // no deadline can be met by a client that does its part
	tardy   time.Duration // how late a deadline may be met
	leaving bool          // the server shuts down: clients may be told 1001
	stopped bool          // the server is stopped: clients may be cut off
	gaps    bool          // messages may be dropped by policy

	filling, messages int           // of a client, at most
	pace              time.Duration // of clients and senders
	longest           time.Duration // that a callback blocks

	app     simApp
	clients int // that are still there
	senders int
	doomed  map[int]bool // clients that the server may give up, and whose answers it may owe
	ends    map[int]CloseError
	seen    map[string]int // what runs have met, for simCoverage
}

// newSimRun draws a server and its surroundings.
func newSimRun(c sim.Config) *simRun {
	w := sim.NewWorld(c)
	d := w.RandOf("run")
	r := &simRun{
		w: w, draw: d, k: sim.NewKernel(w, sim.SwarmFaults(d)), patient: true,
		doomed: make(map[int]bool), ends: make(map[int]CloseError), seen: make(map[string]int),
	}
	w.PartFaults(&r.k.Faults)
	r.pool = w.NewPool("worker", 0)
	r.cfg = Config{
		kernel: r.k, submit: r.pool.Submit, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Inline: r.one(2), Loops: 1 + d.IntN(3), Workers: 1 + d.IntN(5), Subprotocols: []string{"sim"},
		Limits: Limits{Conns: 100, ConnsPerAddress: -1, Message: 1 << 17},
	}
	r.app.r = r
	r.shape()
	r.deadlines()
	r.cfg.readBuffer = []int{1 + r.draw.IntN(500), 1 + r.draw.IntN(5000), 0}[r.draw.IntN(3)]
	r.listener = r.k.Listen(1000)
	return r
}

func (r *simRun) one(n int) bool { return r.draw.IntN(n) == 0 }

// deadlines draws Timeouts. Where the machine is slow in itself none is met by
// an honest client, because all are long; elsewhere all are as they ship, or shorter.
func (r *simRun) deadlines() {
	f, c := &r.k.Faults, &r.cfg
	if r.one(3) { // a machine that is only unkind, not slow
		f.Latency, f.CapMin, f.CapMax, f.ReadMax, f.WriteMax, f.StallMax, f.Stall = 0, 0, 0, 0, 0, 0, 0
		r.longest = min(r.longest, time.Millisecond)
	}
	if f.Latency > time.Millisecond || f.CapMin > 0 || f.ReadMax > 0 || f.WriteMax > 0 || f.StallMax > 0 || r.longest > 10*time.Millisecond || r.one(2) {
		const never = 3 * time.Hour
		c.PingInterval, c.PongTimeout = -1, -1
		c.Timeouts = Timeouts{Handshake: never, Message: never, Close: never, Stall: never}
		r.tardy = time.Second + 100*f.StallMax + 20*r.longest
		return
	}
	r.patient = false
	r.tardy = 3*time.Second + 20*r.longest
	if !r.one(4) {
		c.PingInterval, c.PongTimeout = time.Duration(5+r.draw.IntN(30))*time.Second, time.Duration(5+r.draw.IntN(30))*time.Second
	}
	if r.one(4) {
		c.IdleTimeout = time.Duration(60+r.draw.IntN(60)) * time.Second
	}
}

// shape draws sizes, limits, and how everybody behaves.
func (r *simRun) shape() {
	f, c, d := &r.k.Faults, &r.cfg, r.draw
	r.filling, r.messages = 1+d.IntN(60), 1+d.IntN(10)
	if f.CapMin == 0 && f.ReadMax == 0 && f.WriteMax == 0 && r.one(3) {
		r.filling = []int{5000, 70_000}[d.IntN(2)] // enough to be lent, and for the longest header
		r.messages = 1 + d.IntN(4)
	}
	r.pace = []time.Duration{0, 10 * time.Microsecond, time.Millisecond, 70 * time.Millisecond}[d.IntN(4)]
	if r.one(3) {
		c.Limits.Outbound = 100 + d.IntN(2000)
		c.SlowConsumer = Policy(d.IntN(3))
		r.gaps = c.SlowConsumer != CloseSlow
	}
	if r.one(4) {
		c.Limits.Message = simHead + r.filling - 1 + d.IntN(2) // exactly the largest, or a byte more
	}
	if r.one(4) {
		c.Limits.Fragments = 3 + d.IntN(3)
	}
	if r.one(6) {
		c.Limits.Conns = 2
	}
	if r.one(6) {
		c.Limits.Handshakes = 2
	}
	if r.one(20) { // seldom: the table of addresses is large
		c.Limits.ConnsPerAddress = 2
	}
	if r.one(6) {
		r.k.Limit(3 + 2*c.Loops + 1 + 3)
	}
	if r.one(5) {
		c.Limits.Held = 2000 + d.IntN(20_000)
	}
	if r.one(3) {
		c.OnUpgrade = r.app.onUpgrade
	}
	if !r.one(3) {
		c.OnStream = r.app.onStream
	}
	if !c.Inline && r.one(2) {
		r.longest = []time.Duration{100 * time.Microsecond, 5 * time.Millisecond, 300 * time.Millisecond}[d.IntN(3)]
	}
}

// run runs everything and checks the end.
func (r *simRun) run() error {
	w, d := r.w, r.draw
	srv, err := New(r.app.handler(), r.cfg)
	if err != nil {
		return err
	}
	r.srv = srv
	clients, senders := 1+d.IntN(5), d.IntN(3)
	early, leave := r.one(6), r.one(3)
	w.Go("main", func() {
		grounded{srv}.ListenSoon(r.listener.FD(), func(err error) {
			if err != nil {
				w.Fail("%v", err)
			}
		})
		for i := range clients {
			if w.Part("client %d", i) {
				r.clients++
				w.Go(fmt.Sprintf("client %d", i), func() {
					newSimClient(r, i).live()
					r.clients--
				})
			}
		}
		for i := range senders {
			if w.Part("sender %d", i) {
				r.senders++
				w.Go("sender", func() {
					r.app.sender(i)
					r.senders--
				})
			}
		}
		if early {
			w.Sleep(time.Duration(d.Int64N(int64(time.Second))))
			leave = leave || r.one(2)
		} else {
			w.Sleep(time.Duration(d.Int64N(int64(time.Minute))))
			r.calm()
			w.Within(12*time.Hour, "all clients are served", func() bool { return r.clients == 0 })
		}
		r.calm()
		if leave {
			r.leave()
		}
		r.stop()
	})
	return w.Run()
}

// calm ends the faults: from here on everything must come to its end.
func (r *simRun) calm() {
	r.k.Faults = sim.Faults{}
	r.k.Limit(1000)
}

// leave is Shutdown without its clock and its waits: nobody new, and everybody is told.
func (r *simRun) leave() {
	r.leaving = true
	grounded{r.srv}.ShutdownSoon()
	r.w.Sleep(time.Duration(r.draw.Int64N(int64(10 * time.Second))))
}

// stop is Close without its wait, and then nothing may be left.
func (r *simRun) stop() {
	w, s := r.w, r.srv
	r.stopped = true
	grounded{s}.CloseSoon()
	w.Within(time.Hour, "the server stops", func() bool { return r.pool.Busy() == 0 })
	w.Within(time.Hour, "clients and senders end", func() bool { return r.clients+r.senders == 0 })
	if leaks := r.k.Leaks(); len(leaks) > 0 {
		w.Fail("descriptors are left: %q", leaks)
	}
	r.app.over()
	st := s.Stats()
	if st.Conns+st.Connecting+st.Open+st.Closing+st.Lingering+st.Streams != 0 {
		w.Fail("after the end there are still connections: %+v", st)
	}
	var closes uint64
	for _, n := range st.Closes {
		closes += n
	}
	if st.Opened != closes || st.Opened != uint64(r.app.closed) {
		w.Fail("%d connections were opened, %d counted as closed, %d times OnClose was called: %v", st.Opened, closes, r.app.closed, r.ends)
	}
	if st.Messages != uint64(r.app.messages) || st.Panics != uint64(r.app.panics) {
		w.Fail("counted: %d messages and %d panics; called: %d and %d", st.Messages, st.Panics, r.app.messages, r.app.panics)
	}
	if s.address != nil {
		for i := range s.address.counts {
			if n := s.address.counts[i].Load(); n != 0 {
				w.Fail("an address has %d connections after the end", n)
			}
		}
	}
	if n := s.engine.HeldBytes().Load(); n != 0 || st.Outbound != 0 {
		w.Fail("after the end %d bytes are held, and %d wait for clients", n, st.Outbound)
	}
	if st.Shed > 0 {
		r.meet("shed")
	}
	if n := s.away.Load(); n != 0 {
		w.Fail("%d connections are being turned away after the end", n)
	}
	for _, p := range r.app.conns {
		if c := p.c; c.rare != nil || c.dec.Pending() {
			w.Fail("client %d: a closed connection holds memory", p.id)
		}
	}
}

// doom notes that the server gives a client up.
func (r *simRun) doom(id int) { r.doomed[id] = true }

func (r *simRun) meet(what string) { r.seen[what]++ }
