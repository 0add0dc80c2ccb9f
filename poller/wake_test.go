package poller

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counting counts the wakes that reach the kernel.
type counting struct {
	backend
	wakes atomic.Int64
}

func (c *counting) wake() error {
	c.wakes.Add(1)
	return c.backend.wake()
}

func TestWakesAreCoalesced(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		c := &counting{backend: p.backend}
		p.backend = c
		events := make([]Event, 1)
		for round := range int64(3) {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 100 {
						if err := p.Wake(); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if got := c.wakes.Load(); got != round+1 {
				t.Fatalf("800 wakes before a wait reached the kernel %d times", got-round)
			}
			start := time.Now()
			if got := wait(t, p, events, 20*time.Second); len(got) != 0 {
				t.Fatalf("a wake reported %+v", got)
			}
			if time.Since(start) > 10*time.Second {
				t.Fatal("the wake before the wait was lost")
			}
			start = time.Now()
			if wait(t, p, events, 10*time.Millisecond); time.Since(start) < 10*time.Millisecond {
				t.Fatal("a wake was told twice")
			}
		}
	})
}

// Whatever was done before a Wake is seen after a Wait that follows it. The
// waits are so long that a lost wake is a test that hangs.
func TestWakesAreNotLost(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		const wakers, rounds = 4, 2000
		var posted atomic.Int64
		var wg sync.WaitGroup
		for range wakers {
			wg.Go(func() {
				for i := range rounds {
					posted.Add(1)
					if err := p.Wake(); err != nil {
						t.Error(err)
					}
					if i%64 == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		wg.Go(func() { // readiness must not swallow them either
			for range rounds / 10 {
				s.write(b, 1)
				s.read(a, 64)
			}
		})
		watchdog := time.AfterFunc(30*time.Second, func() { panic("a wake was lost") })
		defer watchdog.Stop()
		events := make([]Event, 1)
		for posted.Load() < wakers*rounds {
			wait(t, p, events, -1)
		}
		wg.Wait()
	})
}

// Close comes while others wake, add, remove and wait: they end, with nothing
// but ErrClosed.
func TestCloseWhileInUse(t *testing.T) {
	eachSystem(t, func(t *testing.T, s system) {
		for range 20 {
			p := &Poller{backend: s.backend(t)}
			a, b := s.socketpair(t)
			var wg sync.WaitGroup
			until := func(call func() error) {
				for {
					if err := call(); err == ErrClosed {
						return
					} else if err != nil {
						t.Error(err)
						return
					}
				}
			}
			wg.Go(func() {
				until(func() error {
					_, err := p.Wait(make([]Event, 4), -1)
					return err
				})
			})
			wg.Go(func() { until(p.Wake) })
			wg.Go(func() { until(p.Wake) })
			wg.Go(func() {
				until(func() error {
					if err := p.Add(a, 1); err != nil {
						return err
					}
					return p.Remove(a)
				})
			})
			time.Sleep(100 * time.Microsecond)
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if err := p.Close(); err != ErrClosed {
				t.Fatalf("the second Close returned %v", err)
			}
			s.close(a)
			s.close(b)
		}
	})
}

func TestCloseEndsWait(t *testing.T) {
	withPair(t, func(t *testing.T, s system, p *Poller, a, b int) {
		ended := make(chan error)
		go func() {
			_, err := p.Wait(make([]Event, 1), -1)
			ended <- err
		}()
		time.Sleep(5 * time.Millisecond)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != ErrClosed {
			t.Fatalf("the wait returned %v, want ErrClosed", err)
		}
		if s.write(a, 1) != 1 {
			t.Error("Close touched a descriptor that was added")
		}
		for name, err := range map[string]error{"Add": p.Add(b, 1), "Remove": p.Remove(a), "Wake": p.Wake()} {
			if err != ErrClosed {
				t.Errorf("%s after Close returned %v", name, err)
			}
		}
	})
}
