package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// Storm opens many connections as fast as they can be opened, as clients do
// when a server comes back.
type Storm struct {
	Conns       int
	Concurrency int // opening handshakes at one time
}

// Name implements Scenario.
func (e *Storm) Name() string { return "storm" }

// Need implements Scenario.
func (e *Storm) Need() Need { return NeedEcho }

// Clients implements Scenario.
func (e *Storm) Clients() int { return 1 }

// Settings implements Scenario.
func (e *Storm) Settings() map[string]any {
	return map[string]any{"connections": e.Conns, "concurrency": e.Concurrency}
}

// Estimate implements Scenario.
func (e *Storm) Estimate() time.Duration {
	return time.Second + time.Duration(e.Conns)*100*time.Microsecond
}

// stormWarm connections are opened before, so that a program's first ones,
// which pay for lazy starts, are not in the figures.
const stormWarm = 200

// Measure implements Scenario.
func (e *Storm) Measure(_ context.Context, t *Target) ([]Sample, error) {
	s := Sample{
		Scenario: e.Name(), Server: t.Server, Round: t.Round, Values: map[string]float64{},
		Case:    fmt.Sprintf("%d connections, %d at a time", e.Conns, e.Concurrency),
		Columns: []string{"connect_us", "handshakes", "p50_us", "p99_us", "max_us"},
	}
	failed, err := t.connect(stormWarm)
	if err != nil || failed != "" {
		s.Failed = failed
		return []Sample{s}, err
	}
	o, err := t.Workers[0].Connect(load.Connect{Count: e.Conns, Concurrency: e.Concurrency, Deadline: 2 * time.Minute}, t.progress("connecting"))
	if err != nil {
		return nil, err
	}
	if s.Failed = o.Failures.String(); s.Failed != "" {
		return []Sample{s}, nil
	}
	if s.Failed, err = t.check(e.Conns + stormWarm); err != nil || s.Failed != "" {
		return []Sample{s}, err
	}
	s.Latency = o.Handshake
	s.Values["connect_us"] = micros(o.ServerCPU) / float64(o.Opened)
	s.Values["handshakes"] = float64(o.Opened) / o.Elapsed.Seconds()
	s.quantiles(o.Handshake)
	return []Sample{s}, nil
}

// Churn has connections come, say one thing and go.
type Churn struct {
	Concurrency int
	Warmup      time.Duration
	Window      time.Duration
}

// Name implements Scenario.
func (e *Churn) Name() string { return "churn" }

// Need implements Scenario.
func (e *Churn) Need() Need { return NeedEcho }

// Clients implements Scenario.
func (e *Churn) Clients() int { return 1 }

// Settings implements Scenario.
func (e *Churn) Settings() map[string]any {
	return map[string]any{"concurrency": e.Concurrency, "warmup_seconds": e.Warmup.Seconds(), "window_seconds": e.Window.Seconds()}
}

// Estimate implements Scenario.
func (e *Churn) Estimate() time.Duration { return e.Warmup + e.Window + time.Second }

// Measure implements Scenario.
func (e *Churn) Measure(_ context.Context, t *Target) ([]Sample, error) {
	s := Sample{
		Scenario: e.Name(), Server: t.Server, Round: t.Round, Values: map[string]float64{},
		Case:    fmt.Sprintf("connect, one echo, close; %d at a time", e.Concurrency),
		Columns: []string{"life_cpu_us", "lives", "p50_us", "p99_us", "max_us", "rss_mb", "threads"},
	}
	if err := t.dial("/"); err != nil {
		return nil, err
	}
	r, err := t.Workers[0].Churn(load.Churn{
		Concurrency: e.Concurrency, Warmup: e.Warmup, Window: e.Window, Drain: 20 * time.Second,
	}, t.progress(s.Case))
	if err != nil {
		return nil, err
	}
	if s.Failed = r.Failures.String(); s.Failed != "" {
		return []Sample{s}, nil
	}
	s.Latency = r.Life
	s.Values["life_cpu_us"] = micros(r.ServerCPU) / float64(max(1, r.Lives))
	s.Values["lives"] = float64(r.Lives) / r.Window.Seconds()
	s.quantiles(r.Life)
	return []Sample{s}, t.footprint(&s)
}
