package soak

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/roost-ws/roost/bench/proc"
)

// Plan says how a soak is made.
type Plan struct {
	For    time.Duration `json:"for"`
	Warmup time.Duration `json:"warmup"` // samples of it are shown, and not fitted
	Every  time.Duration `json:"every"`  // between samples
	Crowd  Crowd         `json:"crowd"`  // at each server
}

// Header is the first line of a soak's file.
type Header struct {
	Started time.Time    `json:"started"`
	Version string       `json:"version"`
	Machine proc.Machine `json:"machine"`
	Plan    Plan         `json:"plan"`
}

// Sample is what a server was like at one moment.
type Sample struct {
	At         float64 `json:"at"` // seconds since the start
	Server     string  `json:"server"`
	RSS        float64 `json:"rss"`        // bytes
	Heap       float64 `json:"heap"`       // bytes in use
	Goroutines float64 `json:"goroutines"` //
	Threads    float64 `json:"threads"`
	Files      float64 `json:"files"` // open descriptors
	Conns      float64 `json:"conns"` // open connections, as the server counts them
	CPU        float64 `json:"cpu"`   // cores, since the last sample
	P50        float64 `json:"p50"`   // seconds; of requests and news since the last sample
	P99        float64 `json:"p99"`
	Count      int64   `json:"count"` // of them
}

// Outcome is what became of one server's crowd.
type Outcome struct {
	Server  string             `json:"server"`
	Asked   int64              `json:"asked"`  // requests of residents, all answered
	Heard   int64              `json:"heard"`  // news of residents, none missing
	Visits  int64              `json:"visits"` // by clients that came and left
	Rude    int64              `json:"rude"`   // visits
	Slow    int64              `json:"slow"`   // visits by clients that never read
	Failed  int64              `json:"failed"` // what went wrong for an honest client
	Errors  []string           `json:"errors,omitempty"`
	Before  Sample             `json:"before"` // nobody was there yet
	After   Sample             `json:"after"`  // all had left
	Counted map[string]float64 `json:"counted"`
}

// Verdict is the last line of a soak's file.
type Verdict struct {
	Outcomes []Outcome `json:"outcomes"`
	Trends   []Trend   `json:"trends"`
	Client   float64   `json:"client_cpu"` // cores of the crowd itself
	Faults   []string  `json:"faults,omitempty"`
}

// judge says what speaks against the servers.
func (v *Verdict) judge() {
	for _, o := range v.Outcomes {
		if o.Failed > 0 {
			v.Faults = append(v.Faults, fmt.Sprintf("roost %s: %d failures of honest clients, the first: %s", o.Server, o.Failed, o.Errors[0]))
		}
		if o.Asked == 0 || o.Visits == 0 || o.Server == "serve" && o.Heard == 0 {
			v.Faults = append(v.Faults, fmt.Sprintf("roost %s: nobody was served", o.Server))
		}
		if o.Counted["roost_panics_total"] > 0 {
			v.Faults = append(v.Faults, fmt.Sprintf("roost %s: a handler panicked", o.Server))
		}
		for _, left := range []struct {
			what          string
			before, after float64
		}{
			{"connections", 0, o.After.Conns},
			{"descriptors", o.Before.Files, o.After.Files},
			{"goroutines", o.Before.Goroutines, o.After.Goroutines},
		} {
			if left.after > left.before {
				v.Faults = append(v.Faults, fmt.Sprintf("roost %s: %g %s after everybody left, %g before anybody came", o.Server, left.after, left.what, left.before))
			}
		}
	}
	for _, t := range v.Trends {
		if t.Rises {
			v.Faults = append(v.Faults, fmt.Sprintf("roost %s: %s rises by %.4g an hour (± %.2g), %.4g is tolerated, from %.4g", t.Server, t.Figure, t.Slope, t.Error, t.Most, t.Level))
		}
	}
}

// line is a line of the file: one of its fields is set.
type line struct {
	Header  *Header  `json:"header,omitempty"`
	Sample  *Sample  `json:"sample,omitempty"`
	Verdict *Verdict `json:"verdict,omitempty"`
}

// Record is a soak as it was written down.
type Record struct {
	Header  Header
	Samples []Sample
	Verdict Verdict
}

// Read reads what Run wrote.
func Read(r io.Reader) (*Record, error) {
	var all Record
	dec := json.NewDecoder(bufio.NewReader(r))
	for n := 1; ; n++ {
		var l line
		if err := dec.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("soak: line %d: %w", n, err)
		}
		switch {
		case l.Header != nil:
			all.Header = *l.Header
		case l.Sample != nil:
			all.Samples = append(all.Samples, *l.Sample)
		case l.Verdict != nil:
			all.Verdict = *l.Verdict
		}
	}
	if all.Header.Started.IsZero() {
		return nil, fmt.Errorf("soak: the file has no header line")
	}
	return &all, nil
}

// figure is something that must not grow.
type figure struct {
	name  string
	of    func(Sample) float64
	most  tolerance
	scale float64 // from the sample's unit to the one shown
	unit  string
}

// The figures that are fitted. A span of an hour of a small, quiet server: the
// floors are what the collector's phase and the scheduler's threads amount to.
var figures = []figure{
	{"RSS", func(s Sample) float64 { return s.RSS }, tolerance{0.05, 2 << 20}, 1.0 / (1 << 20), "MiB"},
	{"heap in use", func(s Sample) float64 { return s.Heap }, tolerance{0.05, 1 << 20}, 1.0 / (1 << 20), "MiB"},
	{"goroutines", func(s Sample) float64 { return s.Goroutines }, tolerance{0.02, 2}, 1, ""},
	{"descriptors", func(s Sample) float64 { return s.Files }, tolerance{0.02, 3}, 1, ""},
	{"p99", func(s Sample) float64 { return s.P99 }, tolerance{0.25, 5e-3}, 1e3, "ms"},
}

// trends fits every figure of every server.
func trends(p Plan, samples []Sample, servers []string) ([]Trend, error) {
	var all []Trend
	for _, server := range servers {
		for _, f := range figures {
			var times, values []float64
			for _, s := range samples {
				if s.Server == server && s.At >= p.Warmup.Seconds() {
					times, values = append(times, s.At), append(values, f.of(s))
				}
			}
			t, err := fit(times, values, f.most)
			if err != nil {
				return nil, err
			}
			t.Figure, t.Server = f.name, server
			all = append(all, t)
		}
	}
	return all, nil
}
