package sim

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Weave makes the package in dir yield at every step that other goroutines can
// see: before each operation on an atomic and each Lock. Compiled code has no
// such points, and a World can only switch where it is told to; with them it
// tries every order of the steps of a lock-free protocol. The sources in dir
// stay as they are: the woven ones go to the directory out, and the file that
// is returned is for the -overlay flag of go test.
//
// Besides, goroutines become coroutines, and a sync.Pool returns what was put
// into it last, so that a run depends on nothing but its seed. The package's
// tests have to declare
//
//	var weave func(w *sim.World)
//
// which is nil in a build that is not woven, and to call it before each run.
// Runs must follow one another then (GOMAXPROCS=1), and their number is what
// Seeds makes of it.
func Weave(dir, out string) (overlay string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	name := ""
	add := func(file, text string) error {
		to := filepath.Join(out, file)
		replace[filepath.Join(dir, file)] = to
		return os.WriteFile(to, []byte(text), 0o600)
	}
	for _, path := range names {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		text, pkg, err := weaveFile(filepath.Base(path), string(source))
		if err != nil {
			return "", err
		}
		name = pkg
		if err := add(filepath.Base(path), text); err != nil {
			return "", err
		}
	}
	if err := add("woven.go", "package "+name+wovenHooks); err != nil {
		return "", err
	}
	if err := add("woven_test.go", "package "+name+wovenTestHook); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(out, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// edit replaces source[from:to].
type edit struct {
	from, to int
	text     string
}

type weaver struct {
	file  string
	fset  *token.FileSet
	edits []edit
}

// weaveFile edits the text and leaves its lines where they are.
func weaveFile(file, source string) (text, pkg string, err error) {
	w := &weaver{file: file, fset: token.NewFileSet()}
	f, err := parser.ParseFile(w.fset, file, source, parser.SkipObjectResolution)
	if err != nil {
		return "", "", err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			w.statements(n.List)
		case *ast.CaseClause:
			w.statements(n.Body)
		case *ast.CommClause:
			w.statements(n.Body)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "sync" && n.Sel.Name == "Pool" {
				w.replace(n.Pos(), n.End(), "wovenPool")
			}
		}
		return true
	})
	for _, imp := range f.Imports {
		if imp.Path.Value == `"sync"` {
			w.edits = append(w.edits, edit{len(source), len(source), "\nvar _ sync.Locker\n"})
		}
	}
	slices.SortStableFunc(w.edits, func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	done := 0
	for _, e := range w.edits {
		b.WriteString(source[done:e.from])
		b.WriteString(e.text)
		done = e.to
	}
	b.WriteString(source[done:])
	return b.String(), f.Name.Name, nil
}

func (w *weaver) replace(from, to token.Pos, text string) {
	w.edits = append(w.edits, edit{w.fset.Position(from).Offset, w.fset.Position(to).Offset, text})
}

func (w *weaver) statements(list []ast.Stmt) {
	for _, stmt := range list {
		switch stmt.(type) {
		case *ast.CaseClause, *ast.CommClause:
			continue // of a switch, whose own statement has the point
		}
		at := fmt.Sprintf("%s:%d", w.file, w.fset.Position(stmt.Pos()).Line)
		if g, ok := stmt.(*ast.GoStmt); ok {
			w.replace(g.Pos(), g.Call.Pos(), "wovenGo(func() { ")
			w.replace(g.End(), g.End(), " })")
			continue
		}
		if lock := locked(stmt); lock != nil {
			w.replace(stmt.Pos(), lock.Pos(), fmt.Sprintf("wovenLock(%q, &", at))
			w.replace(lock.End(), stmt.End(), ")")
			continue
		}
		if touches(stmt) {
			w.replace(stmt.Pos(), stmt.Pos(), fmt.Sprintf("wovenYield(%q); ", at))
		}
	}
}

// locked returns the mutex that stmt locks.
func locked(stmt ast.Stmt) ast.Expr {
	s, ok := stmt.(*ast.ExprStmt)
	if !ok {
		return nil
	}
	call, ok := s.X.(*ast.CallExpr)
	if !ok || len(call.Args) > 0 {
		return nil
	}
	if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Lock" {
		return sel.X
	}
	return nil
}

var atomicMethods = []string{"Load", "Store", "Add", "And", "Or", "Swap", "CompareAndSwap"}

// touches reports whether the statement itself, not one inside of it, calls a
// method with the name of one of an atomic's. One call too many does no harm.
func touches(stmt ast.Stmt) (found bool) {
	ast.Inspect(stmt, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			// The headers of clauses belong to the switch.
			for _, s := range n.List {
				if c, ok := s.(*ast.CaseClause); ok {
					for _, x := range c.List {
						found = found || touches(&ast.ExprStmt{X: x})
					}
				}
			}
			return false
		case *ast.FuncLit:
			return false
		case *ast.SelectorExpr:
			found = found || slices.Contains(atomicMethods, n.Sel.Name)
		}
		return true
	})
	return found
}

// wovenHooks is what woven code calls.
const wovenHooks = `

import "sync"

var (
	wovenYield = func(string) {}
	wovenGo    = func(task func()) { go task() }
	wovenPools []*wovenPool
)

func wovenLock(at string, mu interface{ TryLock() bool }) {
	for wovenYield(at); !mu.TryLock(); wovenYield(at) {
	}
}

type wovenPool struct {
	New   func() any
	known bool
	free  []any
	mu    sync.Mutex
}

func (p *wovenPool) Get() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known {
		p.known = true
		wovenPools = append(wovenPools, p)
	}
	if n := len(p.free); n > 0 {
		x := p.free[n-1]
		p.free = p.free[:n-1]
		return x
	}
	return p.New()
}

func (p *wovenPool) Put(x any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, x)
}
`

const wovenTestHook = `

import "github.com/roost-ws/roost/server/internal/sim"

func init() {
	weave = func(w *sim.World) {
		wovenYield = w.Yield
		wovenGo = func(task func()) { w.Go("goroutine", task) }
		for _, p := range wovenPools {
			p.free = nil
		}
	}
}
`
