package main

import (
	"os"
	"strings"
	"testing"
)

// The table of limits and deadlines in the documentation is that of the code.
// make docs writes it anew.
func TestBoundsInDocsAreCurrent(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- bounds: make docs -->\n")
	table, _, found := strings.Cut(rest, "<!-- end -->")
	got := command(t, nil, "bounds")
	if !found || table != got.stdout || got.code != exitOK {
		t.Errorf("docs/security.md has not what the code says; run make docs. The code says\n%s%s", got.stdout, got.stderr)
	}
	if rows := strings.Count(table, "\n"); rows < 20 {
		t.Errorf("%d rows", rows)
	}
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		unit string
		v    int64
		want string
	}{
		{"time", 10e9, "10s"}, {"time", 60e9, "1m"}, {"time", 3600e9, "1h"}, {"time", 150e9, "2m30s"}, {"time", 0, "off"}, {"time", 365 * 24 * 3600e9, "8760h"},
		{"bytes", 1 << 20, "1MiB"}, {"bytes", 1000, "1,000"}, {"frames", 1 << 30, "1,073,741,824"}, {"frames", 999, "999"},
	} {
		if got := amount(c.unit, c.v); got != c.want {
			t.Errorf("%d %s is %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}
