package torture

import (
	"regexp"
	"testing"
	"time"
)

// The suite contradicts itself nowhere: a server exists that passes all of it.
// The limits are small: what is big is for real servers.
func TestModelPasses(t *testing.T) {
	m := startModel(t, "", Options{MaxMessage: 1 << 20, MaxFragments: 2000, HandshakeTimeout: 3 * time.Second, CloseTimeout: 2 * time.Second, Deflate: true})
	mustPass(t, m, nil)
}

// mustPass plays the cases of an id, or all, against a model that has no defect.
func mustPass(t *testing.T, m *model, run *regexp.Regexp) {
	t.Helper()
	o := m.o
	o.Run, o.Timeout, o.Delay = run, 20*time.Second, stall
	s, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Failed {
		t.Errorf("%v", r)
	}
	t.Logf("%d cases, %d runs in %.1f s", s.Cases, s.Runs, s.Millis/1000)
}
