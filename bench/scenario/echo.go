package scenario

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/proc"
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
func (e *Echo) Measure(ctx context.Context, t *Target) ([]Sample, error) {
	failed, err := t.connect(e.Conns)
	if err != nil {
		return nil, err
	}
	var samples []Sample
	for _, c := range e.Cases {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s := Sample{Scenario: e.Name(), Case: c.String(), Server: t.Server, Round: t.Round, Failed: failed, Columns: messageColumns}
		if failed == "" {
			run := load.Run{
				Mode: load.ClosedLoop, Size: c.Size, Text: e.Text, Batch: c.InFlight, InFlight: c.InFlight,
				Warmup: e.Warmup, Window: e.Window,
			}
			if err := t.measure(run, &s); err != nil {
				return nil, err
			}
			// A connection lost in one case is missing in the next.
			failed = s.Failed
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// connect opens n connections over the workers and makes sure that the server
// holds them all. What the server did wrong comes back as failed.
func (t *Target) connect(n int) (failed string, err error) {
	before, err := proc.Sockets(t.PID)
	if err != nil {
		return "", err
	}
	if err := t.dial("/"); err != nil {
		return "", err
	}
	o, err := t.grow(n)
	if err != nil {
		return "", err
	}
	if o.Failures.Total() > 0 {
		return o.Failures.String(), nil
	}
	after, err := proc.Sockets(t.PID)
	if err != nil {
		return "", err
	}
	if after-before < n {
		return fmt.Sprintf("%d connections were opened, the server holds %d", n, after-before), nil
	}
	return "", nil
}

// measure runs messages over the first worker's connections and fills s.
func (t *Target) measure(run load.Run, s *Sample) error { return t.measureOn(0, run, s) }

func (t *Target) measureOn(worker int, run load.Run, s *Sample) error {
	busy, err := proc.BusyNow()
	if err != nil {
		return err
	}
	began := time.Now()
	r, err := t.Workers[worker].Run(run, t.progress(s.Case))
	if err != nil {
		return err
	}
	took := time.Since(began)
	if r.Failures.Total() > 0 {
		s.Failed = r.Failures.String()
		return nil
	}
	after, err := proc.BusyNow()
	if err != nil {
		return err
	}
	if err := t.fill(s, r); err != nil {
		return err
	}
	// The machine's own count covers warm-up too, so it is compared as a rate.
	s.Values["others_cpu"] = max(0, (after.Work-busy.Work).Seconds()/took.Seconds()-s.Values["server_cpu"]-s.Values["client_cpu"])
	return nil
}

func (t *Target) fill(s *Sample, r *load.Result) error {
	memory, err := proc.MemoryOf(t.PID)
	if err != nil {
		return err
	}
	threads, err := proc.Threads(t.PID)
	if err != nil {
		return err
	}
	s.Latency = r.Latency
	if s.Values == nil {
		s.Values = map[string]float64{}
	}
	maps.Copy(s.Values, map[string]float64{
		"cpu_us":     micros(r.ServerCPU) / float64(max(1, r.Messages)),
		"msgs":       float64(r.Messages) / r.Window.Seconds(),
		"p50_us":     micros(r.Latency.Quantile(0.50)),
		"p99_us":     micros(r.Latency.Quantile(0.99)),
		"max_us":     micros(r.Latency.Max()),
		"rss_mb":     float64(memory.RSS) / megabyte,
		"pss_mb":     float64(memory.PSS) / megabyte,
		"threads":    float64(threads),
		"server_cpu": r.ServerCPU.Seconds() / r.Window.Seconds(),
		"client_cpu": r.ClientCPU.Seconds() / r.Window.Seconds(),
	})
	return nil
}
