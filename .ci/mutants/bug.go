package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// readBugs reads every bug there is.
func readBugs(dir fs.FS) ([]bug, error) {
	names, err := fs.Glob(dir, "*.bug")
	if err != nil || len(names) == 0 {
		return nil, errors.Join(err, errors.New("no bugs: run from the root of the repository"))
	}
	var all []bug
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		b, err := parseBug(strings.TrimSuffix(name, ".bug"), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, b)
	}
	return all, nil
}

func parseBug(name, text string) (bug, error) {
	b := bug{name: name}
	var before, after strings.Builder
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case key == "what":
			b.what = value
		case key == "file":
			b.file = value
		case key == "test":
			b.test = strings.Fields(value)
		case strings.HasPrefix(line, "-"):
			before.WriteString(line[1:])
		case strings.HasPrefix(line, "+"):
			after.WriteString(line[1:])
		case strings.HasPrefix(line, " "):
			before.WriteString(line[1:])
			after.WriteString(line[1:])
		case line != "\n":
			return b, fmt.Errorf("a line that is no part of a bug: %q", line)
		}
	}
	b.before, b.after = before.String(), after.String()
	if b.what == "" || b.file == "" || len(b.test) != 2 || b.before == "" || b.before == b.after {
		return b, errors.New("it needs what, file, test, and lines that differ")
	}
	return b, nil
}

// plant returns the file with the bug in it.
func (b bug) plant(text string) (string, error) {
	if n := strings.Count(text, b.before); n != 1 {
		return "", fmt.Errorf("the lines before are %d times in %s, which has changed: plant the bug anew", n, b.file)
	}
	return strings.Replace(text, b.before, b.after, 1), nil
}
