package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// repository returns the paths of all files that end like that.
func repository(t *testing.T, suffix string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "tmp" || entry.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, suffix):
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	coded   = regexp.MustCompile("`[^`]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	unnamed = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// unfenced is a Markdown file without its blocks of code.
func unfenced(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fenced.ReplaceAllString(string(text), "")
}

// anchors are the names under which GitHub finds the headings of a file.
func anchors(t *testing.T, path string) (names []string) {
	t.Helper()
	for _, m := range heading.FindAllStringSubmatch(unfenced(t, path), -1) {
		names = append(names, strings.ReplaceAll(unnamed.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return names
}

// Every link between files of the repository leads to one that is there, and to a
// heading that it has.
func TestLinks(t *testing.T) {
	links := 0
	for _, path := range repository(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(coded.ReplaceAllString(unfenced(t, path), ""), -1) {
			if strings.Contains(m[1], ":") {
				continue // another site's
			}
			links++
			file, anchor, _ := strings.Cut(m[1], "#")
			to := path
			if file != "" {
				to = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			} else if anchor != "" && !slices.Contains(anchors(t, to), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", path, m[1])
			}
		}
	}
	if links < 40 {
		t.Errorf("only %d links were found", links)
	}
}
