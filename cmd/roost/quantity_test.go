package main

import (
	"strings"
	"testing"
)

// A zero that would silently mean the default is refused, with the flag's name
// and a way out.
func TestZeroIsNoDefault(t *testing.T) {
	for _, args := range []string{
		"serve --drain 0s", "serve --drain=-5s", "serve --activity-timeout 0s", "serve --max-connections 0", "serve --max-connections=-5",
		"serve --max-subscriptions 0", "echo --drain 0s", "echo --loops 0", "echo --workers 0", "echo --max-fragments 0", "echo --max-connections 0",
	} {
		got := command(t, nil, append(strings.Fields(args), "--listen", "127.0.0.1:0", "--admin", "off")...)
		flag, _, _ := strings.Cut(strings.Fields(args)[1], "=")
		if got.code != exitUsage || !strings.Contains(got.stderr, flag+": ") || !strings.Contains(got.stderr, "leave it out for the default") {
			t.Errorf("%s: exit code %d, %q", args, got.code, got.stderr)
		}
	}
}

func TestQuantities(t *testing.T) {
	for text, want := range map[string]int{"1": 1, "10_000": 10_000, "0": 0, "-1": 0, "": 0, "x": 0, "1.5": 0, "99999999999999999999": 0} {
		var q quantity
		if err := q.UnmarshalText([]byte(text)); (err == nil) != (want > 0) || q.n != want {
			t.Errorf("%q is %d (%v), want %d", text, q.n, err, want)
		}
	}
}

// What the packages below complain about is said in the words of flags.
func TestRefusalsNameFlags(t *testing.T) {
	for args, want := range map[string]string{
		"echo --max-held 2000000GiB":         "--max-held is ",
		"echo --ping-interval 99999h":        "--ping-interval is 99999h0m0s",
		"echo --idle-timeout 99999h":         "--idle-timeout is ",
		"echo --max-message 2GiB":            "--max-message is ",
		"echo --max-outbound 2GiB":           "--max-outbound is ",
		"echo --loops 5000":                  "--loops is 5000",
		"echo --workers 5000000":             "--workers is ",
		"echo --deflate-level 12":            "--deflate-level is 12",
		"echo --max-fragments 5000000000":    "--max-fragments is ",
		"serve --drain 99999h":               "--drain is 99999h0m0s",
		"serve --max-per-address 5000000000": "--max-per-address is ",
	} {
		got := command(t, nil, append(strings.Fields(args), "--listen", "127.0.0.1:0", "--admin", "off")...)
		if got.code != exitUsage || !strings.Contains(got.stderr, "roost: "+want) || strings.Contains(got.stderr, "Config.") {
			t.Errorf("%s: exit code %d, %q", args, got.code, got.stderr)
		}
	}
}
