package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Points stand before every statement that touches an atomic, also in the
// headers of compound ones, and nowhere that would not compile; lines stay
// where they are.
func TestWeave(t *testing.T) {
	source := `package p

import (
	"sync"
	"sync/atomic"
)

var pool = sync.Pool{New: func() any { return 1 }}

type c struct {
	mu   sync.Mutex
	word atomic.Uint32
}

func (c *c) f() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := 1; c.word.Load() == 1 {
		x++
	}
	switch {
	case c.word.CompareAndSwap(1, 2):
		c.word.Store(3)
	}
	go c.f()
	func() {
		c.word.Add(1)
	}()
}
`
	want := strings.NewReplacer(
		"sync.Pool{", "wovenPool{",
		"c.mu.Lock()", `wovenLock("p.go:16", &c.mu)`,
		"if x", `wovenYield("p.go:18"); if x`,
		"switch {", `wovenYield("p.go:21"); switch {`,
		"c.word.Store(3)", `wovenYield("p.go:23"); c.word.Store(3)`,
		"go c.f()", `wovenGo(func() { c.f() })`,
		"c.word.Add(1)", `wovenYield("p.go:27"); c.word.Add(1)`,
	).Replace(source) + "\nvar _ sync.Locker\n"

	dir, out := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"p.go": source, "p_test.go": "package p"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := Weave(dir, out)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(out, "p.go"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("woven:\n%s\nwant:\n%s", got, want)
	}
	index, err := os.ReadFile(overlay)
	if err != nil || !strings.Contains(string(index), filepath.Join(dir, "p.go")) || strings.Contains(string(index), "p_test.go") {
		t.Errorf("overlay: %s, %v", index, err)
	}
}
