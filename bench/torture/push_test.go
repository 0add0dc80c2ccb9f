package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testApp is an app of the server under test.
var testApp = App{ID: "700", Key: "torture-key", Secret: "torture-secret"}

// otherApp is another of the same server.
var otherApp = App{ID: "701", Key: "other-key", Secret: "other-secret"}

// otherFile is a configuration file that has it.
func otherFile(t *testing.T) string {
	t.Helper()
	return configFile(t, otherConfig)
}

// configFile is one that says something.
func configFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "roost.toml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var otherConfig = fmt.Sprintf("[[apps]]\nid = %q\nkey = %q\nsecret = %q\n", otherApp.ID, otherApp.Key, otherApp.Secret)

// pushFlags start roost serve with it.
func pushFlags(more ...string) []string {
	return append([]string{"--app-id", testApp.ID, "--app-key", testApp.Key, "--app-secret", testApp.Secret, "--app-client-events"}, more...)
}

// roost serve passes every case of its own dialect. This is the test of the rows
// about pushing from outside.
func TestRoostPush(t *testing.T) {
	t.Parallel()
	r := startRoost(t, buildRoost(t), "", "serve", pushFlags("--config", otherFile(t))...)
	played := map[string]bool{}
	s, err := Run(t.Context(), Options{
		URL: "ws://" + r.addr, Pid: r.pid, Admin: "http://" + r.admin, Log: r.log,
		Timeout: 20 * time.Second, Delay: stall, Push: &Push{App: testApp, Other: otherApp},
	}, func(r Result) {
		if !strings.HasPrefix(r.ID, "U") {
			played[r.ID] = true
		}
		if !r.OK {
			t.Errorf("%v", r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(played) < 1300 {
		t.Errorf("only %d cases", len(played))
	}
	t.Logf("%d cases, %d runs in %.1f s", s.Cases, s.Runs, s.Millis/1000)
}
