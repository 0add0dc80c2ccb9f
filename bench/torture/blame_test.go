package torture

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What breaks in every round, whoever is played, is said, and does not keep the run
// from its end: cases are blamed for it a few times, and then no more.
func TestBlameIsBounded(t *testing.T) {
	defer func(d time.Duration) { settleWithin = d }(settleWithin)
	settleWithin = 100 * time.Millisecond
	var looks atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			return
		}
		goroutines := 20
		if looks.Add(1) > 1 {
			goroutines = 1000
		}
		fmt.Fprintln(w, goroutinesFigure, goroutines)
	}))
	defer s.Close()
	m := startModel(t, "", Options{})
	o := Options{URL: m.url, Admin: s.URL, Run: regexp.MustCompile("^F(5|8|9|10|16)/"), Timeout: 20 * time.Second, Delay: stall}
	sum, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	blamed, given := 0, 0
	for _, r := range sum.Failed {
		switch {
		case r.ID != "U3/goroutines":
			t.Errorf("%v", r)
		case strings.Contains(r.Got, "without a culprit"):
			given++
		default:
			blamed++
		}
	}
	if blamed != blamedMost || given != 1 {
		t.Errorf("blamed %d times, given up %d times; want %d, and once", blamed, given, blamedMost)
	}
	if sum.Runs < roundTurns*3/2 {
		t.Errorf("only %d runs: that is no second round", sum.Runs)
	}
}

// An invariant is given up for the time that it took, too, and no other is.
func TestBlameTakesAMinute(t *testing.T) {
	r := &runner{o: new(Options), watch: &watch{told: map[string]int{}, lost: map[string]bool{}}}
	faults := []broken{{id: "U5/log", got: "a flood", want: "none"}}
	r.pursue(faults, pursuit{took: blameWithin - 1})
	if r.watch.lost["U5/log"] {
		t.Error("given up too soon")
	}
	r.pursue(faults, pursuit{took: 1})
	if !r.watch.lost["U5/log"] || len(r.watch.lost) != 1 || len(r.summary.Failed) != 1 {
		t.Errorf("lost: %v; said: %v", r.watch.lost, r.summary.Failed)
	}
}
