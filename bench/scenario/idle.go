package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/proc"
)

// Idle opens ever more connections, sends one message over each, lets them
// rest and looks at what the server occupies. What one connection costs is the
// slope between the first and the last step: the size of the program itself
// and of its warm pools is not in it.
type Idle struct {
	From, To int           // connections at the first and the last step
	Steps    int           // at least 2
	Settle   time.Duration // rest before memory is read
}

// Name implements Scenario.
func (e *Idle) Name() string { return "idle" }

// Need implements Scenario.
func (e *Idle) Need() Need { return NeedEcho }

// Clients implements Scenario. A worker has descriptors of its own, as many as
// the server's process.
func (e *Idle) Clients() int { return 2 }

// Settings implements Scenario.
func (e *Idle) Settings() map[string]any {
	return map[string]any{"from": e.From, "to": e.To, "steps": e.Steps, "settle_seconds": e.Settle.Seconds()}
}

// Estimate implements Scenario.
func (e *Idle) Estimate() time.Duration {
	return time.Duration(e.Steps)*(e.Settle+500*time.Millisecond) + time.Duration(e.To)*200*time.Microsecond
}

// step is what was seen at one number of connections.
type step struct {
	conns  int
	memory proc.Memory
	kernel proc.Kernel
}

// clientsOf says how clients of a kind come to be and are looked after.
type clientsOf struct {
	grow  func(n int) (load.Opened, error)       // until there are n
	check func(n int) (failed string, err error) // that all n work
	cpu   string                                 // the metric for the server's CPU time of one that came
	rate  string                                 // and for how many came in a second
}

// Measure implements Scenario.
func (e *Idle) Measure(ctx context.Context, t *Target) ([]Sample, error) {
	return e.measure(ctx, t, Sample{
		Scenario: e.Name(), Case: fmt.Sprintf("memory of a connection, %d to %d", e.From, e.To),
		Columns: []string{"rss_conn", "pss_conn", "kernel_conn", "rss_first_mb", "rss_mb", "threads", "idle_cpu", "connect_us", "handshakes"},
	}, clientsOf{grow: t.grow, check: t.check, cpu: "connect_us", rate: "handshakes"})
}

// measure fills s.
func (e *Idle) measure(ctx context.Context, t *Target, s Sample, clients clientsOf) ([]Sample, error) {
	s.Server, s.Round, s.Values = t.Server, t.Round, map[string]float64{}
	if err := t.dial("/"); err != nil {
		return nil, err
	}
	var steps []step
	for i := range e.Steps {
		n := e.From + (e.To-e.From)*i/(e.Steps-1)
		st, err := e.step(ctx, t, &s, n, clients)
		if err != nil || s.Failed != "" {
			return []Sample{s}, err
		}
		steps = append(steps, st)
	}
	// They must all still work after the rest.
	var err error
	if s.Failed, err = clients.check(e.To); err != nil || s.Failed != "" {
		return []Sample{s}, err
	}
	threads, err := proc.Threads(t.PID)
	if err != nil {
		return nil, err
	}
	first, last := steps[0], steps[len(steps)-1]
	conns := float64(last.conns - first.conns)
	v := s.Values
	v["rss_conn"] = (float64(last.memory.RSS) - float64(first.memory.RSS)) / conns
	v["pss_conn"] = (float64(last.memory.PSS) - float64(first.memory.PSS)) / conns
	v["kernel_conn"] = (float64(last.kernel.SlabBytes()) - float64(first.kernel.SlabBytes())) / conns
	v["rss_first_mb"], v["rss_mb"] = float64(first.memory.RSS)/megabyte, float64(last.memory.RSS)/megabyte
	v["threads"] = float64(threads)
	for _, st := range steps {
		v[fmt.Sprintf("rss_at_%d", st.conns)] = float64(st.memory.RSS)
	}
	return []Sample{s}, nil
}

// step brings the server to n connections and looks at it.
func (e *Idle) step(ctx context.Context, t *Target, s *Sample, n int, clients clientsOf) (step, error) {
	o, err := clients.grow(n)
	if err != nil {
		return step{}, err
	}
	if o.Failures.Total() > 0 {
		s.Failed = o.Failures.String()
		return step{}, nil
	}
	if o.Opened > 0 {
		s.Values[clients.cpu] = micros(o.ServerCPU) / float64(o.Opened)
		s.Values[clients.rate] = float64(o.Opened) / o.Elapsed.Seconds()
	}
	if s.Failed, err = clients.check(n); err != nil || s.Failed != "" {
		return step{}, err
	}
	if s.Failed, err = t.held(n); err != nil || s.Failed != "" {
		return step{}, err
	}
	cpu, err := proc.CPU(t.PID)
	if err != nil {
		return step{}, err
	}
	if err := t.rest(ctx, fmt.Sprintf("%d connections", n), e.Settle); err != nil {
		return step{}, err
	}
	after, err := proc.CPU(t.PID)
	if err != nil {
		return step{}, err
	}
	s.Values["idle_cpu"] = (after - cpu).Seconds() / e.Settle.Seconds()
	st := step{conns: n}
	if st.memory, err = proc.MemoryOf(t.PID); err != nil {
		return step{}, err
	}
	st.kernel, err = proc.KernelNow()
	return st, err
}
