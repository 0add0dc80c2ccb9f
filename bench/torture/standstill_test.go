package torture

import (
	"testing"
	"time"
)

// A longer pause of the whole process than the models' shortest deadline: what is
// judged then is the machine.
const standstill = 400 * time.Millisecond

// watchClock looks for pauses of this process; stood ends it and reports whether
// there was a standstill.
func watchClock() (stood func() bool) {
	over, longest := make(chan struct{}), make(chan time.Duration)
	go func() {
		pause := time.Duration(0)
		for last := time.Now(); ; {
			select {
			case <-over:
				longest <- pause
				return
			case <-time.After(10 * time.Millisecond):
			}
			now := time.Now()
			pause, last = max(pause, now.Sub(last)), now
		}
	}()
	return func() bool {
		close(over)
		return <-longest > standstill
	}
}

// undisturbed tries what returns complaints, and again, for a while, when there are
// some and the machine stood still meanwhile. Those that are left fail the test.
func undisturbed(t *testing.T, try func() (complaints []string)) {
	t.Helper()
	for left := 5; ; left-- {
		stood := watchClock()
		complaints := try()
		if stood() && len(complaints) > 0 && left > 0 {
			continue
		}
		for _, c := range complaints {
			t.Error(c)
		}
		return
	}
}
