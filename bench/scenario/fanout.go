package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// Fanout publishes to all subscribers and waits until the last one has it.
type Fanout struct {
	Subscribers int
	Stalled     int // of them never read
	Size        int
	Messages    int
	Every       time.Duration
}

// Name implements Scenario.
func (e *Fanout) Name() string {
	if e.Stalled > 0 {
		return "fanout-stalled"
	}
	return "fanout"
}

// Need implements Scenario.
func (e *Fanout) Need() Need {
	if e.Stalled > 0 {
		return NeedStall
	}
	return NeedFanout
}

// Clients implements Scenario.
func (e *Fanout) Clients() int { return 1 }

// Settings implements Scenario.
func (e *Fanout) Settings() map[string]any {
	return map[string]any{
		"subscribers": e.Subscribers, "stalled": e.Stalled, "size": e.Size, "messages": e.Messages,
		"every_ms": e.Every.Milliseconds(),
	}
}

// Estimate implements Scenario.
func (e *Fanout) Estimate() time.Duration {
	return time.Second + time.Duration(e.Subscribers)*100*time.Microsecond + time.Duration(e.Messages+3)*e.Every
}

// Measure implements Scenario.
func (e *Fanout) Measure(_ context.Context, t *Target) ([]Sample, error) {
	s := Sample{
		Scenario: e.Name(), Server: t.Server, Round: t.Round, Values: map[string]float64{},
		Case:    fmt.Sprintf("%s to %d subscribers", bytesWord(e.Size), e.Subscribers),
		Columns: []string{"delivery_cpu_us", "first_us", "p50_us", "p99_us", "last_us", "rss_mb", "threads"},
	}
	if e.Stalled > 0 {
		s.Case += fmt.Sprintf(", %d of which never read", e.Stalled)
	}
	if err := t.dial("/sub"); err != nil {
		return nil, err
	}
	for _, c := range []load.Connect{
		{Count: e.Subscribers - e.Stalled},
		{Count: e.Stalled, Stalled: true},
		{Count: 1, Path: "/pub"},
	} {
		c.Concurrency, c.Deadline = 128, time.Minute
		o, err := t.Workers[0].Connect(c, t.progress("connecting"))
		if err != nil {
			return nil, err
		}
		if s.Failed = o.Failures.String(); s.Failed != "" {
			return []Sample{s}, nil
		}
	}
	var err error
	if s.Failed, err = t.held(e.Subscribers + 1); err != nil || s.Failed != "" {
		return []Sample{s}, err
	}
	// Once to warm up: pools, code paths and the client's own.
	for _, messages := range []int{2, e.Messages} {
		r, err := t.Workers[0].Fanout(load.Fanout{Messages: messages, Size: e.Size, Every: e.Every, Drain: 20 * time.Second}, t.progress(s.Case))
		if err != nil {
			return nil, err
		}
		if s.Failed = r.Failures.String(); s.Failed != "" {
			return []Sample{s}, nil
		}
		s.fanned(r)
	}
	return []Sample{s}, t.footprint(&s)
}

// fanned notes the figures of a fan-out.
func (s *Sample) fanned(r *load.Fanned) {
	s.Latency = r.Latency
	s.quantiles(r.Latency)
	s.Values["first_us"], s.Values["last_us"] = micros(r.First.Quantile(0.5)), micros(r.Last.Quantile(0.5))
	s.Values["last_p99_us"] = micros(r.Last.Quantile(0.99))
	s.Values["delivery_cpu_us"] = micros(r.ServerCPU) / float64(r.Deliveries)
}
