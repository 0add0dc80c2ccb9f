package engine

import (
	"crypto/tls"
	"iter"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/ants/v2"
	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/secure"
	"github.com/roost-ws/roost/server/internal/sys"
)

// Overflow says what happens to a unit that finds the outbound queue at its limit.
type Overflow uint8

const (
	CloseSlow  Overflow = iota // the session is asked, and finds Overflowed
	DropNewest                 // the unit is dropped
	DropOldest                 // the oldest unsent units make room
)

// UnitFunc returns the length of the outbound unit that b begins with, and
// whether it must not be dropped whatever the policy.
type UnitFunc func(b []byte) (n int, keep bool)

// Config is what an engine needs to know. There are no defaults here: the
// floor above sets all of it.
type Config struct {
	Kernel sys.Kernel
	New    func(peer netip.AddrPort) Session // nil refuses the connection
	Unit   UnitFunc

	Loops   int
	Workers int  // goroutines in application code at the same time, beside one for each loop
	Inline  bool // application code never blocks: it runs on the loop
	Conns   int  // per loop, at most

	ReadBuffer int // what one read can take; it belongs to a worker, not to a connection

	Outbound int           // bytes that may wait on one connection
	Held     int64         // bytes that all connections may hold together; 0: no limit
	Stall    time.Duration // age of the oldest waiting byte at which the session's Tick is called
	Overflow Overflow

	// TLS is spoken on accepted connections; nil: none is.
	TLS           *tls.Config
	TLSTimeout    time.Duration // from accept to the end of the handshake
	TLSRecord     time.Duration // from a record's first byte to its last; 0: no limit
	TLSHandshakes int           // that have begun, at a time
	ClientHello   int           // bytes, at most
	KernelTLS     bool          // streams may be handed to the kernel; TLS is a configuration for it

	// Submit starts a task on a goroutine; nil uses a pool of its own. The simulator replaces it.
	Submit func(task func()) error
}

// Counts are the engine's counters. They only grow.
type Counts struct {
	Accepted        atomic.Uint64
	Refused         atomic.Uint64
	Closed          atomic.Uint64
	Unacknowledged  atomic.Uint64 // connections that TCP gave up: nobody acknowledged what they were sent
	AcceptShortages atomic.Uint64 // accepting paused for want of descriptors or memory
	StaleEvents     atomic.Uint64 // events for connections that are no more
	Moves           atomic.Uint64 // loops moved away from a goroutine that stuck
	SlowModes       atomic.Uint64 // times that loops began to leave slow handlers to workers
	DroppedNewest   atomic.Uint64 // units dropped by policy
	DroppedOldest   atomic.Uint64
	TLSHandshakes   atomic.Uint64 // done
	TLSFailures     atomic.Uint64 // handshakes and streams that broke
	TLSTimeouts     atomic.Uint64 // handshakes and records
	TLSOffloaded    atomic.Uint64 // streams that the kernel took over
}

// Engine is a set of loops and the goroutines that serve them.
type Engine struct {
	Config
	Counts Counts

	kernel    sys.Kernel
	loops     []*Loop
	queue     *runQueue
	pool      *ants.Pool
	stall     Tick
	shaking   shaking
	record    Tick // Config.TLSRecord
	pressure  int  // bytes, see pressureMax
	listeners atomic.Uint32
	dealt     atomic.Uint32

	hired    atomic.Int32 // goroutines that serve without leading a loop
	slow     atomic.Bool  // application code is slow: loops leave turns to workers
	watching atomic.Bool
	stopping atomic.Bool

	held atomic.Int64 // bytes that all connections hold

	verdict   sync.Mutex // guards window
	window    pace
	loopsDone sync.WaitGroup
}

// New makes an engine and starts its loops.
func New(cfg Config) (*Engine, error) {
	e := &Engine{Config: cfg, kernel: cfg.Kernel}
	e.stall = Ticks(cfg.Stall)
	e.pressure = min(pressureMax, cfg.Outbound/4)
	e.queue = &runQueue{e: e}
	runners := 0
	e.record = Ticks(cfg.TLSRecord)
	if cfg.TLS != nil {
		runners = max(shakingMin, runtime.GOMAXPROCS(0))
		e.shaking = shaking{
			e: e, cfg: cfg.TLS, timeout: Ticks(cfg.TLSTimeout), hello: cfg.ClientHello,
			most: cfg.TLSHandshakes, runners: runners,
		}
	}
	if e.Submit == nil {
		// One goroutine for each worker; for each loop one that leads it and one
		// that sticks in it; the watchdog; those that compute TLS handshakes.
		pool, err := ants.NewPool(cfg.Workers+2*cfg.Loops+1+runners, ants.WithNonblocking(true),
			// A panic that gets here is a bug of ours. The pool would log it and
			// go on without the loop; a server that is dead must not look alive.
			ants.WithPanicHandler(func(p any) { panic(p) }))
		if err != nil {
			return nil, err
		}
		e.pool, e.Submit = pool, pool.Submit
	}
	for i := range cfg.Loops {
		p, err := e.kernel.NewPoller()
		if err != nil {
			e.abandon()
			return nil, err
		}
		l := &Loop{e: e, index: i, poller: p, table: newTable(cfg.Conns), queue: e.queue}
		if cfg.Inline {
			l.queue = &runQueue{e: e, loop: l}
		}
		l.events = make([]poller.Event, eventBatch)
		l.now.Store(uint32(e.Tick()))
		e.loops = append(e.loops, l)
	}
	e.loopsDone.Add(len(e.loops))
	for _, l := range e.loops {
		e.submit(l.run)
	}
	return e, nil
}

// abandon gives back what New has taken before it failed.
func (e *Engine) abandon() {
	for _, l := range e.loops {
		l.poller.Close()
	}
	if e.pool != nil {
		e.pool.Release()
	}
}

// submit starts a task. How many there are is bounded by hired and the number
// of loops; a goroutine on its way back to the pool may still count there, and
// for that moment the pool is one too small.
func (e *Engine) submit(task func()) {
	if err := e.Submit(task); err != nil {
		go task()
	}
}

// Stop ends every connection and then the loops. It returns when they have
// ended, which is when the application's code has returned.
func (e *Engine) Stop() {
	e.StopSoon()
	e.loopsDone.Wait()
	if e.pool != nil {
		e.pool.Release()
	}
}

// StopSoon is Stop for those who cannot wait, such as a simulation. A Stop may follow.
func (e *Engine) StopSoon() {
	if !e.stopping.CompareAndSwap(false, true) {
		return
	}
	for _, l := range e.loops {
		l.poller.Wake()
	}
}

// Adopt gives the engine a connected descriptor, with bytes that were already
// read from it. The descriptor is the engine's from now on. again says that it
// was the engine's before, until Detach.
func (e *Engine) Adopt(fd int, s Session, early []byte, again bool) {
	if !again {
		e.Counts.Accepted.Add(1)
	}
	e.deal().adopt(fresh{fd: fd, session: s, early: early})
}

// AdoptTLS is Adopt for a connection that was the engine's before and of which
// stream is the TLS. early was opened already.
func (e *Engine) AdoptTLS(fd int, s Session, early []byte, stream *secure.Stream) {
	received := stream.Back(s.Pipe())
	e.deal().adopt(fresh{fd: fd, session: secureSession(s, stream, early), early: received})
}

// Post has a task run by the leader of a loop. In inline mode that is the
// goroutine that runs all callbacks of the loop's connections. It must not
// block. A stopped engine runs no tasks, which Post reports.
func (e *Engine) Post(loop int, task func()) (ok bool) {
	return e.loops[loop].post(task)
}

// Bytes returns how many bytes were received and sent in all.
func (e *Engine) Bytes() (received, sent uint64) {
	for _, l := range e.loops {
		received += l.received.Load()
		sent += l.sent.Load()
	}
	return received, sent
}

// Waiting returns how many bytes wait in outbound queues because the kernel has refused them.
func (e *Engine) Waiting() (bytes int64) {
	for _, l := range e.loops {
		bytes += l.waiting.Load()
	}
	return bytes
}

// Sessions lists a loop's sessions. Only a task posted to the loop may use it.
func (e *Engine) Sessions(loop int) iter.Seq[Session] {
	t := &e.loops[loop].table
	return func(yield func(Session) bool) {
		for slot := range t.used {
			ch, i := t.at(slot)
			c := ch.conns[i]
			if c == nil {
				continue
			}
			c.mu.Lock()
			s := c.session
			c.mu.Unlock()
			if t, ok := s.(*secured); ok {
				s = t.Session
			}
			if !yield(s) {
				return
			}
		}
	}
}

// deal names the loop for the next connection.
func (e *Engine) deal() *Loop {
	return e.loops[(e.dealt.Add(1)-1)%uint32(len(e.loops))]
}

// refuse closes a descriptor that gets no connection.
func (e *Engine) refuse(f fresh) {
	e.Counts.Refused.Add(1)
	e.check(e.kernel.Close(f.fd))
	if f.session != nil {
		f.session.Refused()
	}
}

// Tick is the present moment.
func (e *Engine) Tick() Tick { return tickOf(e.kernel.Now()) }

func tickOf(now time.Duration) Tick { return Tick(now/tickLength) + 1 }

// Ticks is a length of time, rounded up. What is longer than three years is cut
// to that, so that a moment and a length never add up to a moment in the past.
func Ticks(d time.Duration) Tick {
	return Tick((min(d, ticksMax*tickLength) + tickLength - 1) / tickLength)
}

// At is when a tick begins on the kernel's clock.
func (e *Engine) At(t Tick) time.Duration { return time.Duration(t-1) * tickLength }
