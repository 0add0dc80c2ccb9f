package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"number": number, "figure": figure, "ratio": ratio, "rounds": rounds,
	"gigabytes": func(n uint64) string { return fmt.Sprintf("%.0f GB", float64(n)/(1<<30)) },
	"heat":      heat,
}).Parse(pageText))

// HTML writes the whole report as one page that needs no other file.
func (r *Results) HTML(w io.Writer, baseline string) error {
	type section struct {
		*Case
		Bars, Curves template.HTML
	}
	var sections []section
	for _, c := range r.Cases(baseline) {
		s := section{Case: &c}
		if b, ok := barsOf(c); ok {
			s.Bars = template.HTML(svgOf(b)) // the charts escape what they write
		}
		if v, ok := r.curvesOf(c); ok {
			s.Curves = template.HTML(svgOf(v))
		}
		sections = append(sections, s)
	}
	return page.Execute(w, map[string]any{
		"Header": r.Header, "Sections": sections, "Settings": r.settings(), "Dark": darkColours(),
	})
}

// settings are the scenarios' settings as text, one line each.
func (r *Results) settings() []string {
	var lines []string
	for _, d := range r.Header.Scenarios {
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(d.Settings)) {
			parts = append(parts, fmt.Sprintf("%s %v", key, d.Settings[key]))
		}
		lines = append(lines, fmt.Sprintf("%s, %d rounds: %s", d.Name, d.Rounds, strings.Join(parts, ", ")))
	}
	return lines
}

// heat is the class of a ratio's cell: the baseline is neutral.
func heat(s Spread, more bool) string {
	v := s.Median
	if s.N == 0 || v <= 0 {
		return ""
	}
	if more {
		v = 1 / v
	}
	switch {
	case v <= 0.25:
		return "best"
	case v <= 0.8:
		return "good"
	case v >= 1.25:
		return "bad"
	}
	return ""
}

// darkColours override the light ones where the reader prefers dark.
func darkColours() template.CSS {
	return `--text:#e6e8eb;--muted:#9aa3ae;--grid:#31363f;--paper:#1b1f26;--roost:#ff7a3d;--roost2:#c9713c;--go:#6fa0d8;--other:#a99fd0;` +
		`--s0:#6aa7e0;--s1:#5cc291;--s2:#b18cf0;--s3:#d2a15c;--s4:#4fc3d3;--s5:#e07fb0;--s6:#a3adbb;--s7:#a9cc55;--s8:#8c9bf0;--s9:#cf9090;`
}
