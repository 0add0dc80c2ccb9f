package million

import (
	"strings"
	"testing"
)

// roomy is a machine on which everything is possible for a million.
var roomy = Host{Descriptors: 1_100_000, Memory: 64 << 30, MaxMaps: 2_000_000, ShmFree: 20 << 30, UserMode: "/usr/bin/linux.uml"}

// The best way that nothing is missing for is taken, and the reasons against
// the better ones are named.
func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *Host)
		want   Way
		why    []string
	}{
		"all is there":         {func(*Host) {}, Process, nil},
		"few descriptors":      {func(h *Host) { h.Descriptors = 20_000 }, UserMode, []string{"20000"}},
		"no user-mode kernel":  {func(h *Host) { h.Descriptors, h.UserMode = 20_000, "" }, Processes, []string{"20000", "apt-get install user-mode-linux"}},
		"few mappings":         {func(h *Host) { h.Descriptors, h.MaxMaps = 20_000, 65_530 }, Processes, []string{"sysctl -w vm.max_map_count=2000000"}},
		"little shared memory": {func(h *Host) { h.Descriptors, h.ShmFree = 20_000, 1<<30 }, Processes, []string{"mount -o remount,size="}},
		"little memory":        {func(h *Host) { h.Memory = 4 << 30 }, Simulation, []string{"4096 MB of memory"}},
	} {
		h := roomy
		c.change(&h)
		way, why := h.Choose(1_000_000)
		if way != c.want {
			t.Errorf("%s: chose %s because %s; want %s", name, way, why, c.want)
		}
		for _, part := range c.why {
			if !strings.Contains(why, part) {
				t.Errorf("%s: the reason does not name %q: %s", name, part, why)
			}
		}
	}
}

// No process gets more connections than it may have descriptors for.
func TestSplitKeepsToTheLimit(t *testing.T) {
	h := Host{Descriptors: 20_000}
	if server, client := h.Split(Processes, 1_000_000); server != 19_800 || client != 19_800 {
		t.Errorf("several processes: %d at a server, %d at a client", server, client)
	}
	if server, client := h.Split(UserMode, 1_000_000); server != 1_000_000 || client > 1_000_000/4 {
		t.Errorf("user-mode kernel: %d at a server, %d at a client", server, client)
	}
	sum := 0
	for i := range 7 {
		sum += share(1_000_000, 7, i)
	}
	if sum != 1_000_000 {
		t.Errorf("seven shares of a million make %d", sum)
	}
}
