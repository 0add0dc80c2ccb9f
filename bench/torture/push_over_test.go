package torture

import (
	"regexp"
	"slices"
	"testing"
	"time"
)

// What is written to many at once is written in other ways over TLS, and where
// messages are compressed for some of them.
func TestRoostPushOver(t *testing.T) {
	secured, roots := certificateFiles(t)
	for _, c := range []struct {
		name, scheme, run string
		args              []string
	}{
		{"deflate", "ws://", "^(B|R8)", []string{"--deflate", "--deflate-min-size", "1B"}},
		{"tls", "wss://", "^(B[1-7]|H29|R8)/", secured},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("it was tested over TCP, and uncompressed")
			}
			t.Parallel()
			r := startRoost(t, buildRoost(t), "", "serve", pushFlags(c.args...)...)
			s, err := Run(t.Context(), Options{
				URL: c.scheme + r.addr, Roots: roots, Pid: r.pid, Admin: "http://" + r.admin, Log: r.log, Run: regexp.MustCompile(c.run),
				Timeout: 20 * time.Second, Delay: stall, Deflate: slices.Contains(c.args, "--deflate"), Push: &Push{App: testApp},
			}, func(r Result) {
				if !r.OK {
					t.Errorf("%v", r)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if s.Cases < 15 {
				t.Errorf("only %d cases", s.Cases)
			}
			t.Logf("%d cases, %d runs in %.1f s", s.Cases, s.Runs, s.Millis/1000)
		})
	}
}
