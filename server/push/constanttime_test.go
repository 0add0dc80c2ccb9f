package push

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// Row A1: who makes a MAC compares it in constant time. What takes how long
// cannot be measured on a machine that others use, so the code is looked at:
// a function that makes a MAC and answers yes or no calls hmac.Equal, and none
// that makes one compares in another way.
func TestSignaturesAreComparedInConstantTime(t *testing.T) {
	checked := 0
	for _, dir := range []string{".", "api", "webhook", "demo", "../../cmd/roost"} {
		files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && calls(f, "hmac.New") {
					checked++
					if fault := comparesOpenly(f); fault != "" {
						t.Errorf("%s: %s %s", name, f.Name.Name, fault)
					}
				}
			}
		}
	}
	if checked < 2 {
		t.Errorf("only %d functions that make a MAC were found", checked)
	}
}

// comparesOpenly says what is wrong with a function that makes a MAC.
func comparesOpenly(f *ast.FuncDecl) (fault string) {
	if answersYesOrNo(f) && !calls(f, "hmac.Equal") {
		return "answers without hmac.Equal"
	}
	for _, open := range []string{"bytes.Equal", "bytes.Compare", "strings.EqualFold", "strings.Compare", "slices.Equal"} {
		if calls(f, open) {
			return "calls " + open
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if b, ok := n.(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) {
			for _, side := range []ast.Expr{b.X, b.Y} {
				if calls(side, "mac.Sum") || calls(side, "hex.EncodeToString") {
					fault = "compares a MAC with " + b.Op.String()
				}
			}
		}
		return true
	})
	return fault
}

func answersYesOrNo(f *ast.FuncDecl) bool {
	if f.Type.Results == nil {
		return false
	}
	for _, r := range f.Type.Results.List {
		if name, ok := r.Type.(*ast.Ident); ok && name.Name == "bool" {
			return true
		}
	}
	return false
}

// calls reports whether a package's function, or a variable's method, is called in n.
func calls(n ast.Node, name string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name+"."+sel.Sel.Name == name {
					found = true
				}
			}
		}
		return true
	})
	return found
}

// The check can fail.
func TestOpenComparisonsAreFound(t *testing.T) {
	for body, want := range map[string]bool{
		`{ mac := hmac.New(); return hmac.Equal(mac.Sum(nil), b) }`:                              false,
		`{ mac := hmac.New(); return string(mac.Sum(nil)) == b }`:                                true,
		`{ mac := hmac.New(); ok := hmac.Equal(a, b); return ok && hex.EncodeToString(x) == b }`: true,
		`{ mac := hmac.New(); hmac.Equal(a, b); return bytes.Equal(mac.Sum(nil), b) }`:           true,
	} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc f() bool "+body, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := comparesOpenly(parsed.Decls[0].(*ast.FuncDecl)) != ""; got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}
