package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// Push brings the same updates to the same number of clients in each of the
// ways the web knows; the "servers" it compares are these ways.
type Push struct {
	Readers   int
	Size      int
	PollEvery time.Duration
	Warmup    time.Duration
	Window    time.Duration
}

// Name implements Scenario.
func (e *Push) Name() string { return "push" }

// Need implements Scenario.
func (e *Push) Need() Need { return NeedNews }

// Clients implements Scenario.
func (e *Push) Clients() int { return 1 }

// Settings implements Scenario.
func (e *Push) Settings() map[string]any {
	return map[string]any{
		"clients": e.Readers, "size": e.Size, "poll_every_ms": e.PollEvery.Milliseconds(),
		"warmup_seconds": e.Warmup.Seconds(), "window_seconds": e.Window.Seconds(),
	}
}

// Estimate implements Scenario.
func (e *Push) Estimate() time.Duration { return e.Warmup + e.Window + time.Second }

// Measure implements Scenario.
func (e *Push) Measure(_ context.Context, t *Target) ([]Sample, error) {
	s := Sample{
		Scenario: e.Name(), Server: t.Server, Round: t.Round, Values: map[string]float64{},
		Case:    fmt.Sprintf("%s to %d clients, twice a second", bytesWord(e.Size), e.Readers),
		Columns: []string{"update_cpu_us", "age_p50_ms", "age_p99_ms", "wire_bytes", "payload_bytes", "requests", "arrivals", "rss_mb", "others_cpu"},
	}
	if err := t.dial("/"); err != nil {
		return nil, err
	}
	way, _, _ := strings.Cut(t.Server, "@")
	var r *load.Updated
	cores, err := coresDuring(func() (err error) {
		r, err = t.Workers[0].Updates(load.Updates{
			Way: way, Clients: e.Readers, Size: e.Size, PollEvery: e.PollEvery, Warmup: e.Warmup, Window: e.Window,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.Failed = r.Failures.String(); s.Failed == "" && r.Arrivals == 0 {
		s.Failed = "no update arrived"
	}
	if s.Failed != "" {
		return []Sample{s}, nil
	}
	arrivals := float64(r.Arrivals)
	s.Latency = r.Age
	s.Values["update_cpu_us"] = micros(r.ServerCPU) / arrivals
	s.Values["age_p50_ms"], s.Values["age_p99_ms"] = micros(r.Age.Quantile(0.5))/1000, micros(r.Age.Quantile(0.99))/1000
	s.Values["wire_bytes"], s.Values["payload_bytes"] = float64(r.WireBytes)/arrivals, float64(r.Bytes)/arrivals
	s.Values["requests"] = float64(r.Requests) / r.Window.Seconds()
	s.Values["arrivals"] = arrivals / r.Window.Seconds()
	s.Values["others_cpu"] = max(0, cores-(r.ServerCPU+r.ClientCPU).Seconds()/r.Window.Seconds())
	return []Sample{s}, t.footprint(&s)
}
