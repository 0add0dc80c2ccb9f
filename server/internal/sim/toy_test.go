package sim

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sys"
)

// bug is a classic mistake of an event-loop server, planted into the toy.
type bug int

const (
	bugNone           bug = iota
	bugForgetSignals      // release throws away what was signalled meanwhile
	bugTwoOwners          // a signal to an owned connection starts a second owner
	bugStaleToken         // an event of a closed connection is believed
	bugCloseFirst         // the descriptor is closed before it leaves the poller
	bugShortWrite         // a short write is taken for a whole one
	bugIgnoreWritable     // nothing goes on when there is room again
	bugShortReadEnds      // a short read ends the reading, although the peer has hung up
	bugReadOnce           // one read for each edge
	bugAcceptOnce         // one accept for each edge
	bugShortageEnds       // out of descriptors: no later attempt
	bugInterrupted        // EINTR is taken for EAGAIN
	bugCloseAgain         // an interrupted close is repeated
	bugCloseAtOnce        // on the end of the stream, with output still waiting
	bugNoWake             // stopping does not wake the loop
	bugBatchOnly          // events beyond the first of a Wait are dropped
	bugs
)

func (b bug) String() string {
	return [...]string{"none", "forget signals", "two owners", "stale token", "close first", "short write",
		"ignore writable", "short read ends", "read once", "accept once", "shortage ends", "interrupted",
		"close again", "close at once", "no wake", "batch only"}[b]
}

// toy is a small echo server with the ownership protocol of the engine: an
// edge-triggered loop, workers, and a word of signals for each connection.
type toy struct {
	bug      bug
	w        *World
	k        *Kernel
	poller   sys.Poller
	pool     *Pool
	listener *Listener
	conns    map[uint64]*toyConn // by token
	tokens   uint64
	live     int
	retry    bool // accepting stopped for want of descriptors
	stop     bool
	stopped  bool
}

type toyConn struct {
	t      *toy
	fd     int
	token  uint64
	owned  bool
	bits   int
	hangup bool
	ended  bool
	out    []byte
}

const (
	toyReadable = 1 << iota
	toyWritable
	toyHangup
)

func (t *toy) loop() {
	events := make([]poller.Event, 16)
	for !t.stop || t.live > 0 {
		timeout := time.Duration(-1)
		if t.retry {
			timeout = 50 * time.Millisecond
		}
		n, err := t.poller.Wait(events, timeout)
		if err != nil {
			t.w.Fail("wait: %v", err)
		}
		if t.bug == bugBatchOnly {
			n = min(n, 1)
		}
		for _, ev := range events[:n] {
			t.event(ev)
		}
		if t.retry {
			t.accept()
		}
	}
	t.poller.Remove(t.listener.FD())
	t.k.Close(t.listener.FD())
	t.poller.Close()
	t.stopped = true
}

func (t *toy) event(ev poller.Event) {
	if ev.Token == 0 {
		t.accept()
		return
	}
	c := t.conns[ev.Token]
	if c == nil {
		return
	}
	bits := 0
	if ev.Readable {
		bits |= toyReadable
	}
	if ev.Writable && t.bug != bugIgnoreWritable {
		bits |= toyWritable
	}
	if ev.Hangup {
		bits |= toyReadable | toyHangup
	}
	if c.signal(bits) && t.pool.Submit(c.serve) != nil {
		c.serve()
	}
}

func (t *toy) accept() {
	t.retry = false
	for {
		fd, _, err := t.k.Accept(t.listener.FD())
		switch sys.FaultOf(err) {
		case sys.None:
			t.tokens++
			c := &toyConn{t: t, fd: fd, token: t.tokens}
			t.conns[c.token] = c
			t.live++
			t.poller.Add(fd, c.token)
		case sys.Again:
			return
		case sys.Resource:
			t.retry = t.bug != bugShortageEnds
			return
		}
		if t.bug == bugAcceptOnce {
			return
		}
	}
}

// signal adds bits and reports whether the caller became the owner.
func (c *toyConn) signal(bits int) bool {
	c.t.w.Yield("signal")
	c.bits |= bits
	mine := !c.owned || c.t.bug == bugTwoOwners
	c.owned = true
	return mine
}

// release gives the connection up unless there are signals.
func (c *toyConn) release() bool {
	c.t.w.Yield("release")
	if c.t.bug == bugForgetSignals {
		c.bits = 0
	}
	if c.bits != 0 {
		return false
	}
	c.owned = false
	return true
}

func (c *toyConn) serve() {
	for {
		bits := c.bits
		c.bits = 0
		c.hangup = c.hangup || bits&toyHangup != 0
		if bits&toyReadable != 0 {
			c.read()
		}
		c.write()
		if c.ended && (len(c.out) == 0 || c.t.bug == bugCloseAtOnce) {
			c.close()
			return
		}
		if c.release() {
			return
		}
	}
}

func (c *toyConn) read() {
	b := make([]byte, 64)
	for !c.ended {
		n, err := c.t.k.Read(c.fd, b)
		c.out = append(c.out, b[:n]...)
		switch fault := sys.FaultOf(err); {
		case fault == sys.Interrupted && c.t.bug != bugInterrupted:
			continue
		case fault == sys.Again || fault == sys.Interrupted:
			return
		case fault != sys.None:
			c.out = nil
			c.ended = true
		case n == 0:
			c.ended = true
		case n < len(b) && (!c.hangup || c.t.bug == bugShortReadEnds):
			return
		}
		if c.t.bug == bugReadOnce {
			return
		}
	}
}

func (c *toyConn) write() {
	for len(c.out) > 0 {
		n, err := c.t.k.Write(c.fd, c.out)
		switch fault := sys.FaultOf(err); {
		case fault == sys.Interrupted && c.t.bug != bugInterrupted:
			continue
		case fault == sys.Again || fault == sys.Interrupted:
			return
		case fault != sys.None:
			c.out = nil
			c.ended = true
			return
		}
		c.out = c.out[n:]
		if c.t.bug == bugShortWrite {
			c.out = nil
		}
	}
}

func (c *toyConn) close() {
	t := c.t
	if t.bug == bugStaleToken {
		c.owned = false // and it stays in the map, with the number of a closed descriptor
	} else {
		delete(t.conns, c.token)
	}
	if t.bug != bugCloseFirst {
		t.poller.Remove(c.fd)
	}
	for t.k.Close(c.fd) != nil && t.bug == bugCloseAgain {
	}
	if t.bug == bugCloseFirst {
		t.poller.Remove(c.fd)
	}
	t.live--
	if t.stop {
		t.poller.Wake() // the loop may wait for us
	}
}

// runToy runs the toy against a crowd of clients.
func runToy(cfg Config, b bug) error {
	cfg.Time = time.Hour
	w := NewWorld(cfg)
	k := NewKernel(w, SwarmFaults(w.Rand))
	w.PartFaults(&k.Faults)
	k.Faults.WaitInterrupt = min(k.Faults.WaitInterrupt, 0.1)
	if w.Rand.IntN(3) == 0 {
		k.Limit(3 + 3 + 2) // two clients at a time
	}
	p, err := k.NewPoller()
	if err != nil {
		return err
	}
	t := &toy{bug: b, w: w, k: k, poller: p, pool: w.NewPool("worker", 3), listener: k.Listen(100),
		conns: make(map[uint64]*toyConn)}
	if err := p.Add(t.listener.FD(), 0); err != nil {
		return err
	}
	w.Go("loop", t.loop)
	busy := 0
	for i := range 6 {
		busy++
		w.Go(fmt.Sprint("client ", i), func() {
			defer func() { busy-- }()
			toyClient(w, t.listener, 1+w.Rand.IntN(4), w.Rand.IntN(6) == 0)
		})
	}
	w.Go("end", func() {
		w.Within(30*time.Minute, "all clients are served", func() bool { return busy == 0 })
		k.Faults = Faults{}
		t.stop = true
		if b != bugNoWake {
			p.Wake()
		}
		w.Within(time.Minute, "the loop ends", func() bool { return t.stopped })
		if leaks := k.Leaks(); len(leaks) > 0 {
			w.Fail("descriptors are open at the end: %v", leaks)
		}
	})
	return w.Run()
}

// toyClient sends numbered messages and wants all of them back, each byte on
// its own connection. A rude one resets the connection half-way.
func toyClient(w *World, l *Listener, messages int, rude bool) {
	c, err := l.Dial()
	if err != nil {
		w.Fail("dial: %v", err)
	}
	var sent, got []byte
	buf := make([]byte, 256)
	receive := func() bool {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		return err == nil
	}
	for i := range messages {
		message := fmt.Appendf(nil, "client %d, message %d, %*s.", c.ID(), i, w.Rand.IntN(200), "")
		sent = append(sent, message...)
		for left := message; len(left) > 0; {
			n, err := c.Write(left)
			if err != nil {
				// The kernel may have dropped the connection before accept returned it.
				if k := l.k; k.Faults.AcceptAbort == 0 {
					w.Fail("client %d: write: %v", c.ID(), err)
				}
				return
			}
			left = left[n:]
			for c.Buffered() > 0 { // or both sides would wait for room
				receive()
			}
		}
		if rude && i == messages/2 {
			c.Reset()
			return
		}
		if w.Rand.IntN(2) == 0 {
			w.Sleep(time.Duration(w.Rand.IntN(1e6)))
		}
	}
	c.CloseWrite()
	for receive() {
	}
	if _, err := c.Read(buf); err != io.EOF && l.k.Faults.AcceptAbort > 0 {
		return
	}
	if string(got) != string(sent) {
		w.Fail("client %d sent %d bytes and got %d:\n%q\n%q", c.ID(), len(sent), len(got), sent, got)
	}
	c.Close()
}

// The kernel's unkindness stays within its contract: a server that keeps to it
// serves everybody.
func TestToyServes(t *testing.T) {
	Seeds(t, 200, func(cfg Config) error { return runToy(cfg, bugNone) })
}

// Each of the classic mistakes is found.
func TestToyBugsAreFound(t *testing.T) {
	for b := bugNone + 1; b < bugs; b++ {
		t.Run(b.String(), func(t *testing.T) {
			seed, err := FirstFailure(100, func(seed uint64) error { return runToy(Config{Seed: seed}, b) })
			if err == nil {
				t.Fatal("not found by 100 seeds")
			}
			t.Logf("found by seed %d: %.200s", seed, err)
		})
	}
}
