package sim

import (
	"slices"
	"strings"
	"testing"
)

// pieces is a run of many parts that fails when some of them meet, whatever the
// others do, and on some schedules only.
func pieces(culprits []int) func(Config) error {
	return func(cfg Config) error {
		w := NewWorld(cfg)
		met := 0
		w.Go("main", func() {
			for i := range 100 {
				if w.Part("piece %d", i) && slices.Contains(culprits, i) {
					met++
				}
			}
			if met == len(culprits) && w.Rand.IntN(3) == 0 {
				w.Fail("they met")
			}
		})
		return w.Run()
	}
}

// Shrink keeps the parts that a failure needs, drops the others, and what it
// says replays the failure.
func TestShrinkDropsWhatHasNoPart(t *testing.T) {
	for _, culprits := range [][]int{{7}, {3, 64}, {0, 50, 99}} {
		run := pieces(culprits)
		seed, err := FirstFailure(100, func(seed uint64) error { return run(Config{Seed: seed}) })
		if err == nil {
			t.Fatalf("%v: no seed fails", culprits)
		}
		small := Shrink(seed, run)
		if small == nil {
			t.Fatalf("%v: the seed does not fail again", culprits)
		}
		_, list, _ := strings.Cut(small.Replay, `ROOST_SIM_ONLY="`)
		parts := strings.Split(strings.TrimSuffix(list, `"`), ",")
		if len(parts) != len(culprits) {
			t.Errorf("%v: shrunk to %q", culprits, small.Replay)
		}
		again := Config{Seed: seed, Parts: newParts(parts)}
		for again.Schedule = 0; !strings.Contains(small.Replay+" ", replaySchedule(again.Schedule)); again.Schedule++ {
			if again.Schedule > shrinkSchedules*shrinkRuns {
				t.Fatalf("%q names no schedule", small.Replay)
			}
		}
		if err := run(again); err == nil {
			t.Errorf("%q does not replay the failure", small.Replay)
		}
	}
}

func replaySchedule(n uint64) string {
	text := strings.TrimPrefix(replay(Config{Seed: 1, Schedule: n}), "ROOST_SIM_SEED=1")
	return text + " "
}

// What is drawn for a part depends on no other part.
func TestRandOfStandsAlone(t *testing.T) {
	one, two := NewWorld(Config{Seed: 5}), NewWorld(Config{Seed: 5, Schedule: 9})
	two.Rand.Uint64()
	two.RandOf("another").Uint64()
	if a, b := one.RandOf("it").Uint64(), two.RandOf("it").Uint64(); a != b {
		t.Errorf("%d, then %d", a, b)
	}
	if a, b := one.RandOf("it").Uint64(), one.RandOf("that").Uint64(); a == b {
		t.Error("two names draw the same")
	}
}
