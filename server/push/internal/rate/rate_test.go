package rate

import (
	"testing"
	"time"
)

// The limit is exact: n at once and not one more, then one for each nth of a second.
func TestRateIsExact(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 1000} {
		var r Rate
		now := time.Unix(1_700_000_000, 0)
		take := func(want int) {
			t.Helper()
			for i := range want {
				if !r.Take(now, n) {
					t.Fatalf("%d a second: number %d of %d was refused", n, i+1, want)
				}
			}
			if r.Take(now, n) {
				t.Fatalf("%d a second: one more than %d was allowed", n, want)
			}
		}
		take(n)
		now = now.Add(time.Second/time.Duration(n) - time.Microsecond)
		take(0)
		now = now.Add(time.Microsecond)
		take(1)
		now = now.Add(time.Second)
		take(n)
		now = now.Add(time.Hour) // rest earns nothing beyond the burst
		take(n)
	}
}

// What is allowed at once need not be what is allowed in each second.
func TestRateOfManyAtOnce(t *testing.T) {
	var r Rate
	now := time.Unix(1_700_000_000, 0)
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 200}, {time.Second, 10}, {time.Second / 10, 1}, {19*time.Second + time.Second/2, 195}, {time.Hour, 200}} {
		now = now.Add(step.after)
		n := 0
		for r.TakeOf(now, 10, 200) {
			n++
		}
		if n != step.want {
			t.Fatalf("%d were allowed after %v, want %d", n, step.after, step.want)
		}
	}
}

// A rate that changes meanwhile, as configurations do, holds from the next event on.
func TestRateMayChange(t *testing.T) {
	var r Rate
	now := time.Unix(1_700_000_000, 0)
	for range 100 {
		if !r.Take(now, 100) {
			t.Fatal("refused within the limit")
		}
	}
	if r.Take(now.Add(500*time.Millisecond), 1) {
		t.Error("the lower rate allowed one while the burst is being paid for")
	}
	if !r.Take(now.Add(time.Second), 1) {
		t.Error("refused a second later")
	}
}

// Row M3: a clock that is set back costs a second, not as long as it was set back by.
func TestRateWithAnotherClock(t *testing.T) {
	var r Rate
	now := time.Unix(1_700_000_000, 0)
	for r.Take(now, 10) {
	}
	now = now.Add(-time.Hour)
	if r.Take(now, 10) {
		t.Error("setting the clock back allows more at once")
	}
	now = now.Add(time.Second)
	for i := range 10 {
		if !r.Take(now, 10) {
			t.Fatalf("a second after the clock was set back %d are allowed, want 10", i)
		}
	}
}
