package engine

import (
	"math"
	"testing"
	"time"
)

// Ticks rounds up: a deadline is never early. A length of time that stands for
// "never" gives a deadline that lies ahead, not one that has wrapped around.
func TestTicks(t *testing.T) {
	for _, tc := range []struct {
		d    time.Duration
		want Tick
	}{
		{0, 0}, {1, 1}, {tickLength, 1}, {tickLength + 1, 2},
		{ticksMax * tickLength, ticksMax}, {ticksMax*tickLength + 1, ticksMax}, {math.MaxInt64, ticksMax},
	} {
		if got := Ticks(tc.d); got != tc.want {
			t.Errorf("%v is %d ticks, want %d", tc.d, got, tc.want)
		}
	}
	if now := tickOf(365 * 24 * time.Hour); now+Ticks(math.MaxInt64) < now {
		t.Error("a deadline wraps around")
	}
}
