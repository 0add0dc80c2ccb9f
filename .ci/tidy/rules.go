package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
)

// waiver marks what is long for a reason. The reason is not optional.
var waiver = regexp.MustCompile(`(?m)^//tidy:long \S+`)

// todo is a note that nobody can follow up: one without an issue's number.
var todo = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)
var todoWithIssue = regexp.MustCompile(`\b(TODO|FIXME|XXX)\(#\d+\)`)

// banner is a comment that draws instead of saying.
var banner = regexp.MustCompile(`^//\s*([-=*#_~+])([-=*#_~+]){3,}`)

// file is one source file under inspection.
type file struct {
	path   string
	fset   *token.FileSet
	ast    *ast.File
	test   bool
	short  []*ast.IfStmt // what only go test -short does: make test never asks for it
	faults []string
}

// checkFile returns a sentence for every rule that src breaks.
func checkFile(path string, src []byte) ([]string, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, fset: fset, ast: parsed, test: strings.HasSuffix(path, "_test.go")}
	if ast.IsGenerated(parsed) {
		return nil, nil
	}
	f.length(strings.Count(string(src), "\n"))
	f.comments()
	for _, d := range parsed.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			f.function(fn)
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		f.node(n)
		return true
	})
	return f.faults, nil
}

func (f *file) fault(at token.Pos, format string, args ...any) {
	where := fmt.Sprintf("%s:%d: ", f.path, f.fset.Position(at).Line)
	f.faults = append(f.faults, where+fmt.Sprintf(format, args...))
}

// length: one noun a file.
func (f *file) length(lines int) {
	if lines <= fileLines {
		return
	}
	for _, group := range f.ast.Comments {
		if group.Pos() < f.ast.Package && waived(group) {
			return
		}
	}
	f.fault(f.ast.Package, "%d lines, more than %d: one noun a file", lines, fileLines)
}

// function: a story that fits a screen.
func (f *file) function(fn *ast.FuncDecl) {
	lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
	if lines > functionLines && !waived(fn.Doc) {
		f.fault(fn.Pos(), "%s has %d lines, more than %d", fn.Name.Name, lines, functionLines)
	}
}

func waived(group *ast.CommentGroup) bool {
	if group == nil {
		return false
	}
	for _, c := range group.List {
		if waiver.MatchString(c.Text) {
			return true
		}
	}
	return false
}

// comments: sentences that say why, and no door out of the race detector.
func (f *file) comments() {
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:norace") {
				f.fault(c.Pos(), "//go:norace: the race detector has no exemptions")
			}
			if strings.HasPrefix(c.Text, "//go:build") && strings.Contains(c.Text, "race") {
				f.fault(c.Pos(), "a build tag on race: what runs under the detector is what ships")
			}
			if todo.MatchString(c.Text) && !todoWithIssue.MatchString(c.Text) && !strings.HasPrefix(f.path, ".ci/tidy/") {
				f.fault(c.Pos(), "a TODO without an issue: write TODO(#12), or do it")
			}
			if banner.MatchString(c.Text) {
				f.fault(c.Pos(), "a banner line: a type or a file makes the section")
			}
		}
	}
}

// node: constructs that are allowed in few places.
func (f *file) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		if asksShort(n.Cond) {
			f.short = append(f.short, n)
		}
	case *ast.GoStmt:
		if !f.test && !allowGo.allows(f.path) {
			f.fault(n.Pos(), "a go statement outside the allow list of .ci/tidy: no goroutine is held per connection")
		}
	case *ast.CallExpr:
		sel, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return
		}
		if sel.Sel.Name == "Fd" && len(n.Args) == 0 {
			f.fault(n.Pos(), "Fd() puts the file description into blocking mode: use SyscallConn")
		}
		f.skip(sel)
	case *ast.SelectorExpr:
		f.selector(n)
	}
}

// selector: functions of the standard library that go round a seam of ours.
func (f *file) selector(sel *ast.SelectorExpr) {
	pkg, ok := sel.X.(*ast.Ident)
	if !ok || f.test {
		return
	}
	switch pkg.Name + "." + sel.Sel.Name {
	case "time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc",
		"time.NewTimer", "time.NewTicker", "time.Tick":
		if !allowClock.allows(f.path) {
			f.fault(sel.Pos(), "time.%s: the clock is behind sys.Kernel, so that tests can turn it", sel.Sel.Name)
		}
	case "runtime.GOOS":
		if !allowSystem.allows(f.path) {
			f.fault(sel.Pos(), "runtime.GOOS: differences between systems live in poller and sys")
		}
	}
}

// skip: a test that does not run has to say who makes it run elsewhere.
func (f *file) skip(sel *ast.SelectorExpr) {
	recv, ok := sel.X.(*ast.Ident)
	if !ok || !f.test || allowSkip.allows(f.path) {
		return
	}
	for _, s := range f.short {
		if s.Body.Pos() <= sel.Pos() && sel.Pos() < s.Body.End() {
			return
		}
	}
	switch sel.Sel.Name {
	case "Skip", "Skipf", "SkipNow":
		f.fault(sel.Pos(), "%s.%s outside the allow list of .ci/tidy: a skipped test guards nothing", recv.Name, sel.Sel.Name)
	}
}

// asksShort reports whether cond can only be true under go test -short.
func asksShort(cond ast.Expr) bool {
	switch e := cond.(type) {
	case *ast.BinaryExpr:
		return e.Op == token.LAND && (asksShort(e.X) || asksShort(e.Y))
	case *ast.CallExpr:
		sel, ok := e.Fun.(*ast.SelectorExpr)
		return ok && sel.Sel.Name == "Short"
	}
	return false
}

// short has go test leave tests out.
var short = regexp.MustCompile(`\s--?(test\.)?short\b`)

// checkShort looks at what starts tests: only make fast may leave some out, so that what is
// skipped for -short runs in make test.
func checkShort(name, text string) (faults []string) {
	target := ""
	for i, line := range strings.Split(text, "\n") {
		if before, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "\t") {
			target = before
		}
		if short.MatchString(line) && (name != "Makefile" || target != "fast") {
			faults = append(faults, fmt.Sprintf("%s:%d: only make fast leaves tests out with -short", name, i+1))
		}
	}
	return faults
}
