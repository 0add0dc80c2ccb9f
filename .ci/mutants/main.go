// Command mutants plants bugs in a copy of the tree, one at a time, and runs
// the tests that are to find them. A test that nobody has seen fail says little.
//
// Each file of bugs/ is one bug:
//
//	what: what is wrong, in one sentence
//	file: the file it is planted in
//	test: the package, and the tests that must fail
//
// and below that the lines before and after, as a diff writes them: "-" and "+",
// and " " for lines that stay. The lines before must be found in the file once.
// A bug that cannot be planted any more, that does not compile, or that is not
// found, fails the command; so every bug is kept up with the code.
//
// Usage, from the root of the repository: go run ./.ci/mutants [-md] [NAME...]
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const bugsDir = ".ci/mutants/bugs"

// patience bounds the search for one bug: one that is found only after this is not found.
const patience = 5 * time.Minute

// bug is one file of bugs/.
type bug struct {
	name, what, file string
	test             []string // package and pattern
	before, after    string
}

// found says what became of a bug.
type found struct {
	bug
	took time.Duration
	how  string // the first line that a failing test wrote
}

func main() {
	markdown := flag.Bool("md", false, "print the table of docs/testing.md")
	flag.Parse()
	bugs, err := readBugs(os.DirFS(bugsDir))
	if err == nil {
		err = run(bugs, flag.Args(), *markdown)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(bugs []bug, names []string, markdown bool) error {
	if len(names) > 0 {
		bugs = slices.DeleteFunc(bugs, func(b bug) bool { return !slices.Contains(names, b.name) })
	}
	copied, err := os.MkdirTemp("", "roost-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(copied)
	var mu sync.Mutex // guards what follows
	var faults []error
	var all []found
	var hunters sync.WaitGroup
	next := make(chan bug)
	for i := range runtime.NumCPU() { // a tree for each, with one bug at a time in it
		tree := filepath.Join(copied, strconv.Itoa(i))
		if err := copyTree(tree); err != nil {
			return err
		}
		hunters.Go(func() {
			for b := range next {
				f, err := b.hunt(tree, patience)
				mu.Lock()
				if err != nil {
					faults = append(faults, fmt.Errorf("%s: %w", b.name, err))
				} else {
					all = append(all, f)
					fmt.Printf("found  %-20s %5.1fs  %s\n", b.name, f.took.Seconds(), f.how)
				}
				mu.Unlock()
			}
		})
	}
	for _, b := range bugs {
		next <- b
	}
	close(next)
	hunters.Wait()
	if markdown {
		slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.name, b.name) })
		table(all)
	}
	return errors.Join(faults...)
}

// copyTree copies what git knows of the tree, as it is on disk.
func copyTree(to string) error {
	list, err := exec.Command("git", "ls-files", "-z", "--", "*.go", "go.mod", "go.sum", "**/testdata/**").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for _, name := range strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hunt plants the bug, runs the tests and takes the bug out again.
func (b bug) hunt(tree string, patience time.Duration) (f found, err error) {
	path := filepath.Join(tree, b.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	planted, err := b.plant(string(text))
	if err != nil {
		return f, err
	}
	if err := os.WriteFile(path, []byte(planted), 0o644); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, text, 0o644)) }()
	began := time.Now()
	// The tests end themselves: were go killed, they would go on beside the next search.
	cmd := exec.Command("go", "test", "-count=1", "-vet=off", "-timeout", patience.String(), "-run", b.test[1], b.test[0])
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "ROOST_SIM_SEEDS=20000", "GOGC=400")
	out, err := cmd.CombinedOutput()
	f = found{b, time.Since(began), reason(out)}
	switch {
	case err == nil:
		return f, fmt.Errorf("%s passes with the bug in %s: %s", strings.Join(b.test, " "), b.file, b.what)
	case bytes.Contains(out, []byte("panic: test timed out after")):
		return f, fmt.Errorf("not found within %v", patience)
	case !bytes.Contains(out, []byte("\n--- FAIL")) && !bytes.HasPrefix(out, []byte("--- FAIL")) && !bytes.Contains(out, []byte("panic:")):
		return f, fmt.Errorf("no test failed, but:\n%s", out)
	}
	return f, nil
}

// reason is what the failing test said first.
func reason(out []byte) string {
	first := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if _, said, ok := strings.Cut(line, "sim: seed "); ok {
			_, said, _ = strings.Cut(said, ": ")
			return shorten(said)
		}
		if first == "" && line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			first = line
		}
	}
	return shorten(first)
}

func shorten(s string) string {
	const most = 100
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// table prints what was found for a Markdown page.
func table(all []found) {
	fmt.Print("\n| bug | where | found by | which says |\n|---|---|---|---|\n")
	for _, f := range all {
		fmt.Printf("| %s | `%s` | `%s` | %s |\n", f.what, strings.TrimPrefix(f.file, "server/"), strings.Trim(f.test[1], "^$"),
			strings.ReplaceAll(f.how, "|", "\\|"))
	}
}
