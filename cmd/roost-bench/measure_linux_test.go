package main

import (
	"strings"
	"testing"

	"github.com/roost-ws/roost/bench/run"
)

// A peer that cannot be built is missing from a comparison, which goes on
// without it; roost is not, nor is any server from the smoke test.
func TestMissingServers(t *testing.T) {
	for _, c := range []struct {
		family run.Family
		whole  bool
		want   string
	}{
		{run.GoPeer, false, "nothing was measured"},
		{run.GoPeer, true, "it cannot be built: no compiler"},
		{run.Roost, false, "it cannot be built: no compiler"},
	} {
		m := measure{Whole: c.whole}
		err := m.at(t.Context(), &cli{Root: t.TempDir()}, []*run.Server{{Name: "it", Family: c.family, Missing: "no compiler"}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, whole %v: %v, want %s", c.family, c.whole, err, c.want)
		}
	}
}
