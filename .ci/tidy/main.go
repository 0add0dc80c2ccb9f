// Command tidy checks the rules of style that a machine can see: the shape of
// files and functions, and the constructs that have brought other servers down.
//
// A file or function that is long for a reason says so in its doc comment (a
// file: above the package clause) with "//tidy:long why". The other rules have
// allow lists below, each entry with its reason.
//
// Usage, from the root of the repository: go run ./.ci/tidy
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

const (
	fileLines     = 500
	functionLines = 80
)

// allowance lists where a rule does not hold, and why: a file, a folder
// ("server/", not what is below it), or a whole tree ("cmd/...").
type allowance map[string]string

// The command's own sources and tests are where each rule does not apply by
// nature; see rules.go. What is listed here are the exceptions.
var (
	// Code that starts goroutines. None of them is started per connection.
	allowGo = allowance{
		"poller/epoll_linux.go":   "one that ends at once: it wakes a thread for the runtime's poller",
		"server/internal/engine/": "loops, workers and the watchdog: a fixed number per server",
		"server/":                 "listeners given by the caller, and Shutdown: a fixed number per server",
		"server/push/":            "bounded workers of the HTTP API",
		"server/push/webhook/":    "two per sender; attempts are bounded per endpoint and are nobody's connection",
		"cmd/...":                 "the program's own listeners and signals",
		"bench/...":               "load generators",
	}
	// Code that reads the wall clock or a timer instead of sys.Kernel.Now.
	allowClock = allowance{
		"server/internal/sys/":              "it is the clock",
		"poller/epoll_linux.go":             "a deadline of Go's own poller is a moment, not a duration",
		"server/server.go":                  "Shutdown spreads closes over seconds of its caller's context",
		"server/internal/sim/world.go":      "ends a simulation that hangs for real",
		"server/push/page/":                 "events of the page are rationed by the second",
		"server/push/console/":              "what a person looks at has the time of day, and comes a few times a second",
		"server/push/demo/":                 "the ticker ticks, and calls are rationed by the second",
		"server/push/internal/pushtest/...": "a client for tests",
		"cmd/...":                           "the program reports its own start and durations",
		"bench/...":                         "it measures",
		".ci/...":                           "it is not part of the server",
		"server/push/webhook/":              "pauses of minutes between attempts, kept over restarts; tests run it in a bubble of synctest",
		"server/push/clock.go":              "notices carry the time of day; alarms of a second serve all connections at once",
		"server/push/api/":                  "signatures carry the time of day, which the engine's clock does not know",
	}
	// Code that asks which system it runs on.
	allowSystem = allowance{
		"poller/":              "the backend of each system",
		"server/internal/sys/": "the calls of each system",
		"cmd/...":              "says it at start-up, and in advice",
		"bench/...":            "describes the machine in its report",
	}
	// Tests that may be skipped, and what makes sure that they run where it counts.
	allowSkip = allowance{
		"poller/real_bsd_test.go":                   "one case of the contract needs a signal to one thread, for which there is no portable call",
		"bench/torture/run_test.go":                 "only Linux says of itself what this looks at; make test runs there",
		"server/internal/ktls/kernel_linux_test.go": "few kernels have TLS loaded; make ktls runs it under one that has",
		"server/tls_kernel_test.go":                 "likewise",
		"cmd/roost/abilities_linux_test.go":         "rights and kernels that not every machine has; make clients sets ROOST_REQUIRE_ABILITIES to those that this one has, which makes that a failure, and .ci/run has a kernel with netem",
		"cmd/roost/clients_test.go":                 "no browser or Node on the machine; make test and CI set ROOST_REQUIRE_CLIENTS, which makes that a failure",
	}
)

// allows reports whether the list has an entry for the file at path.
func (a allowance) allows(file string) bool {
	for entry := range a {
		tree, isTree := strings.CutSuffix(entry, "...")
		if file == entry || path.Dir(file)+"/" == entry || isTree && strings.HasPrefix(file, tree) {
			return true
		}
	}
	return false
}

func main() {
	faults, err := checkTree(os.DirFS("."))
	if err != nil {
		fmt.Fprintln(os.Stderr, "tidy:", err)
		os.Exit(1)
	}
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, "tidy:", f)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}

// top is what the top level consists of, beside files whose names begin with a dot.
var top = []string{"poller", "server", "bench", "cmd", "docs", "go.mod", "go.sum", "README.md", "Makefile",
	"bin", "tmp"} // made by make, and in no commit

// checkTree looks at the top level, and at every Go file of the tree but other people's.
func checkTree(tree fs.FS) ([]string, error) {
	var faults []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "node_modules", "bin", "tmp"}, d.Name()):
			return fs.SkipDir
		case !strings.Contains(name, "/") && name[0] != '.' && !slices.Contains(top, name):
			faults = append(faults, fmt.Sprintf("%s: the top level is %s", name, strings.Join(top, ", ")))
		}
		runs := name == "Makefile" || strings.HasPrefix(name, ".ci/") && path.Ext(name) == ""
		if d.IsDir() || !runs && path.Ext(name) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		if runs {
			faults = append(faults, checkShort(name, string(src))...)
			return nil
		}
		found, err := checkFile(name, src)
		faults = append(faults, found...)
		return err
	})
	return faults, err
}
