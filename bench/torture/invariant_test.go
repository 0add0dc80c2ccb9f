package torture

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// operator is the admin address of a server, as a test wants it.
type operator struct {
	text atomic.Pointer[string]
}

func (o *operator) shows(text string) { o.text.Store(&text) }

func startOperator(t *testing.T) (o *operator, url string) {
	t.Helper()
	o = new(operator)
	o.shows(metricsOf(nil))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			w.Write([]byte(*o.text.Load()))
		}
	}))
	t.Cleanup(s.Close)
	return o, s.URL
}

// metricsOf is what a good server shows, but for what changed says.
func metricsOf(changed map[string]float64) string {
	f := figures{
		goroutinesFigure: 20, heapFigure: 2 << 20, panicsFigure: 0, waitingFigure: 0,
		closesFigure + `{code="1002"}`: 5, refusalFigures[0] + `{cause="head"}`: 7, alertsFigure: 3,
		answersFigure + `{status="401"}`: 2, answersFigure + `{status="404"}`: 0,
	}
	for name, v := range changed {
		f[name] = v
	}
	var s strings.Builder
	s.WriteString("# HELP x\n")
	for name, v := range f {
		fmt.Fprintf(&s, "%s %v\n", name, v)
	}
	return s.String()
}

// watched is a watch over the model in this process.
func watched(t *testing.T, o Options, defect string) *watch {
	t.Helper()
	p := thisProcess(t)
	m := startModel(t, defect, Options{})
	o.URL, o.Pid, o.Timeout = m.url, os.Getpid(), time.Second
	if err := o.prepare(); err != nil {
		t.Fatal(err)
	}
	w, err := newWatch(&o, p, map[string]bool{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.canary.stop() })
	if faults := w.check(false); len(faults) > 0 {
		t.Fatalf("before anything happened: %+v", faults)
	}
	return w
}

func ids(faults []broken) (all []string) {
	for _, b := range faults {
		if b.got == "" || b.want == "" {
			all = append(all, b.id+" without words")
		}
		all = append(all, b.id)
	}
	return all
}

// U2, U3, U6: what a server shows its operators is held against what was done.
func TestFiguresAreWatched(t *testing.T) {
	operator, url := startOperator(t)
	w := watched(t, Options{Admin: url}, "")
	w.o.tally.count([]Event{{Kind: Close, Code: 1002}, {Kind: Response, Status: 400}, {Kind: Response, Status: 401}, {Kind: Response, Status: 401}, {Kind: Alert, Code: recordOverflow}})
	counted := map[string]float64{closesFigure + `{code="1002"}`: 6, refusalFigures[0] + `{cause="head"}`: 8, alertsFigure: 4, answersFigure + `{status="401"}`: 4}
	with := func(name string, v float64) map[string]float64 {
		m := map[string]float64{name: v}
		for k, n := range counted {
			if k != name {
				m[k] = n
			}
		}
		return m
	}
	for _, c := range []struct {
		change map[string]float64
		final  bool
		want   string
	}{
		{counted, true, ""},
		{nil, false, "U6/counters"},
		{with(refusalFigures[0]+`{cause="head"}`, 7), false, "U6/counters"},
		{with(alertsFigure, 3), false, "U6/counters"},
		{with(answersFigure+`{status="401"}`, 3), false, "U6/counters"},
		{map[string]float64{closesFigure + `{code="1002"}`: 6, refusalFigures[0] + `{cause="head"}`: 8, alertsFigure: 4, answersFigure + `{status="404"}`: 2}, false, "U6/counters"},
		{with(goroutinesFigure, 700), false, "U3/goroutines"},
		{with(goroutinesFigure, 40), true, "U3/goroutines"},
		{with(goroutinesFigure, 40), false, ""},
		{with(heapFigure, 40<<20), false, "U3/heap"},
		{with(heapFigure, 5<<20), true, "U3/heap"},
		{with(waitingFigure, 5<<20), true, "U3/waiting"},
		{with(panicsFigure, 1), false, "U2/panics"},
		{with(`roost_paths{path="/x"}`, 1), false, "U6/closed-set"},
	} {
		t.Run(c.want, func(t *testing.T) {
			operator.shows(metricsOf(c.change))
			defer func(d time.Duration) { settleWithin = d }(settleWithin)
			settleWithin = 300 * time.Millisecond
			if got := ids(w.checkFigures(c.final)); strings.Join(got, " ") != c.want {
				t.Errorf("%v: got %v, want %s", c.change, got, c.want)
			}
		})
	}
}

// U3: a descriptor that stays is noticed, and that of a client is not.
func TestDescriptorsAreWatched(t *testing.T) {
	w := watched(t, Options{}, "")
	defer func(d time.Duration) { settleWithin = d }(settleWithin)
	settleWithin = 300 * time.Millisecond
	var left []*os.File
	defer func() {
		for _, f := range left {
			f.Close()
		}
	}()
	for range int(w.o.tally.open.Load()) + 4 {
		r, wr, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, r, wr)
	}
	if b := w.checkDescriptors(); b == nil || b.id != "U3/descriptors" || !strings.Contains(b.got, "pipe") {
		t.Errorf("not noticed: %+v", b)
	}
}

// U7: work and memory beyond the price of honest clients are noticed.
func TestAmplificationIsNoticed(t *testing.T) {
	w := watched(t, Options{}, "")
	if w.price.conn <= w.price.byte || w.price.byte <= 0 {
		t.Errorf("the price is %+v", w.price)
	}
	if b := w.checkCost(); b != nil {
		t.Errorf("a quiet server: %+v", b)
	}
	w.last.cpu -= time.Hour
	if b := w.checkCost(); b == nil || b.id != "U7/cpu" {
		t.Errorf("an hour of work for nothing: %+v", b)
	}
	w.o.tally.bytes.Add(int64(2 * time.Hour / w.price.byte))
	if b := w.checkCost(); b != nil {
		t.Errorf("an hour of work for what is worth two: %+v", b)
	}
	w.last.load = w.o.tally.load()
	w.swells.inflated = int64(2 * time.Hour)
	if b := w.checkCost(); b != nil {
		t.Errorf("an hour of work for inflating what takes two: %+v", b)
	}
	w.swells = swell{}
	if b := w.checkPeak(); b != nil {
		t.Errorf("a quiet server: %+v", b)
	}
	w.last.memory -= 200 << 20
	if b := w.checkPeak(); !w.noPeak && (b == nil || b.id != "U7/memory") {
		t.Errorf("200 MiB for nothing: %+v", b)
	}
}

// U5: a flood of lines is noticed, and so is a byte that a terminal obeys.
func TestLogIsWatched(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("start \x1b[31m is not looked at\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := watched(t, Options{Log: log}, "")
	for _, c := range []struct {
		add  string
		want bool
	}{
		{"", false},
		{"one line\n", false},
		{"a \x1b[31m line\n", true},
		{"a \r line\n", true},
		{"not UTF-8: \xff\n", true},
		{strings.Repeat("line\n", 10_000), true},
	} {
		w.last = w.look(false)
		f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(c.add)
		f.Close()
		if b := w.checkLog(); (b != nil) != c.want {
			t.Errorf("%.20q: %+v", c.add, b)
		}
	}
}

// The case that breaks an invariant is found among those of its round.
func TestBlame(t *testing.T) {
	m := startModel(t, "dies-later", Options{})
	o := Options{URL: m.url, Run: regexp.MustCompile("^F5/text-5-in-16|^F29/text-5$"), Timeout: time.Second}
	s, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(s.Failed, func(r Result) bool {
		return r.ID == "U1/canary" && strings.HasPrefix(r.Name, "after F5/")
	}) {
		t.Errorf("not found: %v", s.Failed)
	}
}

// U3: the heap is what is live behind a collection, without the garbage that
// looking at it makes.
func TestHeapIsLive(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprintf(w, "%s 7e6\n", heapFigure)
			return
		}
		fmt.Fprintf(w, "heap profile: 1: 2 [3: 4] @ heap/1048576\n# Alloc = 1\n# HeapAlloc = 5000000\n# HeapSys = 9\n")
	}))
	defer s.Close()
	for collect, want := range map[bool]float64{true: 5e6, false: 7e6} {
		if f, err := newAdmin(s.URL).figures(t.Context(), collect); err != nil || f[heapFigure] != want {
			t.Errorf("collect %v: %v, %v", collect, f, err)
		}
	}
}

// Text of Prometheus, and what is not.
func TestParseFigures(t *testing.T) {
	f, err := parseFigures("# TYPE a counter\na{x=\"1 2\"} 3\na{x=\"b\"} 4e0\nb 5\n\n")
	if err != nil || f[`a{x="1 2"}`] != 3 || f.sum("a", "b") != 12 || f.sum("c") != 0 {
		t.Errorf("%v: %v", f, err)
	}
	for _, bad := range []string{"a", "a b"} {
		if _, err := parseFigures(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
