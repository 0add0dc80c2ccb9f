package server

import (
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sys"
)

// stuck is a handler of which every message that says block does so until
// freed. It counts how many do, and how many did at most.
type stuck struct {
	release      chan struct{}
	free         func()
	inside, most atomic.Int32
}

func startStuck(t *testing.T, cfg Config) (*site, *stuck) {
	t.Helper()
	s := &stuck{release: make(chan struct{})}
	s.free = sync.OnceFunc(func() { close(s.release) })
	st := start(t, Handler{OnMessage: s.onMessage}, cfg)
	t.Cleanup(s.free) // before the server's end, which waits for handlers
	return st, s
}

func (s *stuck) onMessage(c *Conn, op Opcode, m []byte) {
	if string(m) == "block" {
		n := s.inside.Add(1)
		for old := s.most.Load(); n > old && !s.most.CompareAndSwap(old, n); old = s.most.Load() {
		}
		<-s.release
		s.inside.Add(-1)
	}
	c.Send(op, m)
}

// Any number of workers serves any number of loops: each of them may block,
// and not many more do.
func TestEveryNumberOfWorkers(t *testing.T) {
	watch(t)
	for loops := 1; loops <= 3; loops++ {
		for workers := 1; workers <= 4; workers++ {
			st, s := startStuck(t, Config{Loops: loops, Workers: workers})
			var clients []*client
			for range workers + loops + 3 {
				clients = append(clients, st.open())
			}
			clients[0].echo("quick")
			for _, c := range clients {
				c.send(text("block"))
			}
			eventually(t, "every worker is blocked", func() bool { return int(s.inside.Load()) >= workers })
			for range 5 { // what is more would be on its way now
				st.dial().open("/")
			}
			if most := int(s.most.Load()); most > workers+loops {
				t.Errorf("%d loops and %d workers: %d callbacks at a time", loops, workers, most)
			}
			s.free()
			for _, c := range clients {
				c.expect(ws.OpText, "block")
				c.Close()
			}
			st.Close()
		}
	}
}

// R7: with all workers stuck, everything that needs no handler goes on; and
// what waited for one is handled in order, without loss, as soon as there is one.
func TestAllWorkersStuck(t *testing.T) {
	watch(t)
	counted := &countingKernel{Kernel: sys.Real()}
	st, s := startStuck(t, Config{
		Loops: 2, Workers: 4, PingInterval: short, PongTimeout: -1, kernel: counted,
		Timeouts: Timeouts{Handshake: 2 * short, Message: 3 * short},
	})
	var blocked []*client
	for range 10 {
		blocked = append(blocked, st.open())
		blocked[len(blocked)-1].deaf = true
	}
	idle, partial := st.open(), st.open()
	partial.deaf = true
	st.seen = st.Stats().BytesReceived
	partial.send(text("half")[:5])
	st.received(5)
	for _, c := range blocked {
		c.send(text("block"))
	}
	eventually(t, "all workers are stuck", func() bool { return s.inside.Load() >= 4 })
	for i, c := range blocked {
		for j := range 20 {
			c.send(text(numbered(100*i+j, 500)))
		}
	}

	silent := st.dial()
	late := st.open() // a handshake is answered, and OnOpen waits
	late.deaf = true
	late.send(text("patience"))
	idle.expect(ws.OpPing, "") // pings go out
	silent.gone()              // deadlines are kept
	if f := partial.frame(); f.code() != StatusPolicy {
		t.Errorf("got %v, want a Close frame for a message that took too long", f)
	}
	conn := st.nth(10).conn
	if err := conn.Send(Text, []byte("from outside")); err != nil {
		t.Error(err)
	}
	idle.deaf = true
	idle.expect(ws.OpText, "from outside")
	conn.Close(4000, "")
	if f := idle.frame(); f.code() != 4000 {
		t.Errorf("got %v, want a Close frame", f)
	}
	counted.checkIdle(t)

	if n := s.inside.Load(); n < 4 || len(blocked) != 10 {
		t.Errorf("%d workers are stuck", n)
	}
	s.free()
	for i, c := range blocked {
		c.expect(ws.OpText, "block")
		for j := range 20 {
			c.expect(ws.OpText, numbered(100*i+j, 500))
		}
	}
	late.expect(ws.OpText, "patience")
	if got := st.nth(12).story(); got != "open /, text patience" {
		t.Errorf("the late client's story is %q", got)
	}
	st.ended(11)
}

// countingKernel counts how often loops look for readiness.
type countingKernel struct {
	sys.Kernel
	waits atomic.Int64
}

type countingPoller struct {
	sys.Poller
	waits *atomic.Int64
}

func (k *countingKernel) NewPoller() (sys.Poller, error) {
	p, err := k.Kernel.NewPoller()
	return countingPoller{p, &k.waits}, err
}

func (p countingPoller) Wait(events []poller.Event, timeout time.Duration) (int, error) {
	p.waits.Add(1)
	return p.Poller.Wait(events, timeout)
}

// checkIdle sees whether the process does nothing for a moment.
func (k *countingKernel) checkIdle(t *testing.T) {
	t.Helper()
	const moment = 500 * time.Millisecond
	waits, cpu := k.waits.Load(), cpuTime(t)
	time.Sleep(moment)
	if n := k.waits.Load() - waits; n > 200 {
		t.Errorf("loops looked %d times for something to do", n)
	}
	if used := cpuTime(t) - cpu; used > moment/2 {
		t.Errorf("in %v of idleness %v of CPU time were used", moment, used)
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A handler that blocks keeps nobody waiting but its own connection: the loop
// goes on without it.
func TestLoopMoves(t *testing.T) {
	watch(t)
	st, s := startStuck(t, Config{Loops: 1, Workers: 8})
	var others []*client
	for range 10 {
		others = append(others, st.open())
	}
	for i := 1; i <= 3; i++ {
		c := st.open()
		c.send(text("block"), text("behind it"))
		eventually(t, "the handler blocks", func() bool { return int(s.inside.Load()) == i })
		for round := range 10 {
			for _, c := range others {
				c.echo(numbered(round, 100))
			}
		}
		others = append(others, st.open()) // connections that come now are served as well
		if moves := st.Stats().LoopMoves; moves < uint64(i) {
			t.Errorf("with %d handlers stuck the loop has moved %d times", i, moves)
		}
	}
	s.free()
	for i := 10; i < 13; i++ {
		eventually(t, "what stood behind is handled", func() bool {
			return st.nth(i+i-10).story() == "open /, text block, text behind it"
		})
	}
}

// When many handlers are slow, loops leave them to workers, and take them back
// when they are quick again.
func TestSlowMode(t *testing.T) {
	watch(t)
	var slow atomic.Bool
	st := start(t, Handler{OnMessage: func(c *Conn, op Opcode, m []byte) {
		if slow.Load() {
			time.Sleep(2 * time.Millisecond)
		}
		c.Send(op, m)
	}}, Config{Loops: 2, Workers: 16})
	var clients []*client
	for range 16 {
		clients = append(clients, st.open())
	}
	everybody := func(rounds int) {
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() {
				for i := range rounds {
					if _, err := c.Write(text(numbered(i, 100))); err != nil {
						t.Error(err)
						return
					}
					if f, err := readFrame(c.r); err != nil || string(f.payload) != numbered(i, 100) {
						t.Errorf("got %v, %v", f, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	everybody(20)
	for end := time.Now().Add(patience); st.Stats().SlowModes < 3; {
		if time.Now().After(end) {
			t.Fatalf("slow mode was entered %d times", st.Stats().SlowModes)
		}
		slow.Store(true)
		everybody(10)
		slow.Store(false)
		everybody(40)
	}
}

// Close returns when the last callback has, and OnClose has been called for all by then.
func TestServerCloseWaitsForCallbacks(t *testing.T) {
	watch(t)
	st, s := startStuck(t, Config{Loops: 2, Workers: 4})
	c, other := st.open(), st.open()
	c.send(text("block"), text("never handled"))
	eventually(t, "the handler blocks", func() bool { return s.inside.Load() == 1 })
	closed := make(chan bool)
	go func() { st.Close(); close(closed) }()
	other.gone()
	st.ended(1)
	select {
	case <-closed:
		t.Error("Close returned while a callback was running")
	default:
	}
	s.free()
	<-closed
	if st.nth(0).end == nil {
		t.Error("OnClose was not called")
	}
}
