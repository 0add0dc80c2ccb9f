package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/roost-ws/roost/bench/load"
)

// PushFanout publishes to all subscribers and waits until the last one has it.
// Where the server is the bare fan-out, a client's message is published and not a
// call of the HTTP API; what a subscriber gets has the same size.
type PushFanout struct {
	Fanout
}

// BareFanout is the server without channels or an API, which the others are compared with.
const BareFanout = "bare"

// Name implements Scenario.
func (e *PushFanout) Name() string { return "push-fanout" }

// Need implements Scenario.
func (e *PushFanout) Need() Need { return NeedPublish }

// Measure implements Scenario.
func (e *PushFanout) Measure(ctx context.Context, t *Target) ([]Sample, error) {
	columns := []string{"p99_us", "p50_us", "first_us", "last_us", "last_p99_us", "delivery_cpu_us", "rss_mb"}
	s := Sample{
		Scenario: e.Name(), Server: t.Server, Round: t.Round, Values: map[string]float64{}, Columns: columns,
		Case: fmt.Sprintf("%s to %d subscribers", bytesWord(e.Size), e.Subscribers),
	}
	if t.Server == BareFanout {
		samples, err := e.Fanout.Measure(ctx, t)
		for i := range samples {
			samples[i].Scenario, samples[i].Case, samples[i].Columns = s.Scenario, s.Case, columns
		}
		return samples, err
	}
	if err := t.dial("/"); err != nil {
		return nil, err
	}
	joined, err := t.Workers[0].Join(joining(e.Subscribers, 128, pushChannel, false), t.progress("joining"))
	if err != nil {
		return nil, err
	}
	if s.Failed = joined.Failures.String(); s.Failed != "" {
		return []Sample{s}, nil
	}
	if s.Failed, err = t.subscribed(ctx, e.Subscribers, false); err != nil || s.Failed != "" {
		return []Sample{s}, err
	}
	for _, messages := range []int{2, e.Messages} { // once to warm up
		r, err := t.Workers[0].Publish(load.Publish{App: PushApp, Channel: pushChannel, Fanout: load.Fanout{
			Messages: messages, Size: e.Size, Every: e.Every, Drain: 20 * time.Second,
		}}, t.progress(s.Case))
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

// PushPost calls the HTTP API as fast as it answers.
type PushPost struct {
	Subscribers int // of the channel
	Size        int
	Callers     int // connections, each with one call at a time
	Warmup      time.Duration
	Window      time.Duration
}

// Name implements Scenario.
func (e *PushPost) Name() string { return "push-post" }

// Need implements Scenario.
func (e *PushPost) Need() Need { return NeedChannels }

// Clients implements Scenario.
func (e *PushPost) Clients() int { return 1 }

// Settings implements Scenario.
func (e *PushPost) Settings() map[string]any {
	return map[string]any{
		"subscribers": e.Subscribers, "size": e.Size, "callers": e.Callers,
		"warmup_seconds": e.Warmup.Seconds(), "window_seconds": e.Window.Seconds(),
	}
}

// Estimate implements Scenario.
func (e *PushPost) Estimate() time.Duration { return e.Warmup + e.Window + time.Second }

// Measure implements Scenario.
func (e *PushPost) Measure(_ context.Context, t *Target) ([]Sample, error) {
	s := Sample{
		Scenario: e.Name(), Server: t.Server, Round: t.Round, Values: map[string]float64{},
		Case:    fmt.Sprintf("%s to %d subscribers, %d callers", bytesWord(e.Size), e.Subscribers, e.Callers),
		Columns: []string{"call_cpu_us", "calls", "p50_us", "p99_us", "max_us", "server_cpu", "client_cpu", "rss_mb"},
	}
	if err := t.dial("/"); err != nil {
		return nil, err
	}
	joined, err := t.Workers[0].Join(joining(e.Subscribers, 128, pushChannel, false), t.progress("joining"))
	if err != nil {
		return nil, err
	}
	if s.Failed = joined.Failures.String(); s.Failed != "" {
		return []Sample{s}, nil
	}
	r, err := t.Workers[0].Post(load.Post{
		App: PushApp, Channel: pushChannel, Size: e.Size, Callers: e.Callers,
		Warmup: e.Warmup, Window: e.Window, Drain: 20 * time.Second,
	}, t.progress(s.Case))
	if err != nil {
		return nil, err
	}
	if s.Failed = r.Failures.String(); s.Failed == "" && r.Calls == 0 {
		s.Failed = "no call was answered"
	}
	if s.Failed != "" {
		return []Sample{s}, nil
	}
	s.Latency = r.Latency
	s.Values["call_cpu_us"] = micros(r.ServerCPU) / float64(r.Calls)
	s.Values["calls"] = float64(r.Calls) / r.Window.Seconds()
	s.Values["server_cpu"] = r.ServerCPU.Seconds() / r.Window.Seconds()
	s.Values["client_cpu"] = r.ClientCPU.Seconds() / r.Window.Seconds()
	s.quantiles(r.Latency)
	return []Sample{s}, t.footprint(&s)
}
