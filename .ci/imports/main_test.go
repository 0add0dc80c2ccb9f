package main

import (
	"slices"
	"strings"
	"testing"
)

// Each row is an import that must be refused, and the words that say why.
func TestRefused(t *testing.T) {
	for _, row := range []struct {
		self, imp string
		test      bool
		want      string
	}{
		{"poller", module + "/server", false, "not the way imports point"},
		{"server/push", module + "/server/internal/engine", false, "not the way imports point"},
		{"server/internal/engine", module + "/server", false, "not the way imports point"},
		{"server/internal/wire", module + "/server/internal/sys", false, "not the way imports point"},
		{"server", module + "/server/push", false, "not the way imports point"},
		{"server/push", "golang.org/x/sys/unix", false, "only poller, server/internal/sys"},
		{"server/push", "github.com/gobwas/ws", false, "only server, server/internal/wire"},
		{"server", "github.com/panjf2000/ants/v2", false, "only server/internal/engine may"},
		{"server", "github.com/alecthomas/kong", false, "only cmd/... may"},
		{"cmd/roost", "github.com/prometheus/client_golang/prometheus", false, "only server/metrics may"},
		{"server", "github.com/gorilla/websocket", false, "has no door"},
		{"server", "example.com/new", true, "has no door"},
		{"server/push", "github.com/coder/websocket", true, "only cmd/..., server may"},
		{"server", "C", false, "uses cgo"},
		{"server/novel", "fmt", false, "is not in the table"},
	} {
		p := pkg{ImportPath: module + "/" + row.self}
		if row.test {
			p.XTestImports = []string{row.imp}
		} else {
			p.Imports = []string{row.imp}
		}
		if got := strings.Join(check(p), "\n"); !strings.Contains(got, row.want) {
			t.Errorf("%s imports %s: got %q, want %q", row.self, row.imp, got, row.want)
		}
	}
}

// What DESIGN allows must pass, in code and in tests.
func TestAllowed(t *testing.T) {
	for _, p := range []pkg{
		{ImportPath: module + "/server/push", Imports: []string{"fmt", "net/http", module + "/server"}},
		{ImportPath: module + "/server", Imports: []string{module + "/server/internal/engine", module + "/poller"}},
		{ImportPath: module + "/poller", Imports: []string{"golang.org/x/sys/unix"}},
		{ImportPath: module + "/cmd/roost", Imports: []string{"github.com/alecthomas/kong"}, TestImports: []string{"github.com/gorilla/websocket"}},
		{ImportPath: module + "/server/internal/engine", TestImports: []string{module + "/server/internal/sim"}},
		{ImportPath: module + "/bench/load", Imports: []string{module + "/poller", module + "/bench/report"}},
	} {
		if faults := check(p); len(faults) > 0 {
			t.Errorf("%s: %s", p.ImportPath, strings.Join(faults, "; "))
		}
	}
}

// No command of .ci is left out.
func TestChecks(t *testing.T) {
	got := checks("../..")
	for _, want := range []string{"docs", "imports", "mutants", "sbom", "tidy"} {
		if !slices.Contains(got, "./.ci/"+want) {
			t.Errorf("%v lacks %s", got, want)
		}
	}
}
