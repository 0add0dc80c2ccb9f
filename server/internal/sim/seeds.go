package sim

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// Seeds runs one World per seed and reports the first one that fails, lowest
// seed first. ROOST_SIM_SEEDS says how many instead of n, and ROOST_SIM_SEED=x
// runs that one alone.
func Seeds(t testing.TB, n int, run func(seed uint64) error) {
	t.Helper()
	if one, ok := number(t, "ROOST_SIM_SEED"); ok {
		if err := run(one); err != nil {
			t.Fatal(err)
		}
		return
	}
	if many, ok := number(t, "ROOST_SIM_SEEDS"); ok {
		n = int(many)
	}
	seed, err := FirstFailure(n, run)
	if err == nil {
		return
	}
	if run(seed) == nil {
		t.Logf("seed %d did not fail again: something outside of the World had a part in it; a woven build has less of that", seed)
	}
	t.Fatalf("seed %d of %d: %v", seed, n, err)
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
// processors, and returns the lowest that failed and why. The worlds share
// nothing, so the order in which they run does not matter.
func FirstFailure(n int, run func(seed uint64) error) (uint64, error) {
	var (
		next   atomic.Uint64
		wg     sync.WaitGroup
		mu     sync.Mutex // guards the rest
		lowest = uint64(n) + 1
		first  error
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for {
				seed := next.Add(1)
				mu.Lock()
				over := seed >= lowest
				mu.Unlock()
				if over {
					return
				}
				if err := run(seed); err != nil {
					mu.Lock()
					if seed < lowest {
						lowest, first = seed, err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return lowest, first
}
