package torture

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// hookConfig tells roost serve of an app's webhooks.
func hookConfig(h *Hooks, a App) string {
	var s strings.Builder
	fmt.Fprintf(&s, "[webhooks]\nallow_networks = [%q]\nhold_back = \"100ms\"\nattempt_timeout = %q\nretry_min = %q\nretry_max = %q\n",
		h.Allowed, h.AttemptTimeout, h.RetryMin, h.RetryMax)
	fmt.Fprintf(&s, "[webhooks.limits]\nattempts = %d\nendpoint_deliveries = %d\nin_flight = %d\ndead_letters = 50\n", h.Attempts, h.Waiting, h.InFlight)
	fmt.Fprintf(&s, "[[apps]]\nid = %q\nkey = %q\nsecret = %q\nclient_events = true\n", a.ID, a.Key, a.Secret)
	for _, e := range h.Endpoints {
		fmt.Fprintf(&s, "[[apps.webhooks]]\nurl = %q\nchannel_prefixes = [%q]\nevents = %s\n", e.URL, e.Prefix, quoteJSON(append([]string{}, e.Events...)))
	}
	return s.String()
}

// Row A13: what roost serve sends, and where it does not, as its receivers see it.
// The allowed one has an address that only Linux takes for loopback without being told.
func TestRoostPushHooks(t *testing.T) {
	t.Parallel()
	hooks, err := OpenHooks()
	if err != nil {
		t.Fatal(err)
	}
	defer hooks.Close()
	r := startRoost(t, buildRoost(t), "", "serve", "--config", configFile(t, hookConfig(hooks, testApp)))
	s, err := Run(t.Context(), Options{
		URL: "ws://" + r.addr, Pid: r.pid, Admin: "http://" + r.admin, Log: r.log, Run: regexp.MustCompile("^A13/"),
		Timeout: 20 * time.Second, Delay: stall, Push: &Push{App: testApp, Hooks: hooks},
	}, func(r Result) {
		if !r.OK {
			t.Errorf("%v", r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if row := s.perRow["A13"]; row == nil || row.cases < 17 {
		t.Errorf("only %+v", row)
	}
	t.Logf("%d cases, %d runs in %.1f s", s.Cases, s.Runs, s.Millis/1000)
}
