package main

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
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
