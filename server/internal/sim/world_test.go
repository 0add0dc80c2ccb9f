package sim

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func failure(t *testing.T, err error) *Failure {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("the run did not fail: %v", err)
	}
	return f
}

// chatter is a run with several coroutines that switch, sleep and draw.
func chatter(seed uint64) (order []int, hash uint64, err error) {
	w := NewWorld(Config{Seed: seed})
	for i := range 5 {
		w.Go("chatter", func() {
			for range 20 {
				order = append(order, i)
				w.Yield("a")
				if w.Rand.IntN(4) == 0 {
					w.Sleep(time.Duration(w.Rand.IntN(1000)))
				}
			}
		})
	}
	err = w.Run()
	return order, w.Hash(), err
}

// A seed is a full replay, and other seeds do other things.
func TestWorldReplays(t *testing.T) {
	seen := make(map[uint64]bool)
	for seed := range uint64(50) {
		a, hashA, err := chatter(seed)
		if err != nil {
			t.Fatal(err)
		}
		b, hashB, _ := chatter(seed)
		if !slices.Equal(a, b) || hashA != hashB {
			t.Fatalf("seed %d: two runs differ", seed)
		}
		seen[hashA] = true
	}
	if len(seen) != 50 {
		t.Errorf("50 seeds made %d different runs", len(seen))
	}
}

// Exactly one coroutine runs at a time, whatever the strategy, and all finish.
func TestWorldRunsOneAtATime(t *testing.T) {
	for s := Uniform; s <= Starve; s++ {
		w := NewWorld(Config{Seed: 7, Strategy: s})
		inside, done := 0, 0
		for range 10 {
			w.Go("c", func() {
				for range 50 {
					inside++
					if inside != 1 {
						w.Fail("%d at a time", inside)
					}
					inside--
					w.Yield("y")
				}
				done++
			})
		}
		if err := w.Run(); err != nil || done != 10 {
			t.Errorf("strategy %d: %d of 10 finished, %v", s, done, err)
		}
	}
}

// Time passes only when nobody can run, apart from the price of the steps,
// and sleepers wake in the order of their moments.
func TestWorldClock(t *testing.T) {
	w := NewWorld(Config{Seed: 1, Step: 1})
	var woke []time.Duration
	start := w.Now()
	for _, d := range []time.Duration{time.Hour, time.Second, time.Minute} {
		w.Go("sleeper", func() {
			w.Sleep(d)
			woke = append(woke, (w.Now() - start).Round(time.Second))
		})
	}
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{time.Second, time.Minute, time.Hour}; !slices.Equal(woke, want) {
		t.Errorf("woke at %v, want %v", woke, want)
	}
}

// Every way to fail is told apart, names the seed and shows who was where.
func TestWorldFailures(t *testing.T) {
	tests := []struct {
		name  string
		kind  Kind
		words string
		start func(w *World)
	}{
		{"lost wake-up", Deadlock, `waiter is at "a bell"`, func(w *World) {
			w.Go("waiter", func() { w.Until("a bell", func() bool { return false }) })
		}},
		{"panic", Panic, "waiter panicked: oh", func(w *World) {
			w.Go("waiter", func() { w.Yield("y"); panic("oh") })
		}},
		{"goexit", Panic, "runtime.Goexit", func(w *World) {
			w.Go("waiter", func() { runtime.Goexit() })
		}},
		{"spin", StepLimit, `waiter is at "spin"`, func(w *World) {
			w.Go("waiter", func() {
				for {
					w.Yield("spin")
				}
			})
		}},
		{"only timers", TimeLimit, "expectation not met: a message", func(w *World) {
			w.Expect("a message", func() bool { return false })
			w.Go("waiter", func() {
				for {
					w.Sleep(time.Second)
				}
			})
		}},
		{"late", Unmet, "not within 1s: a message", func(w *World) {
			w.Go("waiter", func() {
				w.Within(time.Second, "a message", func() bool { return false })
			})
		}},
		{"expectation", Unmet, "expectation not met: a message", func(w *World) {
			w.Expect("a message", func() bool { return false })
			w.Go("waiter", func() {})
		}},
		{"check", Wrong, "two is not three", func(w *World) {
			w.Go("waiter", func() {
				w.Fail("%s is not three", "two")
				panic("a failed coroutine runs on")
			})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWorld(Config{Seed: 99, Steps: 10_000, Time: time.Hour})
			w.Go("other", func() { w.Yield("y") })
			tt.start(w)
			f := failure(t, w.Run())
			text := f.Error()
			if f.Kind != tt.kind || !strings.Contains(text, tt.words) || !strings.Contains(text, "seed 99") {
				t.Errorf("kind %q, want %q with %q in:\n%s", f.Kind, tt.kind, tt.words, text)
			}
		})
	}
}

// No goroutine stays behind, however a run ends, and deferred calls are made.
func TestWorldLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	unwound := 0
	for seed := range uint64(20) {
		w := NewWorld(Config{Seed: seed})
		for range 10 {
			w.Go("stuck", func() {
				defer func() { unwound++ }()
				for {
					w.Until("never", func() bool { return false })
				}
			})
		}
		w.Go("short", func() {})
		failure(t, w.Run())
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before || unwound != 200 {
		t.Errorf("%d goroutines before, %d after; %d of 200 unwound", before, n, unwound)
	}
}

// A full pool refuses, and has room again when a task is over.
func TestPool(t *testing.T) {
	w := NewWorld(Config{Seed: 3})
	p := w.NewPool("worker", 2)
	hold := true
	w.Go("main", func() {
		for range 2 {
			if err := p.Submit(func() { w.Until("hold", func() bool { return !hold }) }); err != nil {
				w.Fail("%v", err)
			}
		}
		if err := p.Submit(func() {}); err != ErrPoolFull {
			w.Fail("a full pool said %v", err)
		}
		hold = false
		w.Until("room", func() bool { return p.Busy() == 0 })
		if err := p.Submit(func() {}); err != nil {
			w.Fail("%v", err)
		}
	})
	if err := w.Run(); err != nil || p.Peak() != 2 {
		t.Errorf("peak %d, %v", p.Peak(), err)
	}
}

// The price of one step with as many coroutines as an engine's test has.
func BenchmarkYield(b *testing.B) {
	for s := Uniform; s <= Starve; s++ {
		b.Run(string(rune('0'+s)), func(b *testing.B) {
			w := NewWorld(Config{Seed: 1, Strategy: s, Steps: 1 << 60, Time: 1 << 60})
			for range 16 {
				w.Go("c", func() {
					for range b.N / 16 {
						w.Yield("y")
					}
				})
			}
			for range 8 {
				w.Go("sleeper", func() { w.Sleep(time.Hour) })
			}
			b.ResetTimer()
			if err := w.Run(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
