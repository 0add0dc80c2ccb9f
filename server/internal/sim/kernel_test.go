package sim

import (
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sys"
)

// accepted returns a new connection with its descriptor.
func accepted(t testing.TB, l *Listener) (Client, int) {
	t.Helper()
	c, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	fd, _, err := l.k.Accept(l.FD())
	if err != nil {
		t.Fatal(err)
	}
	return c, fd
}

func newPoller(t testing.TB, k *Kernel) sys.Poller {
	t.Helper()
	p, err := k.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The lowest free number is given out first, which is what makes a stale
// descriptor dangerous.
func TestDescriptorNumbers(t *testing.T) {
	k := NewKernel(NewWorld(Config{}), Faults{})
	l := k.Listen(10)
	var fds []int
	for range 4 {
		_, fd := accepted(t, l)
		fds = append(fds, fd)
	}
	k.Close(fds[2])
	k.Close(fds[0])
	for _, want := range []int{fds[0], fds[2], fds[3] + 1} {
		if _, fd := accepted(t, l); fd != want {
			t.Errorf("accept gave descriptor %d, want %d", fd, want)
		}
	}
	if err := k.World().Err(); err != nil {
		t.Error(err)
	}
}

// At the limit accept says EMFILE and leaves the connection in the queue.
func TestDescriptorLimit(t *testing.T) {
	k := NewKernel(NewWorld(Config{}), Faults{})
	l := k.Listen(10)
	_, fd := accepted(t, l)
	k.Limit(5) // 0, 1, 2, the listener and the connection
	if _, err := l.Dial(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.Accept(l.FD()); err != syscall.EMFILE || l.Waiting() != 1 {
		t.Errorf("accept at the limit: %v, %d waiting", err, l.Waiting())
	}
	if _, err := k.NewPoller(); err != syscall.EMFILE {
		t.Errorf("poller at the limit: %v", err)
	}
	k.Close(fd)
	if got, _, err := k.Accept(l.FD()); err != nil || got != fd {
		t.Errorf("accept below the limit: descriptor %d, %v", got, err)
	}
}

// What an engine must never do ends the run, and the failure says what it was.
func TestViolations(t *testing.T) {
	var events [4]poller.Event
	type scene struct {
		k  *Kernel
		p  sys.Poller
		l  *Listener
		fd int
	}
	tests := []struct {
		name string
		do   func(s scene)
	}{
		{"read on fd 99, which is not open", func(s scene) { s.k.Read(99, some()) }},
		{"write on fd 3, which is a listener", func(s scene) { s.k.Write(s.l.FD(), []byte("x")) }},
		{"close on fd 6, which is not open", func(s scene) { s.k.Close(s.fd); s.k.Close(s.fd) }},
		{"shutdown on fd 6, which is not open", func(s scene) { s.k.Close(s.fd); s.k.ShutdownWrite(s.fd) }},
		{"getpeername on fd 6, which is not open", func(s scene) { s.k.Close(s.fd); s.k.Peer(s.fd) }},
		{"close of fd 6, which is registered", func(s scene) { s.p.Add(s.fd, 1); s.k.Close(s.fd) }},
		{"close of fd 3, a listener that is registered", func(s scene) { s.p.Add(s.l.FD(), 1); s.k.Close(s.l.FD()) }},
		{"close on fd 4, which is a poller", func(s scene) { s.k.Close(4) }},
		{"accept on fd 6, which is a connection", func(s scene) { s.k.Accept(s.fd) }},
		{"poller add of fd 6, which is registered", func(s scene) { s.p.Add(s.fd, 1); s.p.Add(s.fd, 2) }},
		{"poller remove of fd 6, which is not registered", func(s scene) { s.p.Remove(s.fd) }},
		{"poller remove on fd 6, which is not open", func(s scene) { s.k.Close(s.fd); s.p.Remove(s.fd) }},
		{"with the reserved token", func(s scene) { s.p.Add(s.fd, poller.TokenReserved) }},
		{"read on fd 6 into no room", func(s scene) { s.k.Read(s.fd, nil) }},
		{"of 65 buffers", func(s scene) { s.k.Writev(s.fd, make([][]byte, 65)) }},
		{"wait without room", func(s scene) { s.p.Wait(nil, 0) }},
		{"wait while another goroutine waits", func(s scene) {
			s.k.World().Go("second", func() { s.p.Wait(events[:], -1) })
			s.p.Wait(events[:], -1)
		}},
		{"two owners", func(s scene) {
			s.k.World().Go("second", func() {
				for {
					s.k.Write(s.fd, []byte("x"))
				}
			})
			for {
				s.k.Read(s.fd, some())
			}
		}},
		{"close on fd 6 while second is in write on it: two owners", func(s scene) {
			f := s.k.table.get(s.fd).(*socket)
			f.user, f.call = &coroutine{name: "second"}, callWrite
			s.k.Close(s.fd)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := NewKernel(NewWorld(Config{Seed: 5}), Faults{})
			s := scene{k: k, l: k.Listen(10)}
			s.p = newPoller(t, k)
			_, s.fd = accepted(t, s.l)
			k.World().Go("first", func() { tt.do(s) })
			if f := failure(t, k.World().Run()); f.Kind != Violation || !strings.Contains(f.Reason, tt.name) {
				t.Errorf("%s: %s", f.Kind, f.Reason)
			}
		})
	}
}

// some is room for a few bytes.
func some() []byte { return make([]byte, 8) }

// Wake ends a Wait that runs and the next one if none does; calls are coalesced.
func TestPollerWake(t *testing.T) {
	w := NewWorld(Config{Seed: 1})
	p := newPoller(t, NewKernel(w, Faults{}))
	var events [4]poller.Event
	w.Go("loop", func() {
		p.Wake()
		p.Wake()
		if n, err := p.Wait(events[:], -1); n != 0 || err != nil {
			w.Fail("%d, %v", n, err)
		}
		start := w.Now()
		p.Wait(events[:], time.Second)
		if w.Now()-start < time.Second {
			w.Fail("the second wake was not coalesced with the first")
		}
		w.Go("waker", func() { p.Wake() })
		p.Wait(events[:], -1)
		w.Go("closer", func() { p.Close() })
		if _, err := p.Wait(events[:], -1); err != poller.ErrClosed {
			w.Fail("wait while the poller closes: %v", err)
		}
		if err := p.Wake(); err != poller.ErrClosed {
			w.Fail("wake after close: %v", err)
		}
	})
	if err := w.Run(); err != nil {
		t.Error(err)
	}
}

// A descriptor that was removed is in no later Wait, but may be in one whose
// events are on their way: then its token is stale.
func TestPollerStaleEvents(t *testing.T) {
	stale := 0
	for seed := range uint64(200) {
		w := NewWorld(Config{Seed: seed})
		k := NewKernel(w, Faults{})
		p, l := newPoller(t, k), k.Listen(10)
		c, fd := accepted(t, l)
		p.Add(fd, 7)
		removed, returned := false, false
		w.Go("loop", func() {
			var events [4]poller.Event
			p.Wait(events[:], 0) // the state at Add
			n, _ := p.Wait(events[:], 0)
			returned = true
			if n > 0 && removed {
				stale++
			}
			if n, _ := p.Wait(events[:], 0); n > 0 && removed {
				w.Fail("an event of a descriptor that was removed before the wait")
			}
		})
		w.Go("owner", func() {
			c.Send([]byte("x"))
			w.Yield("removing")
			if !returned {
				p.Remove(fd)
				k.Close(fd)
				removed = true
			}
		})
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
	}
	if stale == 0 {
		t.Error("200 seeds have not made a stale event")
	}
}

// Closing with unread input resets the client, and what it had not read may be
// lost: why a server has to linger.
func TestCloseWithUnreadInput(t *testing.T) {
	k := NewKernel(NewWorld(Config{Seed: 2}), Faults{ResetDrops: 1})
	l := k.Listen(10)
	c, fd := accepted(t, l)
	k.Write(fd, []byte("last words"))
	c.Write([]byte("unread"))
	k.Close(fd)
	if n, err := io.ReadAll(reader{c}); err != syscall.ECONNRESET || len(n) == 10 {
		t.Errorf("read %q, %v", n, err)
	}
	c, fd = accepted(t, l)
	k.Write(fd, []byte("last words"))
	k.ShutdownWrite(fd)
	c.Write([]byte("read"))
	k.Read(fd, make([]byte, 10))
	k.Close(fd)
	if n, err := io.ReadAll(reader{c}); err != nil || string(n) != "last words" {
		t.Errorf("read %q, %v", n, err)
	}
}

// What is written last may be held back until the stream ends or something else is written.
func TestWriteLastLeavesWithTheEnd(t *testing.T) {
	k := NewKernel(NewWorld(Config{}), Faults{})
	l := k.Listen(10)
	for name, release := range map[string]func(fd int){
		"shutdown": func(fd int) { k.ShutdownWrite(fd) },
		"close":    func(fd int) { k.Close(fd) },
		"write":    func(fd int) { k.Write(fd, []byte("!")) },
	} {
		c, fd := accepted(t, l)
		k.WriteLast(fd, []byte("bye"))
		if n := c.Buffered(); n != 0 {
			t.Errorf("%s: %d bytes have left already", name, n)
		}
		if release(fd); c.Buffered() < 3 {
			t.Errorf("%s does not send them: %d have left", name, c.Buffered())
		}
	}

	// A reset does not wait for them.
	c, fd := accepted(t, l)
	c.Send([]byte("unread"))
	k.WriteLast(fd, []byte("bye"))
	k.Close(fd)
	if n := c.Buffered(); n != 0 {
		t.Errorf("%d bytes leave with a reset", n)
	}
}

type reader struct{ Client }

func (r reader) Read(b []byte) (int, error) { return r.Client.Read(b) }

// Everybody who lost a connection learns it, and nobody hangs: a listener that
// is closed resets those in its queue, and refuses new ones.
func TestListenerClose(t *testing.T) {
	k := NewKernel(NewWorld(Config{}), Faults{})
	l := k.Listen(1)
	c, _ := l.Dial()
	if _, err := l.Dial(); err != syscall.ECONNREFUSED {
		t.Errorf("dial with a full queue: %v", err)
	}
	k.Close(l.FD())
	if _, err := c.Read(make([]byte, 1)); err != syscall.ECONNRESET {
		t.Errorf("read in the queue of a closed listener: %v", err)
	}
	if _, err := l.Dial(); err != syscall.ECONNREFUSED {
		t.Errorf("dial of a closed listener: %v", err)
	}
}

// Calls are counted by kind, so that a test can say what a message may cost.
func TestCalls(t *testing.T) {
	k := NewKernel(NewWorld(Config{}), Faults{})
	l, p := k.Listen(10), newPoller(t, k)
	c, fd := accepted(t, l)
	p.Add(fd, 1)
	before := k.Calls
	c.Write([]byte("hello"))
	b := make([]byte, 10)
	n, _ := k.Read(fd, b)
	k.Write(fd, b[:n])
	k.Read(fd, b)
	got := k.Calls.Sub(before)
	if got.Read != 2 || got.Write != 1 || got.Again != 1 || got.BytesIn != 5 || got.BytesOut != 5 ||
		got.EmptyReads != 1 || got.Total() != 3 {
		t.Errorf("%+v", got)
	}
}

// A whole run replays: the same calls at the same moments.
func TestKernelReplays(t *testing.T) {
	run := func(seed uint64) uint64 {
		w := NewWorld(Config{Seed: seed})
		k := NewKernel(w, SwarmFaults(w.Rand))
		l := k.Listen(10)
		w.Go("server", func() {
			for served := 0; served < 3; {
				fd, _, err := k.Accept(l.FD())
				if sys.FaultOf(err) == sys.Peer {
					served++ // gone before accept
				}
				if err == nil {
					k.Write(fd, []byte("hello"))
					k.Close(fd)
					served++
				}
			}
		})
		for range 3 {
			w.Go("client", func() {
				c, _ := l.Dial()
				c.Read(make([]byte, 10))
				c.Close()
			})
		}
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
		return w.Hash()
	}
	for seed := range uint64(100) {
		if first, second := run(seed), run(seed); first != second {
			t.Fatalf("seed %d does not replay", seed)
		}
	}
}

// connBytesMax is what the simulation may keep for a quiet connection: a
// million of them have to leave room for the server that is measured.
const connBytesMax = 200

func TestQuietConnections(t *testing.T) {
	const conns = 100_000
	k := NewKernel(NewWorld(Config{}), Faults{})
	l, p := k.Listen(10), newPoller(t, k)
	events := make([]poller.Event, 16)
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	for i := range conns {
		c, fd := accepted(t, l)
		p.Add(fd, uint64(i))
		c.Write([]byte("hello")) // and quiet from then on
		k.Read(fd, make([]byte, 8))
		k.Write(fd, []byte("hello"))
		c.Read(make([]byte, 8))
		for {
			if n, _ := p.Wait(events, 0); n == 0 {
				break
			}
		}
	}
	got := (heap() - before) / conns
	t.Logf("%d bytes for a quiet connection, ConnBytes is %d", got, ConnBytes)
	if got > connBytesMax || got < ConnBytes {
		t.Errorf("%d bytes for a quiet connection, want %d to %d", got, ConnBytes, connBytesMax)
	}
	if k.Open() != conns+3 {
		t.Errorf("%d descriptors are open", k.Open())
	}
	runtime.KeepAlive(k)
}
