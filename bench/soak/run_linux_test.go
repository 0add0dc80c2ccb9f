package soak

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A short run serves everybody, is written down, and can be drawn. Trends of
// some seconds mean nothing: they are not looked at.
func TestRunServesACrowd(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "roost")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/roost").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	plan := Plan{
		For: 5 * time.Second, Warmup: time.Second, Every: 200 * time.Millisecond,
		Crowd: Crowd{Honest: 20, Every: 200 * time.Millisecond, Churn: 20, Rude: 10, Slow: 2, News: 200 * time.Millisecond},
	}
	var out bytes.Buffer
	v, err := Run(t.Context(), binary, "test", plan, &out, func(float64) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Faults {
		if !strings.Contains(f, "an hour") {
			t.Error(f)
		}
	}
	record, err := Read(&out)
	if err != nil {
		t.Fatal(err)
	}
	if len(record.Samples) < 20 || len(record.Verdict.Outcomes) != 2 || len(record.Verdict.Trends) != 2*len(figures) {
		t.Errorf("%d samples, %+v", len(record.Samples), record.Verdict)
	}
	picture := record.SVG()
	for _, f := range figures {
		if !strings.Contains(picture, ">"+f.name) {
			t.Errorf("the picture lacks %s", f.name)
		}
	}
}
