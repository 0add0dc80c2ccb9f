package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/roost-ws/roost/bench/scenario"
)

// Markdown writes a table of ratios and one of figures for each case.
func (r *Results) Markdown(w io.Writer, baseline string) {
	m := r.Header.Machine
	fmt.Fprintf(w, "Measured on %s: %s, %d CPUs, Linux %s, %s.\n", r.Header.Started.Format("2006-01-02"), m.CPU, m.CPUs, m.Kernel, m.Go)
	for _, c := range r.Cases(baseline) {
		fmt.Fprintf(w, "\n**%s: %s** (%s)\n", c.Scenario, c.Name, rounds(c.Rounds))
		if len(c.Columns) > 0 {
			writeMarkdownCase(w, c)
		}
		for _, row := range c.Rows {
			if row.Failed != "" {
				fmt.Fprintf(w, "\n%s is not compared: %s.\n", row.Server.Name, row.Failed)
			}
		}
	}
}

func writeMarkdownCase(w io.Writer, c Case) {
	fmt.Fprint(w, "\n| server |")
	for i, col := range c.Columns {
		title := col.Title
		if col.Unit != "" {
			title += ", " + col.Unit
		}
		fmt.Fprintf(w, " %s |", title)
		if i == 0 {
			fmt.Fprint(w, " lowest..highest |")
		}
		if i == 0 && c.Baseline != "" {
			fmt.Fprintf(w, " × %s |", c.Baseline)
		}
	}
	fmt.Fprint(w, "\n|---|")
	for i := range c.Columns {
		fmt.Fprint(w, "---:|")
		if i == 0 {
			fmt.Fprint(w, "---:|")
		}
		if i == 0 && c.Baseline != "" {
			fmt.Fprint(w, "---:|")
		}
	}
	fmt.Fprintln(w)
	for _, row := range c.Rows {
		if row.Failed == "" {
			writeMarkdownRow(w, c, row)
		}
	}
}

func writeMarkdownRow(w io.Writer, c Case, row Row) {
	fmt.Fprintf(w, "| %s |", row.Server.Name)
	for i, col := range c.Columns {
		v := row.Values[col.Key]
		fmt.Fprintf(w, " %s |", figure(v, v.Median, col))
		if i == 0 {
			fmt.Fprintf(w, " %s..%s |", figure(v, v.Min, col), figure(v, v.Max, col))
		}
		if i == 0 && c.Baseline != "" {
			fmt.Fprintf(w, " %s |", ratio(row.Ratio))
		}
	}
	fmt.Fprintln(w)
}

// Summary writes one table: a line for each case, with every server's deciding
// figure.
func (r *Results) Summary(w io.Writer, baseline string) {
	m := r.Header.Machine
	fmt.Fprintf(w, "Measured on %s: %s, %d CPUs, Linux %s, %s; medians.\n\n|", r.Header.Started.Format("2006-01-02"), m.CPU, m.CPUs, m.Kernel, m.Go)
	for _, s := range r.Header.Servers {
		fmt.Fprintf(w, " | %s", s.Name)
	}
	fmt.Fprintf(w, " |\n|---%s|\n", strings.Repeat("|---:", len(r.Header.Servers)))
	for _, c := range r.Cases(baseline) {
		var col scenario.Metric // none where no server got as far as a figure
		if len(c.Columns) > 0 {
			col = c.Columns[0]
		}
		fmt.Fprintf(w, "| %s: %s; %s, %s |", c.Scenario, c.Name, col.Title, col.Unit)
		for _, s := range r.Header.Servers {
			figure := "-"
			for _, row := range c.Rows {
				if row.Server.Name == s.Name && row.Failed == "" && row.Values[col.Key].N > 0 {
					figure = number(row.Values[col.Key].Median, col)
				}
			}
			fmt.Fprintf(w, " %s |", figure)
		}
		fmt.Fprintln(w)
	}
}

// The marks between which a generated part of a Markdown file stands.
const (
	GeneratedBegin = "<!-- roost-bench: begin -->"
	GeneratedEnd   = "<!-- roost-bench: end -->"
)

// UpdateMarkdown replaces what stands between the marks in a file. The file
// must have them: nothing else in it is touched.
func (r *Results) UpdateMarkdown(path, baseline string) error {
	return replacePart(path, func(w io.Writer) { r.Markdown(w, baseline) })
}

// UpdateSummary is UpdateMarkdown for the summary.
func (r *Results) UpdateSummary(path, baseline string) error {
	return replacePart(path, func(w io.Writer) { r.Summary(w, baseline) })
}

func replacePart(path string, write func(io.Writer)) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	before, rest, ok := bytes.Cut(text, []byte(GeneratedBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(GeneratedEnd))
	if !ok || !ok2 {
		return fmt.Errorf("report: %s has no part between %q and %q", path, GeneratedBegin, GeneratedEnd)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s%s\n", before, GeneratedBegin)
	write(&out)
	fmt.Fprintf(&out, "%s%s", GeneratedEnd, after)
	return os.WriteFile(path, out.Bytes(), 0o644)
}

// Charts writes every chart as an SVG and a PNG file into a folder, and
// returns their names.
func (r *Results) Charts(dir, baseline string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var names []string
	for _, c := range r.Cases(baseline) {
		var charts []chart
		if b, ok := barsOf(c); ok {
			charts = append(charts, b)
		}
		if v, ok := r.curvesOf(c); ok {
			charts = append(charts, v)
		}
		for _, ch := range charts {
			name := filepath.Join(dir, slug(ch.title()))
			var bitmap bytes.Buffer
			if err := writePNG(&bitmap, ch); err != nil {
				return names, err
			}
			if err := os.WriteFile(name+".png", bitmap.Bytes(), 0o644); err != nil {
				return names, fmt.Errorf("report: %w", err)
			}
			if err := os.WriteFile(name+".svg", []byte(svgOf(ch)), 0o644); err != nil {
				return names, fmt.Errorf("report: %w", err)
			}
			names = append(names, name+".svg", name+".png")
		}
	}
	return names, nil
}

// slug makes a file name of a title.
func slug(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}
