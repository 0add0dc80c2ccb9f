package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

const sample = `what: nothing is counted
file: a.go
test: ./a ^TestA$

 func f() {
-	n++
+	_ = n
 }
`

func TestBugIsPlanted(t *testing.T) {
	all, err := readBugs(fstest.MapFS{"count.bug": {Data: []byte(sample)}})
	if err != nil || len(all) != 1 || all[0].name != "count" {
		t.Fatalf("%+v, %v", all, err)
	}
	got, err := all[0].plant("package a\n\nfunc f() {\n\tn++\n}\n")
	if want := "package a\n\nfunc f() {\n\t_ = n\n}\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
}

// A bug whose place is gone, or no longer clear, must be seen to.
func TestBugThatDoesNotApplyFails(t *testing.T) {
	b, err := parseBug("count", sample)
	if err != nil {
		t.Fatal(err)
	}
	once := "func f() {\n\tn++\n}\n"
	for _, text := range []string{"", once + once} {
		if _, err := b.plant(text); err == nil {
			t.Errorf("planted in %q", text)
		}
	}
}

func TestBugIsWhole(t *testing.T) {
	for _, cut := range []string{"what: nothing is counted\n", "file: a.go\n", "test: ./a ^TestA$\n", "-	n++\n+	_ = n\n"} {
		if _, err := parseBug("count", strings.Replace(sample, cut, "", 1)); err == nil {
			t.Errorf("a bug without %q is taken", cut)
		}
	}
	if _, err := parseBug("count", "!\n"+sample); err == nil {
		t.Error("a stray line is taken")
	}
}

// Every bug of the repository still has its place in the code.
func TestBugsApply(t *testing.T) {
	all, err := readBugs(os.DirFS("bugs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		text, err := os.ReadFile("../../" + b.file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.plant(string(text)); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
	}
}

// A search whose tests hang ends when patience does, and leaves none of them running.
func TestHuntEnds(t *testing.T) {
	tree := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module a\n",
		"a.go":   "package a\n\nvar n = 1\n",
		"a_test.go": "package a\n\nimport (\n\t\"os\"\n\t\"strconv\"\n\t\"testing\"\n\t\"time\"\n)\n\nfunc TestA(*testing.T) {\n" +
			"\tos.WriteFile(\"pid\", []byte(strconv.Itoa(os.Getpid())), 0o644)\n\ttime.Sleep(time.Minute)\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := bug{file: "a.go", test: []string{".", "TestA"}, before: "var n = 1\n", after: "var n = 2\n"}
	if _, err := b.hunt(tree, time.Second); err == nil || !strings.Contains(err.Error(), "not found within 1s") {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(tree, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil || syscall.Kill(pid, 0) == nil {
		t.Errorf("process %d of the tests is still there: %v", pid, err)
	}
}
