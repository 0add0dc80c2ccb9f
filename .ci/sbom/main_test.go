package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

// The bill of a program names it, the standard library, and checksums where
// modules have them.
func TestPrint(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := print(&out, self); err != nil {
		t.Fatal(err)
	}
	var got bom
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Format != "CycloneDX" || !strings.HasPrefix(got.Metadata.Component.Name, "github.com/roost-ws/") || len(got.Metadata.Component.Hashes) != 1 {
		t.Errorf("%+v", got)
	}
	if len(got.Components) == 0 || got.Components[0].Name != "std" || got.Components[0].Version == "" {
		t.Errorf("the standard library is missing: %+v", got.Components)
	}
	if err := print(&out, "main_test.go"); err == nil {
		t.Error("a file that is no program was taken")
	}
}

func TestModule(t *testing.T) {
	c := module("library", &debug.Module{Path: "example.com/a", Version: "v1.2.3", Sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="})
	if c.PURL != "pkg:golang/example.com/a@v1.2.3" || len(c.Hashes) != 1 || !strings.HasPrefix(c.Hashes[0].Content, "e3b0c44298fc") {
		t.Errorf("%+v", c)
	}
	if c := module("library", &debug.Module{Path: "a", Sum: "h1:short"}); len(c.Hashes) != 0 {
		t.Errorf("%+v", c)
	}
}
