package sim

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Seeds runs one World per seed and reports the first one that fails, made as
// small as can be. ROOST_SIM_SEEDS says how many instead of
// n, and ROOST_SIM_SEED=x runs that one alone, with the schedule and the parts
// of ROOST_SIM_SCHEDULE and ROOST_SIM_ONLY.
func Seeds(t testing.TB, n int, run func(cfg Config) error) {
	t.Helper()
	if one, ok := number(t, "ROOST_SIM_SEED"); ok {
		schedule, _ := number(t, "ROOST_SIM_SCHEDULE")
		var only []string
		if text := os.Getenv("ROOST_SIM_ONLY"); text != "" {
			only = strings.Split(text, ",")
		}
		if err := run(Config{Seed: one, Schedule: schedule, Parts: newParts(only)}); err != nil {
			t.Fatal(err)
		}
		return
	}
	if many, ok := number(t, "ROOST_SIM_SEEDS"); ok {
		n = int(many)
	}
	seed, err := FirstFailure(n, func(seed uint64) error { return run(Config{Seed: seed}) })
	if err == nil {
		return
	}
	small := Shrink(seed, run)
	if small == nil {
		t.Logf("seed %d did not fail again: something outside of the World had a part in it; a woven build has less of that", seed)
		t.Fatalf("seed %d of %d: %v", seed, n, err)
	}
	t.Fatalf("seed %d of %d fails; a small run that fails like it:\n%v", seed, n, small)
}

func number(t testing.TB, name string) (uint64, bool) {
	text := os.Getenv(name)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n, true
}

// FirstFailure runs the seeds 1 to n, as many at a time as there are
// processors, and returns the one that failed first and why. A run that fails
// leaves what it held in the pools of the code under test, so that what fails
// after it may be its victim.
func FirstFailure(n int, run func(seed uint64) error) (uint64, error) {
	var (
		next   atomic.Uint64
		wg     sync.WaitGroup
		mu     sync.Mutex // guards the rest
		failed uint64
		first  error
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for {
				seed := next.Add(1)
				mu.Lock()
				over := seed > uint64(n) || first != nil
				mu.Unlock()
				if over {
					return
				}
				if err := run(seed); err != nil {
					mu.Lock()
					if first == nil {
						failed, first = seed, err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed, first
}
