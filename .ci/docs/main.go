// Command docs writes the parts of the documentation that are made of the code.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const (
	page       = "docs/security.md"
	begin, end = "<!-- bounds: make docs -->\n", "<!-- end -->"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// write puts the table of limits where it belongs.
func write() error {
	table, err := exec.Command("go", "run", "./cmd/roost", "bounds").Output()
	if err != nil {
		return fmt.Errorf("roost bounds: %w", err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no place for the table", page)
	}
	return os.WriteFile(page, []byte(before+begin+string(table)+end+after), 0o644)
}
