package poller

import (
	"math"
	"runtime"
	"slices"
	"testing"
	"time"
)

// system is a kernel with stream sockets on which a backend can be tested:
// the real one, or a model.
type system interface {
	backend(t *testing.T) backend
	// socketpair returns two connected descriptors, the lowest that are free.
	socketpair(t *testing.T) (a, b int)
	write(fd, n int) int // how many bytes were taken; 0 when there is no room
	read(fd, n int) int  // how many bytes came; 0 at the end, -1 when none are there yet
	shutdown(fd int)     // of writing
	close(fd int)
	// waiter is called by the goroutine that is about to wait, and interrupt
	// by another to interrupt that wait.
	waiter()
	interrupt(t *testing.T)
	descriptors() int // how many are open
}

// systems are those that this machine can offer; the real one adds itself.
var systems = map[string]func() system{
	"model": func() system { return newModel() },
}

// eachSystem runs test on every system.
func eachSystem(t *testing.T, test func(t *testing.T, s system)) {
	for name, open := range systems {
		t.Run(name, func(t *testing.T) {
			s := open()
			before := s.descriptors()
			goroutines := runtime.NumGoroutine()
			test(t, s)
			if after := s.descriptors(); after != before {
				t.Errorf("%d descriptors were open before the test and %d after", before, after)
			}
			// A goroutine that has told its end may still be leaving.
			for end := time.Now().Add(time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d goroutines before the test and %d after", goroutines, runtime.NumGoroutine())
				}
			}
		})
	}
}

// withPoller runs test with an open Poller and closes it.
func withPoller(t *testing.T, test func(t *testing.T, s system, p *Poller)) {
	eachSystem(t, func(t *testing.T, s system) {
		p := &Poller{backend: s.backend(t)}
		defer func() {
			if err := p.Close(); err != nil && err != ErrClosed {
				t.Error(err)
			}
		}()
		test(t, s, p)
	})
}

// withPair runs test with a pair of which a was added with the token 7, and
// after the report of a's first state.
func withPair(t *testing.T, test func(t *testing.T, s system, p *Poller, a, b int)) {
	withPoller(t, func(t *testing.T, s system, p *Poller) {
		a, b := s.socketpair(t)
		defer s.close(a)
		defer s.close(b)
		add(t, p, a, 7)
		defer p.Remove(a)
		expect(t, p, Event{Token: 7, Writable: true})
		test(t, s, p, a, b)
	})
}

func add(t *testing.T, p *Poller, fd int, token uint64) {
	t.Helper()
	if err := p.Add(fd, token); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, p *Poller, fd int) {
	t.Helper()
	if err := p.Remove(fd); err != nil {
		t.Fatal(err)
	}
}

func wait(t *testing.T, p *Poller, events []Event, timeout time.Duration) []Event {
	t.Helper()
	n, err := p.Wait(events, timeout)
	if err != nil {
		t.Fatal(err)
	}
	return events[:n]
}

// expect fails the test unless what is reported now are exactly the events
// wanted, in any order.
func expect(t *testing.T, p *Poller, want ...Event) {
	t.Helper()
	got := slices.Clone(wait(t, p, make([]Event, 64), 0))
	byToken := func(a, b Event) int { return int(a.Token) - int(b.Token) }
	slices.SortFunc(got, byToken)
	slices.SortFunc(want, byToken)
	if !slices.Equal(got, want) {
		t.Fatalf("reported\n%+v, want\n%+v", got, want)
	}
	if again := wait(t, p, make([]Event, 64), 0); len(again) != 0 {
		t.Fatalf("the same edges were reported twice: %+v", again)
	}
}

func TestAddReportsStateOnce(t *testing.T) {
	withPoller(t, func(t *testing.T, s system, p *Poller) {
		a, b := s.socketpair(t)
		defer s.close(a)
		defer s.close(b)
		s.write(b, 5)
		add(t, p, a, 1)
		expect(t, p, Event{Token: 1, Readable: true, Writable: true})
		add(t, p, b, 2)
		expect(t, p, Event{Token: 2, Writable: true})
		remove(t, p, a)
		remove(t, p, b)
	})
}

// New bytes are an edge even when older ones were never read.
func TestEdgeAfterNewBytes(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		for range 3 {
			s.write(b, 1)
			expectReadable(t, p, false)
		}
		if got := s.read(a, 10); got != 3 {
			t.Fatalf("read %d bytes, want 3", got)
		}
		expectNone(t, p)
		s.write(b, 1)
		expectReadable(t, p, false)
	})
}

// expectReadable wants one event that says so; an epoll tells of room for
// writing at the same time, a kqueue does not.
func expectReadable(t *testing.T, p *Poller, hangup bool) {
	t.Helper()
	got := wait(t, p, make([]Event, 8), 0)
	if len(got) != 1 || got[0].Token != 7 || !got[0].Readable || got[0].Hangup != hangup {
		t.Fatalf("reported %+v, want it readable, hangup %t", got, hangup)
	}
	expectNone(t, p)
}

func expectNone(t *testing.T, p *Poller) {
	t.Helper()
	if got := wait(t, p, make([]Event, 8), 0); len(got) != 0 {
		t.Fatalf("reported %+v, want nothing", got)
	}
}

func TestEdgeAfterNewRoom(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		sent := 0
		for n := s.write(a, 4096); n > 0; n = s.write(a, 4096) {
			sent += n
		}
		expectNone(t, p)
		for sent > 0 {
			n := s.read(b, 1<<16)
			if n <= 0 {
				t.Fatalf("the peer read %d with %d bytes to come", n, sent)
			}
			sent -= n
		}
		got := wait(t, p, make([]Event, 8), 0)
		if len(got) != 1 || !got[0].Writable || got[0].Readable {
			t.Fatalf("reported %+v, want it writable", got)
		}
	})
}

// The end of the stream comes together with the bytes before it, and they can
// be read.
func TestHangupWithBytes(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		s.write(b, 5)
		s.shutdown(b)
		expectReadable(t, p, true)
		if got := s.read(a, 10); got != 5 {
			t.Fatalf("read %d bytes before the end, want 5", got)
		}
		if got := s.read(a, 10); got != 0 {
			t.Fatalf("read %d, want the end", got)
		}
	})
}

func TestHangupAfterBytes(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		s.write(b, 5)
		expectReadable(t, p, false)
		s.shutdown(b)
		expectReadable(t, p, true)
	})
}

func TestPeerClosed(t *testing.T) {
	withPoller(t, func(t *testing.T, s system, p *Poller) {
		a, b := s.socketpair(t)
		defer s.close(a)
		add(t, p, a, 7)
		expect(t, p, Event{Token: 7, Writable: true})
		s.close(b)
		expect(t, p, Event{Token: 7, Readable: true, Writable: true, Hangup: true})
		remove(t, p, a)
	})
}

// Our own shutdown does not say that the peer has finished.
func TestOwnShutdownIsNoHangup(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		s.shutdown(a)
		for _, ev := range wait(t, p, make([]Event, 8), 0) {
			if ev.Hangup || ev.Readable {
				t.Fatalf("reported %+v of a peer that did nothing", ev)
			}
		}
		s.write(b, 1)
		expectReadable(t, p, false)
	})
}

func TestRemoveEndsReports(t *testing.T) {
	withPoller(t, func(t *testing.T, s system, p *Poller) {
		a, b := s.socketpair(t)
		defer s.close(a)
		defer s.close(b)
		add(t, p, a, 7)
		remove(t, p, a)
		s.write(b, 1)
		expectNone(t, p)
		if err := p.Remove(a); err == nil {
			t.Error("removing a descriptor twice gave no error")
		}
		add(t, p, a, 8)
		if err := p.Add(a, 9); err == nil {
			t.Error("adding a descriptor twice gave no error")
		}
		expect(t, p, Event{Token: 8, Readable: true, Writable: true})
		remove(t, p, a)
		if err := p.Add(-1, 1); err == nil {
			t.Error("adding descriptor -1 gave no error")
		}
		if err := p.Remove(-1); err == nil {
			t.Error("removing descriptor -1 gave no error")
		}
	})
}

// Events already taken out of the kernel keep the token of the registration
// they were reported for, also when the number belongs to a new socket.
func TestStaleEventKeepsToken(t *testing.T) {
	withPoller(t, func(t *testing.T, s system, p *Poller) {
		a, b := s.socketpair(t)
		add(t, p, a, 1<<32|5)
		s.write(b, 1)
		taken := wait(t, p, make([]Event, 8), 0)
		remove(t, p, a)
		s.close(a)
		s.close(b)
		a2, b2 := s.socketpair(t)
		if a2 != a {
			t.Fatalf("the new socket is %d, not %d", a2, a)
		}
		add(t, p, a2, 2<<32|5)
		if len(taken) != 1 || taken[0].Token != 1<<32|5 {
			t.Fatalf("taken before: %+v", taken)
		}
		expect(t, p, Event{Token: 2<<32 | 5, Writable: true})
		remove(t, p, a2)
		s.close(a2)
		s.close(b2)
	})
}

func TestTokensAreOpaque(t *testing.T) {
	withPoller(t, func(t *testing.T, s system, p *Poller) {
		a, b := s.socketpair(t)
		defer s.close(a)
		defer s.close(b)
		for _, token := range []uint64{0, 1, math.MaxInt32, 1 << 31, math.MaxUint32, 1 << 32, 1 << 63, math.MaxUint64 - 1} {
			add(t, p, a, token)
			expect(t, p, Event{Token: token, Writable: true})
			remove(t, p, a)
		}
		if err := p.Add(a, TokenReserved); err == nil {
			t.Error("the reserved token was taken")
		}
	})
}

// More is ready than one Wait has room for: nothing is lost, nothing told twice.
func TestMoreReadyThanRoom(t *testing.T) {
	withPoller(t, func(t *testing.T, s system, p *Poller) {
		const pairs = 40
		seen := map[uint64]int{}
		for i := range pairs {
			a, b := s.socketpair(t)
			defer s.close(a)
			defer s.close(b)
			s.write(b, 1)
			add(t, p, a, uint64(i))
			defer p.Remove(a)
		}
		if err := p.Wake(); err != nil {
			t.Fatal(err)
		}
		for range 2*pairs + 1 { // a kqueue may tell of reading and of writing apart
			for _, ev := range wait(t, p, make([]Event, 7), 0) {
				if ev.Readable {
					seen[ev.Token]++
				}
			}
		}
		for i := range pairs {
			if seen[uint64(i)] != 1 {
				t.Errorf("token %d was reported readable %d times", i, seen[uint64(i)])
			}
		}
	})
}

func TestWaitTimeouts(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		events := make([]Event, 1)
		for _, timeout := range []time.Duration{0, 1, 1500 * time.Microsecond, 20 * time.Millisecond} {
			start := time.Now()
			if got := wait(t, p, events, timeout); len(got) != 0 {
				t.Fatalf("reported %+v", got)
			}
			if took := time.Since(start); took < timeout {
				t.Errorf("a wait for %v returned after %v", timeout, took)
			}
		}
		for _, timeout := range []time.Duration{-1, math.MinInt64, 1 << 32 * time.Millisecond, math.MaxInt64} {
			go func() {
				time.Sleep(10 * time.Millisecond)
				s.write(b, 1)
			}()
			if got := wait(t, p, events, timeout); len(got) != 1 || !got[0].Readable {
				t.Errorf("a wait for %v returned %+v", timeout, got)
			}
		}
		if _, err := p.Wait(nil, 0); err == nil {
			t.Error("a wait without room gave no error")
		}
	})
}

// A signal in the middle of a wait is no error and loses nothing. Where the
// wait is no system call there is nothing for it to end.
func TestWaitInterrupted(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		type result struct {
			n   int
			err error
		}
		returned := make(chan result, 1)
		ready := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			s.waiter()
			close(ready)
			n, err := p.Wait(make([]Event, 8), 20*time.Second)
			returned <- result{n, err}
		}()
		<-ready
		for range 20 {
			s.interrupt(t)
			select {
			case r := <-returned:
				if r.n != 0 || r.err != nil {
					t.Fatalf("an interrupted wait returned %d events and the error %v", r.n, r.err)
				}
				s.write(b, 1)
				expectReadable(t, p, false)
				return
			case <-time.After(time.Millisecond):
			}
		}
		s.write(b, 1)
		if r := <-returned; r.n != 1 || r.err != nil {
			t.Fatalf("a wait that signals did not end returned %d events and the error %v", r.n, r.err)
		}
	})
}

func TestWaitDoesNotAllocate(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		events := make([]Event, 8)
		allocs := testing.AllocsPerRun(100, func() {
			s.write(b, 1)
			p.Wait(events, -1)
			p.Wake()
			p.Wait(events, -1)
			p.Wait(events, 0)
		})
		if allocs != 0 {
			t.Errorf("%v allocations", allocs)
		}
	})
}
