package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/roost-ws/roost/bench/scenario"
)

// Table writes every case as text. It returns how many servers could not be
// compared because they failed.
func (r *Results) Table(w io.Writer, baseline string) (failed int) {
	m := r.Header.Machine
	fmt.Fprintf(w, "%s, %d CPUs, Linux %s, %s\n", m.CPU, m.CPUs, m.Kernel, m.Go)
	for _, s := range r.Header.Servers {
		if s.Missing != "" {
			fmt.Fprintf(w, "%s is missing: %s\n", s.Name, s.Missing)
		}
	}
	for _, c := range r.Cases(baseline) {
		fmt.Fprintf(w, "\n%s: %s (%s)\n", c.Scenario, c.Name, rounds(c.Rounds))
		if len(c.Columns) > 0 {
			writeCase(w, c)
		}
		for _, row := range c.Rows {
			if row.Failed != "" && row.Server.Missing == "" {
				fmt.Fprintf(w, "  %s is not compared: %s\n", row.Server.Name, row.Failed)
				failed++
			}
		}
	}
	return failed
}

func writeCase(w io.Writer, c Case) {
	head := []string{"server"}
	for i, col := range c.Columns {
		title := col.Title
		if col.Unit != "" {
			title += " " + col.Unit
		}
		head = append(head, title)
		if i == 0 {
			against := ""
			if c.Baseline != "" {
				against = "× " + c.Baseline
			}
			head = append(head, "", against)
		}
	}
	lines := [][]string{head}
	for _, row := range c.Rows {
		if row.Failed != "" {
			continue
		}
		cells := []string{row.Server.Name}
		for i, col := range c.Columns {
			v := row.Values[col.Key]
			cells = append(cells, figure(v, v.Median, col))
			if i == 0 {
				cells = append(cells, figure(v, v.Min, col)+".."+figure(v, v.Max, col), ratio(row.Ratio))
			}
		}
		lines = append(lines, cells)
	}
	align(w, lines)
}

func rounds(n int) string {
	if n == 1 {
		return "one round"
	}
	return fmt.Sprintf("median of %d rounds, lowest..highest", n)
}

func ratio(s Spread) string {
	if s.N == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", s.Median)
}

// figure is number, where there is one of the spread's figures.
func figure(s Spread, v float64, m scenario.Metric) string {
	if s.N == 0 {
		return "-"
	}
	return number(v, m)
}

// number writes a figure with its digits, and thousands apart.
func number(v float64, m scenario.Metric) string {
	s := fmt.Sprintf("%.*f", m.Digits, v)
	whole, rest, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		return whole + "." + rest
	}
	return whole
}

// align writes the first column to the left and the others to the right.
func align(w io.Writer, lines [][]string) {
	var widths []int
	for _, cells := range lines {
		for i, cell := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, cells := range lines {
		var b strings.Builder
		for i, cell := range cells {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("  " + cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
