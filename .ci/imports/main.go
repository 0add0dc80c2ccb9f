// Command imports checks which way the packages of roost import one another,
// and that each external module comes in by its own door.
//
// Go's internal/ keeps strangers out, but server/push sits under server/ and
// could reach the engine; and nothing in the language stops a second package
// from talking to x/sys. The two tables below are the rule; a package or a
// module that is in neither is refused, so that adding one is a decision
// somebody reads.
//
// Usage, from the root of the repository: go run ./.ci/imports
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const module = "github.com/roost-ws/roost"

// floors says which packages of this module each package may import. Paths are
// relative to the module; "dir/..." means dir and all below it.
var floors = map[string][]string{
	"poller":                    {},
	"server/internal/sys":       {"poller"},
	"server/internal/wire":      {},
	"server/internal/deflate":   {"server/internal/wire"},
	"server/internal/handshake": {"server/internal/wire"},
	"server/internal/ktls":      {},
	"server/internal/secure":    {"server/internal/ktls"},
	"server/internal/engine":    {"poller", "server/internal/sys", "server/internal/secure"},
	"server/internal/sim":       {"poller", "server/internal/sys"},
	"server/internal/ground":    {"server/internal/sys"},
	"server":                    {"poller", "server/internal/..."},
	"server/push":               {"server", "server/push/internal/..."},
	"server/push/internal/...":  {},
	"server/push/api":           {"server", "server/push", "server/push/internal/..."},
	"server/push/page":          {"server", "server/push", "server/push/internal/..."},
	"server/push/cluster":       {"server/push"},
	"server/push/console":       {"server", "server/push", "server/push/internal/..."},
	"server/push/demo":          {"server", "server/push", "server/push/internal/..."},
	"server/push/webhook":       {"server/push", "server/push/internal/..."},
	"server/metrics":            {"server", "server/push", "server/push/api", "server/push/webhook"},
	"bench/...":                 {"poller", "bench/..."},
	"bench/servers/roost":       {"server"},
	"bench/servers/updates":     {"server"},
	"cmd/roost":                 {"server", "server/push", "server/push/api", "server/push/page", "server/push/console", "server/push/demo", "server/push/cluster", "server/push/webhook", "server/metrics"},
	"cmd/roost-bench":           {"bench/..."},
	"cmd/roost-torture":         {"bench/torture"},
	".ci/docs":                  {},
	".ci/imports":               {},
	".ci/mutants":               {},
	".ci/sbom":                  {},
	".ci/tidy":                  {},
}

// doors says which packages may import each external module, in code that
// ships. testDoors adds what tests may import.
var (
	doors = map[string][]string{
		"golang.org/x/sys":                    {"poller", "server/internal/sys", "server/internal/ktls", "bench/...", "cmd/roost-bench"},
		"golang.org/x/crypto":                 {"server/internal/ktls"},
		"github.com/gobwas/ws":                {"server", "server/internal/wire", "server/internal/deflate", "server/internal/handshake"},
		"github.com/gobwas/httphead":          {"server/internal/handshake"},
		"github.com/klauspost/compress":       {"server/internal/deflate"},
		"github.com/panjf2000/ants/v2":        {"server/internal/engine"},
		"github.com/nats-io":                  {"server/push/cluster"},
		"go.etcd.io/bbolt":                    {"server/push/webhook"},
		"github.com/golang-jwt/jwt/v5":        {"server/push/internal/token"},
		"github.com/prometheus/client_golang": {"server/metrics"},
		"github.com/prometheus/client_model":  {"server/metrics"},
		"github.com/alecthomas/kong":          {"cmd/..."},
		"github.com/pelletier/go-toml/v2":     {"cmd/roost"},
		"github.com/HdrHistogram":             {"bench/..."},
		"golang.org/x/image":                  {"bench/report"},
		"go.uber.org/goleak":                  {"server/push/internal/pushtest"},
	}
	testDoors = map[string][]string{
		"go.uber.org/goleak":                  {"server", "server/internal/secure"},
		"golang.org/x/sys":                    {"server"},
		"github.com/gorilla/websocket":        {"cmd/...", "server"},
		"github.com/coder/websocket":          {"cmd/...", "server"},
		"github.com/lxzan/gws":                {"cmd/roost"},
		"github.com/golang-jwt/jwt/v5":        {"server/push"},
		"github.com/pusher/pusher-http-go/v5": {"cmd/roost", "server/push", "server/push/api", "server/push/webhook"},
	}
)

// systems are the operating systems whose files are looked at: a package must
// not import more on one of them.
var systems = []string{"linux", "darwin", "freebsd", "netbsd", "openbsd", "windows"}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func main() {
	var faults []string
	for _, system := range systems {
		pkgs, err := list(system)
		if err != nil {
			fmt.Fprintln(os.Stderr, "imports:", err)
			os.Exit(1)
		}
		for _, p := range pkgs {
			faults = append(faults, check(p)...)
		}
	}
	slices.Sort(faults)
	faults = slices.Compact(faults)
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, "imports:", f)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}

// checks are the commands in .ci below root, which ./... leaves out: its name
// begins with a dot.
func checks(root string) (patterns []string) {
	files, _ := filepath.Glob(filepath.Join(root, ".ci", "*", "*.go")) // the pattern is well-formed
	for _, file := range files {
		patterns = append(patterns, "./.ci/"+filepath.Base(filepath.Dir(file)))
	}
	return slices.Compact(patterns)
}

// list asks the go command for every package of the module as system sees it.
func list(system string) ([]pkg, error) {
	args := append([]string{"list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", "./..."}, checks(".")...)
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w: %s", system, err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", system, err)
		}
		pkgs = append(pkgs, p)
	}
}

// check returns one sentence for each import of p that the tables do not allow.
func check(p pkg) []string {
	self := strings.TrimPrefix(p.ImportPath, module+"/")
	allowed, known := lookup(self)
	if !known {
		return []string{fmt.Sprintf("%s is not in the table of .ci/imports: say there what it may import", self)}
	}
	var faults []string
	for _, imp := range p.Imports {
		if f := fault(self, imp, allowed, doors[doorOf(imp, doors)]); f != "" {
			faults = append(faults, f)
		}
	}
	// A test may look at any package of ours from outside: what it imports does
	// not ship. It still needs a door for other people's modules.
	for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
		guests := slices.Concat(doors[doorOf(imp, doors)], testDoors[doorOf(imp, testDoors)])
		if f := fault(self, imp, []string{"..."}, guests); f != "" {
			faults = append(faults, "in a test: "+f)
		}
	}
	return faults
}

// fault says why self may not import imp, or "".
func fault(self, imp string, allowed, guests []string) string {
	switch {
	case imp == "C":
		return self + " uses cgo: roost builds with CGO_ENABLED=0"
	case standard(imp):
		return ""
	case strings.HasPrefix(imp, module+"/"):
		to := strings.TrimPrefix(imp, module+"/")
		if to == self || slices.ContainsFunc(allowed, func(a string) bool { return within(to, a) }) {
			return ""
		}
		return fmt.Sprintf("%s imports %s: that is not the way imports point (docs/ARCHITECTURE.md)", self, to)
	case len(guests) == 0:
		return fmt.Sprintf("%s imports %s, a module that has no door in .ci/imports", self, imp)
	case slices.ContainsFunc(guests, func(g string) bool { return within(self, g) }):
		return ""
	}
	return fmt.Sprintf("%s imports %s: only %s may", self, imp, strings.Join(guests, ", "))
}

// lookup finds the row of a package in floors: its own, or its folder's.
func lookup(self string) (allowed []string, known bool) {
	if allowed, known = floors[self]; known {
		return allowed, true
	}
	for row, allowed := range floors {
		if strings.HasSuffix(row, "...") && within(self, row) {
			return allowed, true
		}
	}
	return nil, false
}

// doorOf returns the key of table that is imp's module, or "".
func doorOf(imp string, table map[string][]string) string {
	for m := range table {
		if imp == m || strings.HasPrefix(imp, m+"/") {
			return m
		}
	}
	return ""
}

// within reports whether path is pattern, or lies under it when it ends in "...".
func within(path, pattern string) bool {
	if dir, ok := strings.CutSuffix(pattern, "..."); ok {
		return path == strings.TrimSuffix(dir, "/") || strings.HasPrefix(path, dir)
	}
	return path == pattern
}

// standard reports whether imp is in Go's own library: no dot in its first element.
func standard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}
