package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/proc"
)

// Blocking asks what becomes of a server whose handlers wait for something
// slow. With a pool of Workers it looks at three things: how close to the
// ideal the pool comes, what other connections notice while half of it is
// stuck, and what still works while all of it is.
type Blocking struct {
	Workers int           // size of the server's pool; what is ideal follows from it
	Conns   int           // connections whose handlers sleep
	Sleep   time.Duration // for so long
	Others  int           // connections whose handlers do not
	Rate    float64       // messages per second of the others together
	Stuck   time.Duration // how long a stuck handler is stuck
	Warmup  time.Duration
	Window  time.Duration
}

// Name implements Scenario.
func (e *Blocking) Name() string { return "blocking" }

// Need implements Scenario.
func (e *Blocking) Need() Need { return NeedSleep }

// Clients implements Scenario: the stuck and the others, at the same time.
func (e *Blocking) Clients() int { return 2 }

// Settings implements Scenario.
func (e *Blocking) Settings() map[string]any {
	return map[string]any{
		"workers": e.Workers, "connections": e.Conns, "sleep_ms": e.Sleep.Milliseconds(), "others": e.Others,
		"others_rate": e.Rate, "stuck_ms": e.Stuck.Milliseconds(), "window_seconds": e.Window.Seconds(),
	}
}

// Estimate implements Scenario.
func (e *Blocking) Estimate() time.Duration {
	return 2*(e.Warmup+e.Window) + 6*e.Stuck + time.Second
}

const blockingSize = 128

// Measure implements Scenario.
func (e *Blocking) Measure(ctx context.Context, t *Target) ([]Sample, error) {
	var samples []Sample
	for _, part := range []struct {
		name    string
		columns []string
		measure func(*Target, *Sample) error
	}{
		{
			fmt.Sprintf("%d connections, handlers sleep %v", e.Conns, e.Sleep),
			[]string{"msgs", "ideal", "cpu_us", "p50_us", "p99_us", "threads", "server_cpu", "others_cpu"}, e.sleeping,
		},
		{
			fmt.Sprintf("messages of others, while %d handlers are stuck", e.Workers/2),
			[]string{"p99_us", "p50_us", "max_us", "msgs", "cpu_us", "others_cpu"}, e.halfStuck,
		},
		{
			fmt.Sprintf("accepts, pings and closes of others, while %d handlers are stuck", e.Workers),
			[]string{"handshake_p99_us", "ping_p99_us", "close_p99_us", "server_cpu"}, e.allStuck,
		},
	} {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s := Sample{Scenario: e.Name(), Case: part.name, Server: t.Server, Round: t.Round, Values: map[string]float64{}, Columns: part.columns}
		if err := part.measure(t, &s); err != nil {
			return nil, err
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// sleeping keeps every handler asleep nearly all the time.
func (e *Blocking) sleeping(t *Target, s *Sample) error {
	if err := t.dial("/sleep/" + e.Sleep.String()); err != nil {
		return err
	}
	if ok, err := t.open(0, e.Conns, "", s); !ok {
		return err
	}
	run := load.Run{
		Mode: load.ClosedLoop, Size: blockingSize, Batch: 1, InFlight: 1,
		Warmup: e.Warmup, Window: e.Window, Drain: 10 * time.Second,
	}
	if err := t.measure(run, s); err != nil || s.Failed != "" {
		return err
	}
	s.Values["ideal"] = 100 * s.Values["msgs"] / e.ideal()
	return nil
}

// ideal is the messages per second of a pool that is never idle.
func (e *Blocking) ideal() float64 { return float64(min(e.Workers, e.Conns)) / e.Sleep.Seconds() }

// open opens connections of one worker. It reports whether all is well.
func (t *Target) open(worker, n int, path string, s *Sample) (bool, error) {
	o, err := t.Workers[worker].Connect(load.Connect{Count: n, Path: path, Concurrency: 64, Deadline: 30 * time.Second}, t.progress("connecting"))
	if err != nil {
		return false, err
	}
	s.Failed = o.Failures.String()
	s.Values["handshake_p99_us"] = micros(o.Handshake.Quantile(0.99))
	return s.Failed == "", nil
}

// stick occupies n handlers for as long as during takes, and waits for all
// the answers they owe.
func (e *Blocking) stick(t *Target, n int, s *Sample, during func() error) error {
	if err := t.dial("/sleep/" + e.Stuck.String()); err != nil {
		return err
	}
	if ok, err := t.open(0, n, "", s); !ok {
		return err
	}
	type outcome struct {
		result *load.Result
		err    error
	}
	stuck := make(chan outcome, 1)
	go func() {
		// One message each, sent at the start: its window is over long before
		// the first answer.
		r, err := t.Workers[0].Run(load.Run{
			Mode: load.ClosedLoop, Size: blockingSize, Batch: 1, InFlight: 1,
			Window: e.Warmup + e.Window + e.Stuck, Drain: 4*e.Stuck + 10*time.Second,
		}, nil)
		stuck <- outcome{r, err}
	}()
	time.Sleep(200 * time.Millisecond) // until the messages are with their handlers
	err := during()
	o := <-stuck
	if err != nil {
		return err
	}
	if o.err != nil {
		return o.err
	}
	if s.Failed == "" {
		s.Failed = o.result.Failures.String()
	}
	return nil
}

func (e *Blocking) halfStuck(t *Target, s *Sample) error {
	return e.stick(t, e.Workers/2, s, func() error {
		if ok, err := t.open(1, e.Others, "/", s); !ok {
			return err
		}
		return t.measureOn(1, load.Run{
			Mode: load.OpenLoop, Size: blockingSize, Batch: 1, Rate: e.Rate,
			Warmup: e.Warmup, Window: e.Window,
		}, s)
	})
}

// allStuck asks for what needs no handler: accepts, pings, closing handshakes.
func (e *Blocking) allStuck(t *Target, s *Sample) error {
	// More than the pool and the loops can take at a time.
	return e.stick(t, 2*e.Workers, s, func() error {
		cpu, err := proc.CPU(t.PID)
		if err != nil {
			return err
		}
		began := time.Now()
		if ok, err := t.open(1, e.Others, "/", s); !ok {
			return err
		}
		for _, probe := range []struct {
			what load.Probe
			key  string
		}{{load.Ping, "ping_p99_us"}, {load.Goodbye, "close_p99_us"}} {
			c, err := t.Workers[1].Check(load.Check{Probe: probe.what, Deadline: 30 * time.Second})
			if err != nil {
				return err
			}
			if s.Failed = c.Failures.String(); s.Failed != "" {
				return nil
			}
			s.Values[probe.key] = micros(c.Latency.Quantile(0.99))
		}
		// What is left of the time shows whether waiting costs CPU.
		time.Sleep(max(0, e.Stuck/2-time.Since(began)))
		after, err := proc.CPU(t.PID)
		if err != nil {
			return err
		}
		s.Values["server_cpu"] = (after - cpu).Seconds() / time.Since(began).Seconds()
		return nil
	})
}
