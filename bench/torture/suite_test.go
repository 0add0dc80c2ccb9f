package torture

import (
	"regexp"
	"testing"
	"time"
)

// play runs the cases that match against a model and returns what failed.
func playModel(t *testing.T, m *model, run string, o Options) *Summary {
	t.Helper()
	o.URL = m.url
	o.MaxMessage, o.MaxFragments = m.o.MaxMessage, m.o.MaxFragments
	o.HandshakeTimeout, o.CloseTimeout = m.o.HandshakeTimeout, m.o.CloseTimeout
	if run != "" {
		o.Run = regexp.MustCompile(run)
	}
	s, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The suite contradicts itself nowhere: a server exists that passes all of it.
func TestModelPasses(t *testing.T) {
	limits := Options{HandshakeTimeout: 3 * time.Second, CloseTimeout: time.Second}
	if testing.Short() {
		limits.MaxMessage, limits.MaxFragments = 1<<20, 2000
	}
	m := startModel(t, "", limits)
	s := playModel(t, m, "", Options{})
	for _, r := range s.Failed {
		t.Errorf("%v", r)
	}
	t.Logf("%d cases, %d runs in %.1f s", s.Cases, s.Runs, s.Millis/1000)
}
