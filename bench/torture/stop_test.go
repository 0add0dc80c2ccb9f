package torture

import (
	"crypto/x509"
	"slices"
	"syscall"
	"testing"
	"time"
)

// stopRoosts plays rows S1 to S5: roost echo is told to end while clients of every
// kind are there. What is left of the invariants must hold of that, too.
func stopRoosts(t *testing.T, binary string, secured []string, roots *x509.CertPool) {
	for _, c := range []struct {
		name  string
		args  []string
		stop  Stopping
		twice bool // a second signal follows
	}{
		{name: "stop-workers", args: []string{"--drain", "3s"}, stop: Stopping{Window: 3 * time.Second, Grace: 3 * time.Second}},
		{name: "stop-inline", args: []string{"--inline", "--drain", "3s"}, stop: Stopping{Window: 3 * time.Second, Grace: 3 * time.Second}},
		{name: "stop-tls", args: slices.Concat(secured, []string{"--inline", "--drain", "3s"}), stop: Stopping{Window: 3 * time.Second, Grace: 3 * time.Second}},
		// Clients that do not answer are given five seconds when the window is over.
		{name: "stop-rude", args: []string{"--inline", "--drain", "3s"}, stop: Stopping{Window: 3 * time.Second, Grace: 8 * time.Second, Rude: true}},
		{name: "stop-twice", args: []string{"--drain", "1m"}, stop: Stopping{Grace: 5 * time.Second, Code: 1, Rude: true, AtOnce: true}, twice: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "stop-workers" && testing.Short() {
				t.Skip("the workers were tested")
			}
			t.Parallel()
			r := launchRoost(t, binary, "", c.args...)
			scheme := "ws"
			if slices.Contains(c.args, "--tls-cert") {
				scheme = "wss"
			}
			c.stop.Ended = r.ended
			c.stop.Signal = func() error {
				err := r.cmd.Process.Signal(syscall.SIGTERM)
				if c.twice {
					time.Sleep(200 * time.Millisecond) // one signal that waits is as good as two
					err = r.cmd.Process.Signal(syscall.SIGTERM)
				}
				return err
			}
			s, err := Stop(t.Context(), Options{
				URL: scheme + "://" + r.addr + "/torture", Roots: roots, Pid: r.pid, Admin: "http://" + r.admin, Log: r.log,
				Timeout: 20 * time.Second, Delay: stall,
			}, c.stop, func(r Result) {
				if !r.OK {
					t.Errorf("%v", r)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if least := 9; s.Cases < least && !c.stop.AtOnce {
				t.Errorf("only %d things were judged, want %d", s.Cases, least)
			}
			t.Logf("%d things judged; it took %.1f s to end", s.Cases, s.Millis/1000)
		})
	}
}
