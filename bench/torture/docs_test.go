package torture

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// rowsOf says how many rows each part of the threat table has.
var rowsOf = map[string]int{"F": 35, "H": 29, "C": 16, "T": 27, "R": 16, "M": 7, "B": 10, "S": 6, "L": 12, "A": 14}

// docs/security.md has every row once, and every row names tests that exist.
func TestRowsHaveTests(t *testing.T) {
	tests, err := testNames("../..")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]bool{}
	over := limits
	over.URL, over.Deflate = "wss://server.test/echo", false
	pushed := limits
	pushed.Push = &Push{App: testApp, Hooks: new(Hooks)}
	for _, o := range []Options{limits, over, pushed} {
		all, err := List(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			row, _, _ := strings.Cut(c.ID, "/")
			cases[row] = true
		}
	}
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^\| [A-Z]\d+ \|.*$`).FindAllString(string(text), -1) {
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		row := strings.TrimSpace(cells[0])
		if strings.HasPrefix(row, "U") {
			continue
		}
		if seen[row] || len(cells) != 4 || strings.TrimSpace(cells[1]) == "" || strings.TrimSpace(cells[2]) == "" {
			t.Errorf("row %s is there twice, or not whole: %s", row, line)
			continue
		}
		seen[row] = true
		if fault := named(row, strings.TrimSpace(cells[3]), tests, cases); fault != "" {
			t.Errorf("row %s: %s", row, fault)
		}
	}
	for part, n := range rowsOf {
		for i := range n {
			if row := fmt.Sprint(part, i+1); !seen[row] {
				t.Errorf("row %s is missing", row)
			}
		}
	}
}

// named says which of a row's tests does not exist.
func named(row, list string, tests, cases map[string]bool) string {
	for name := range strings.SplitSeq(list, ", ") {
		of, other, _ := strings.Cut(name, ":")
		switch {
		case of == "torture" && other == "" && !cases[row], of == "torture" && other != "" && !cases[other]:
			return "no such case of roost-torture: " + name
		case of != "torture" && !tests[name]:
			return "no such test: " + name
		}
	}
	return ""
}

// Every test that docs/promises.md names is there.
func TestPromisesNameTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/promises.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := testNames("../..")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 30 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !tests[m[1]] {
			t.Errorf("docs/promises.md names %s, which is no test", m[1])
		}
	}
}

// testNames finds every test and fuzz target below root, but those of other
// revisions and other people, which lie around there without being part of it.
func testNames(root string) (map[string]bool, error) {
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "tmp" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(src, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	return names, err
}

// What roost-bench has laid out of an older revision is not taken for the tree's.
func TestTestNames(t *testing.T) {
	root := filepath.Join(t.TempDir(), "tree")
	for file, test := range map[string]string{
		"a_test.go": "TestHere", "b/b_test.go": "FuzzHere", "b/c.go": "TestNone",
		"tmp/bench/source/1234567/a_test.go": "TestThen", "b/node_modules/a_test.go": "TestTheirs",
	} {
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("func "+test+"(t *testing.T) {}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names, err := testNames(root)
	if err != nil || len(names) != 2 || !names["TestHere"] || !names["FuzzHere"] {
		t.Errorf("%v: %v", names, err)
	}
}

// The check can fail.
func TestNamed(t *testing.T) {
	tests, cases := map[string]bool{"TestA": true}, map[string]bool{"F1": true}
	for list, good := range map[string]bool{
		"torture": true, "torture, TestA": true, "TestA, torture:F1": true,
		"TestB": false, "torture:F9": false, "": false,
	} {
		if got := named("F1", list, tests, cases); (got == "") != good {
			t.Errorf("%q: %q", list, got)
		}
	}
	if named("F2", "torture", tests, cases) == "" {
		t.Error("a row without cases was taken")
	}
}
