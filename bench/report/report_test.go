package report

import (
	"bytes"
	"encoding/xml"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/run"
	"github.com/roost-ws/roost/bench/scenario"
)

// results are three servers over three rounds: the second round was twice as
// slow for everybody, and c failed once.
func results() *Results {
	r := &Results{Header: Header{
		Started: time.Unix(1, 0).UTC(),
		Servers: []*run.Server{
			{Name: "a", Title: "A", Family: run.Roost, Does: []scenario.Need{scenario.NeedEcho}},
			{Name: "b", Title: "B", Family: run.GoPeer, Does: []scenario.Need{scenario.NeedEcho}},
			{Name: "c", Title: "C", Family: run.GoPeer, Does: []scenario.Need{scenario.NeedEcho}},
			{Name: "gone", Title: "Gone", Family: run.Another, Missing: "no such runtime", Does: []scenario.Need{scenario.NeedEcho}},
			{Name: "other", Title: "Other", Family: run.Another},
		},
		Scenarios: []Described{{Name: "echo", Need: scenario.NeedEcho, Rounds: 3}},
	}}
	for round, slow := range []float64{1, 2, 1} {
		for name, cpu := range map[string]float64{"a": 2, "b": 8, "c": 10} {
			h := load.NewHistogram()
			h.Record(time.Duration(cpu * slow * float64(time.Microsecond)))
			s := scenario.Sample{
				Scenario: "echo", Case: "128 B", Server: name, Round: round, Columns: []string{"cpu_us", "msgs"},
				Values: map[string]float64{"cpu_us": cpu * slow, "msgs": 1_000_000 / cpu}, Latency: h,
			}
			if name == "c" && round == 2 {
				s.Values, s.Failed = nil, "1 lost (lost: connection 7)"
			}
			r.Samples = append(r.Samples, s)
		}
	}
	return r
}

// A ratio is taken within each round, so that a slow round changes none.
func TestRatiosAreWithinRounds(t *testing.T) {
	cases := results().Cases("b")
	if len(cases) != 1 || cases[0].Baseline != "b" || len(cases[0].Rows) != 4 {
		t.Fatalf("%+v", cases)
	}
	a := cases[0].Rows[0]
	if v := a.Values["cpu_us"]; v != (Spread{Median: 2, Min: 2, Max: 4, N: 3}) {
		t.Errorf("spread %+v", v)
	}
	if a.Ratio != (Spread{Median: 0.25, Min: 0.25, Max: 0.25, N: 3}) {
		t.Errorf("ratio %+v", a.Ratio)
	}
}

// A baseline without figures is replaced by the best peer written in Go.
func TestBaselineFallsBackToBestGoPeer(t *testing.T) {
	for _, wanted := range []string{"c", "gone", "nobody"} {
		if got := results().Cases(wanted)[0].Baseline; got != "b" {
			t.Errorf("asked for %s, got %q", wanted, got)
		}
	}
}

// One failed sample keeps a server out of the comparison, and the reason is told.
func TestFailedServerIsNotCompared(t *testing.T) {
	var out bytes.Buffer
	if failed := results().Table(&out, "b"); failed != 1 {
		t.Errorf("%d servers failed, want 1", failed)
	}
	text := out.String()
	for _, want := range []string{
		"c is not compared: 1 lost (lost: connection 7)", "gone is missing: no such runtime",
		"a             2.00   2.00..4.00  0.250  500,000",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  c  ") || strings.Contains(line, "other") {
			t.Errorf("a figure of a server that has none: %q", line)
		}
	}
}

// A server that did not stay alive, or did not start, in one round is not compared
// in any case of that scenario, in no kind of report; the others are.
func TestServerThatCrashedIsNotCompared(t *testing.T) {
	r := results()
	crash := scenario.Sample{Scenario: "echo", Case: "staying alive", Server: "a", Round: 1, Failed: "the server ended: boom"}
	r.Samples = slices.DeleteFunc(r.Samples, func(s scenario.Sample) bool { return s.Server == "a" && s.Round == 1 })
	r.Samples = append([]scenario.Sample{crash}, r.Samples...)
	cases := r.Cases("b")
	if len(cases) != 1 || cases[0].RowOf("a").Failed != crash.Failed || cases[0].RowOf("b").Failed != "" {
		t.Fatalf("%+v", cases)
	}
	var table, markdown, summary bytes.Buffer
	if failed := r.Table(&table, "b"); failed != 2 { // c failed, too
		t.Errorf("%d servers failed, want 2", failed)
	}
	r.Markdown(&markdown, "b")
	r.Summary(&summary, "b")
	for _, text := range []string{table.String(), markdown.String()} {
		if !strings.Contains(text, "a is not compared: the server ended: boom") || strings.Contains(text, "not measured") {
			t.Error(text)
		}
	}
	if !strings.Contains(summary.String(), " | - | 8.00 | - | - | - |") {
		t.Error(&summary)
	}

	r.Samples = []scenario.Sample{crash}
	markdown.Reset()
	if r.Markdown(&markdown, "b"); !strings.Contains(markdown.String(), "a is not compared: the server ended: boom") {
		t.Errorf("nobody was measured, and the page does not say why:\n%s", &markdown)
	}
	r.Summary(&summary, "b")
}

// A figure that was not measured is not shown as nought, in no kind of report.
func TestUnmeasuredFigureIsADash(t *testing.T) {
	r := results()
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Server == "a" {
			delete(s.Values, "msgs")
		}
	}
	var table, markdown, page bytes.Buffer
	r.Table(&table, "b")
	r.Markdown(&markdown, "b")
	if err := r.HTML(&page, "b"); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^  a  .* 0\.250 +-$`).MatchString(table.String()) {
		t.Error(&table)
	}
	if !strings.Contains(markdown.String(), "| a | 2.00 | 2.00..4.00 | 0.250 | - |\n") {
		t.Error(&markdown)
	}
	if !strings.Contains(page.String(), "<td>-</td>") {
		t.Error("no dash in the page")
	}
}

// What is written down reads back the same.
func TestRecordsReadBack(t *testing.T) {
	want := results()
	var file bytes.Buffer
	w, err := NewWriter(&file, want.Header)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range want.Samples {
		if err := w.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Samples) != len(want.Samples) || len(got.Header.Servers) != 5 || !got.Header.Started.Equal(want.Header.Started) {
		t.Fatalf("%+v", got)
	}
	for i, s := range got.Samples {
		if s.Latency.Max() != want.Samples[i].Latency.Max() || s.Server != want.Samples[i].Server {
			t.Fatalf("sample %d: %+v", i, s)
		}
	}
	if _, err := Read(strings.NewReader("{}\n")); err == nil {
		t.Error("a file without a header was read")
	}
	if _, err := Read(strings.NewReader("{")); err == nil {
		t.Error("half a line was read")
	}
}

// The page needs no other file, names everybody, and lets no text through
// unescaped.
func TestPageIsSelfContained(t *testing.T) {
	r := results()
	r.Header.Servers[1].Title = "<script>alert(1)</script>"
	var page bytes.Buffer
	if err := r.HTML(&page, "b"); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, want := range []string{"<svg", "c is not compared: 1 lost", "missing: no such runtime", "0.250", "echo: 128 B"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, never := range []string{"<script", "src=", "href=", "@import", "url(", "ZgotmplZ"} {
		if strings.Contains(text, never) {
			t.Errorf("%q in the page", never)
		}
	}
}

// Every chart exists as SVG, well-formed, and as PNG with something on it.
func TestChartsAreDrawn(t *testing.T) {
	names, err := results().Charts(t.TempDir(), "b")
	if err != nil || len(names) != 4 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if strings.HasSuffix(name, ".svg") {
			for d := xml.NewDecoder(file); ; {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			continue
		}
		img, err := png.Decode(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		colours := map[color.Color]bool{}
		for y := 0; y < img.Bounds().Dy(); y += 2 {
			for x := 0; x < img.Bounds().Dx(); x += 2 {
				colours[img.At(x, y)] = true
			}
		}
		if len(colours) < 5 {
			t.Errorf("%s has %d colours", name, len(colours))
		}
	}
}

// The summary has a line for each case and a column for each server, "-" where
// it has no figure.
func TestSummary(t *testing.T) {
	var b strings.Builder
	results().Summary(&b, "b")
	for _, c := range results().Cases("b") {
		if line := "\n| " + c.Scenario + ": " + c.Name + "; "; len(c.Columns) > 0 && !strings.Contains(b.String(), line) {
			t.Errorf("no line %q in\n%s", line, b.String())
		}
	}
	if !strings.Contains(b.String(), " 2.00 |") {
		t.Errorf("no figure of a in\n%s", b.String())
	}
}

// Only what stands between the marks is replaced, and twice is the same as once.
func TestMarkdownIsUpdatedBetweenItsMarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + GeneratedBegin + "old" + GeneratedEnd + "\nafter\n")
	var texts [2]string
	for i := range texts {
		if err := results().UpdateMarkdown(path, "b"); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(b)
	}
	if texts[0] != texts[1] {
		t.Error("a second update changed the file")
	}
	for _, want := range []string{"before\n", "\nafter\n", "| a | 2.00 | 2.00..4.00 | 0.250 | 500,000 |"} {
		if !strings.Contains(texts[0], want) {
			t.Errorf("no %q in\n%s", want, texts[0])
		}
	}
	if strings.Contains(texts[0], "old") {
		t.Error("the old part is still there")
	}
	write("no marks")
	if err := results().UpdateMarkdown(path, "b"); err == nil {
		t.Error("a file without marks was updated")
	}
}
