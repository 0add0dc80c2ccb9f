package torture

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Result is the outcome of one case in one mode.
type Result struct {
	ID     string  `json:"id"`
	RFC    string  `json:"rfc"`
	Name   string  `json:"name"`
	Mode   string  `json:"mode"`
	OK     bool    `json:"ok"`
	Want   string  `json:"want"`
	Got    string  `json:"got,omitempty"`  // what differed, of a failure
	Dump   string  `json:"dump,omitempty"` // what went over the wire, of a failure
	Millis float64 `json:"ms"`
}

// String is a failure as a page to read, a success as a line.
func (r Result) String() string {
	if r.OK {
		return fmt.Sprintf("ok    %s (%s)", r.ID, r.Mode)
	}
	return fmt.Sprintf("FAIL  %s (%s)\n  sent  %s [RFC %s]\n  want  %s\n  but   %s\n%s",
		r.ID, r.Mode, r.Name, r.RFC, r.Want, r.Got, indent(r.Dump))
}

func indent(s string) string {
	if s == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ") + "\n"
}

// Summary counts a run.
type Summary struct {
	Cases  int      // that ran
	Runs   int      // cases times modes
	Failed []Result // without order
	Hidden []string // ids of what was asked for and is not applicable: TLS hides it
	Plain  string   // why the rows of compression are not applicable, when they are not
	Millis float64
	perRow map[string]*row
}

type row struct{ cases, runs, failed int }

func (s *Summary) add(r Result, firstMode bool) {
	if s.perRow == nil {
		s.perRow = map[string]*row{}
	}
	name, _, _ := strings.Cut(r.ID, "/")
	w := s.perRow[name]
	if w == nil {
		w = &row{}
		s.perRow[name] = w
	}
	s.Runs++
	w.runs++
	if firstMode {
		s.Cases++
		w.cases++
	}
	if !r.OK {
		w.failed++
		s.Failed = append(s.Failed, r)
	}
}

// OK reports whether the server did all that was asked.
func (s *Summary) OK() bool { return len(s.Failed) == 0 && s.Runs > 0 }

// Record is a run as it is kept: what was played, and what failed.
type Record struct {
	Server string               `json:"server"` // who it was, in the caller's words
	Cases  int                  `json:"cases"`
	Runs   int                  `json:"runs"`
	Rows   map[string]RowRecord `json:"rows"`
	Failed []FailedCase         `json:"failed"`
	Plain  string               `json:"plain,omitempty"` // why the rows of compression are not applicable
}

// RowRecord counts one row: cases, runs of them in their modes, and how many failed.
type RowRecord struct {
	Cases  int `json:"cases"`
	Runs   int `json:"runs"`
	Failed int `json:"failed"`
}

// FailedCase is a case that failed, and how it did first.
type FailedCase struct {
	ID    string   `json:"id"`
	Modes []string `json:"modes"`
	Got   string   `json:"got"` // its beginning
}

// gotKept is how many characters of what a server did are kept.
const gotKept = 80

// Record makes the record of a run.
func (s *Summary) Record(server string) Record {
	r := Record{Server: server, Cases: s.Cases, Runs: s.Runs, Rows: map[string]RowRecord{}, Failed: []FailedCase{}, Plain: s.Plain}
	for name, one := range s.perRow {
		r.Rows[name] = RowRecord{one.cases, one.runs, one.failed}
	}
	failed := slices.SortedFunc(slices.Values(s.Failed), func(a, b Result) int {
		return cmp.Or(compareRows(a.ID, b.ID), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Mode, b.Mode))
	})
	for _, f := range failed {
		if n := len(r.Failed); n > 0 && r.Failed[n-1].ID == f.ID {
			r.Failed[n-1].Modes = append(r.Failed[n-1].Modes, f.Mode)
			continue
		}
		r.Failed = append(r.Failed, FailedCase{f.ID, []string{f.Mode}, string([]rune(f.Got)[:min(gotKept, len([]rune(f.Got)))])})
	}
	return r
}

// Table writes the counts of every row.
func (s *Summary) Table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "row\tcases\truns\tfailed")
	for _, name := range slices.SortedFunc(maps.Keys(s.perRow), compareRows) {
		r := s.perRow[name]
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\n", name, r.cases, r.runs, r.failed)
	}
	fmt.Fprintf(tw, "all\t%d\t%d\t%d\n", s.Cases, s.Runs, len(s.Failed))
	return tw.Flush()
}
