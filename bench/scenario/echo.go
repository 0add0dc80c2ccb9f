package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// Echo sends messages in a closed loop on every connection and gets each one
// back: so many in flight, which leave in one write.
type Echo struct {
	Conns  int
	Cases  []EchoCase
	Warmup time.Duration
	Window time.Duration
	Text   bool
}

// EchoCase is one size of messages and one number of them in flight.
type EchoCase struct {
	Size     int `json:"size"`
	InFlight int `json:"in_flight"`
}

var messageColumns = []string{"cpu_us", "msgs", "p50_us", "p99_us", "max_us", "rss_mb", "threads", "others_cpu"}

// EchoCases are all pairs.
func EchoCases(sizes, inFlight []int) []EchoCase {
	var cases []EchoCase
	for _, size := range sizes {
		for _, n := range inFlight {
			cases = append(cases, EchoCase{size, n})
		}
	}
	return cases
}

func (c EchoCase) String() string {
	return fmt.Sprintf("%s, %d in flight", bytesWord(c.Size), c.InFlight)
}

// Name implements Scenario.
func (e *Echo) Name() string { return "echo" }

// Need implements Scenario.
func (e *Echo) Need() Need { return NeedEcho }

// Clients implements Scenario.
func (e *Echo) Clients() int { return 1 }

// Settings implements Scenario.
func (e *Echo) Settings() map[string]any {
	return map[string]any{
		"connections": e.Conns, "cases": e.Cases, "text": e.Text,
		"warmup_seconds": e.Warmup.Seconds(), "window_seconds": e.Window.Seconds(),
	}
}

// Estimate implements Scenario.
func (e *Echo) Estimate() time.Duration {
	return time.Second + time.Duration(len(e.Cases))*(e.Warmup+e.Window+100*time.Millisecond)
}

// Measure implements Scenario.
func (e *Echo) Measure(_ context.Context, t *Target) ([]Sample, error) {
	var samples []Sample
	var runs []load.Run
	for _, c := range e.Cases {
		samples = append(samples, Sample{
			Scenario: e.Name(), Case: c.String(), Server: t.Server, Round: t.Round, Columns: messageColumns,
		})
		runs = append(runs, load.Run{
			Mode: load.ClosedLoop, Size: c.Size, Text: e.Text, Batch: c.InFlight, InFlight: c.InFlight,
			Warmup: e.Warmup, Window: e.Window,
		})
	}
	return t.series(e.Conns, samples, runs)
}
