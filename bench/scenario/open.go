package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// Rate offers every server the same messages at the same times, whatever the
// server does, in writes of several frames: a feed of small updates.
type Rate struct {
	Conns   int
	Size    int
	PerConn float64 // messages per second of a connection
	Batch   int     // frames in one write
	Warmup  time.Duration
	Window  time.Duration
}

// Name implements Scenario.
func (e *Rate) Name() string { return "rate" }

// Need implements Scenario.
func (e *Rate) Need() Need { return NeedEcho }

// Clients implements Scenario.
func (e *Rate) Clients() int { return 1 }

// Settings implements Scenario.
func (e *Rate) Settings() map[string]any {
	return map[string]any{
		"connections": e.Conns, "size": e.Size, "per_connection": e.PerConn, "batch": e.Batch,
		"warmup_seconds": e.Warmup.Seconds(), "window_seconds": e.Window.Seconds(),
	}
}

// Estimate implements Scenario.
func (e *Rate) Estimate() time.Duration { return e.Warmup + e.Window + time.Second }

// Measure implements Scenario.
func (e *Rate) Measure(_ context.Context, t *Target) ([]Sample, error) {
	s := Sample{
		Scenario: e.Name(), Server: t.Server, Round: t.Round, Columns: messageColumns,
		Case: fmt.Sprintf("%d connections, %.0f/s each, %s, %d in a write", e.Conns, e.PerConn, bytesWord(e.Size), e.Batch),
	}
	run := load.Run{
		Mode: load.OpenLoop, Size: e.Size, Batch: e.Batch, Rate: e.PerConn * float64(e.Conns),
		Warmup: e.Warmup, Window: e.Window,
	}
	return t.series(e.Conns, []Sample{s}, []load.Run{run})
}

// Latency offers fractions of what one server, the baseline, can take at
// most, and looks at how long each message waits from its due time.
type Latency struct {
	Conns     int
	Size      int
	Fractions []float64
	Capacity  float64 // messages per second that are 100 %; Calibrate finds it
	Warmup    time.Duration
	Window    time.Duration
}

// Name implements Scenario.
func (e *Latency) Name() string { return "latency" }

// Need implements Scenario.
func (e *Latency) Need() Need { return NeedEcho }

// Clients implements Scenario.
func (e *Latency) Clients() int { return 1 }

// Settings implements Scenario.
func (e *Latency) Settings() map[string]any {
	return map[string]any{
		"connections": e.Conns, "size": e.Size, "fractions": e.Fractions, "capacity": e.Capacity,
		"warmup_seconds": e.Warmup.Seconds(), "window_seconds": e.Window.Seconds(),
	}
}

// Estimate implements Scenario.
func (e *Latency) Estimate() time.Duration {
	return time.Duration(len(e.Fractions))*(e.Warmup+e.Window) + time.Second
}

// Calibrate finds the capacity at the server all are compared with: what it
// echoes with one message in flight on every connection.
func (e *Latency) Calibrate(_ context.Context, t *Target) error {
	s := []Sample{{Case: "calibrating"}}
	s, err := t.series(e.Conns, s, []load.Run{{
		Mode: load.ClosedLoop, Size: e.Size, Batch: 1, InFlight: 1, Warmup: e.Warmup, Window: e.Window,
	}})
	if err != nil {
		return err
	}
	if s[0].Failed != "" {
		return fmt.Errorf("scenario: the capacity could not be found: %s", s[0].Failed)
	}
	e.Capacity = s[0].Values["msgs"]
	return nil
}

// Measure implements Scenario.
func (e *Latency) Measure(_ context.Context, t *Target) ([]Sample, error) {
	var samples []Sample
	var runs []load.Run
	for _, f := range e.Fractions {
		samples = append(samples, Sample{
			Scenario: e.Name(), Server: t.Server, Round: t.Round,
			Case:    fmt.Sprintf("open loop at %.0f %% of the capacity", 100*f),
			Columns: []string{"p99_us", "p50_us", "max_us", "lag_p99_us", "msgs", "cpu_us", "server_cpu", "client_cpu", "others_cpu"},
		})
		runs = append(runs, load.Run{
			Mode: load.OpenLoop, Size: e.Size, Batch: 1, Rate: f * e.Capacity, Warmup: e.Warmup, Window: e.Window,
		})
	}
	return t.series(e.Conns, samples, runs)
}
