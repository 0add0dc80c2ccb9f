package server

import (
	"testing"
	"time"
)

// R12: what clients provoke is logged ten times a second at most, and what was
// left out is counted.
func TestComplaintsAreRationed(t *testing.T) {
	var c complaints
	for second := range 3 {
		written, suppressed := 0, 0
		for i := range 100 {
			if n, ok := c.allow(time.Duration(second)*time.Second + time.Duration(i)*time.Millisecond); ok {
				written++
				suppressed += n
			}
		}
		want := 0
		if second > 0 {
			want = 100 - complaintsMax
		}
		if written != complaintsMax || suppressed != want {
			t.Errorf("second %d: %d lines, %d suppressed before, want %d and %d", second, written, suppressed, complaintsMax, want)
		}
	}
}
