package scenario

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/proc"
)

// Target is a running server and the clients that talk to it.
type Target struct {
	Server string
	Round  int
	Addr   string
	PID    int
	// Deflate has clients compress messages, and insist that the server does.
	Deflate bool
	// TLS is the server's certificate, as PEM, when it speaks TLS.
	TLS []byte
	// Workers are load clients in processes of their own, not dialled yet.
	Workers []Worker
	// Progress may be told a word about what is going on.
	Progress func(what string, done uint64, elapsed time.Duration)

	conns []int // open connections by worker
}

// sourcesPerWorker keeps the local addresses of workers apart.
const sourcesPerWorker = 64

// dial points every worker at the target.
func (t *Target) dial(path string) error {
	t.conns = make([]int, len(t.Workers))
	for i, w := range t.Workers {
		d := load.Dial{Addr: t.Addr, Path: path, Source: i * sourcesPerWorker, Deflate: t.Deflate, TLS: t.TLS, ServerPIDs: []int{t.PID}}
		if err := w.Dial(d); err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) progress(what string) func(load.Progress) {
	return func(p load.Progress) {
		if t.Progress != nil {
			t.Progress(what, p.Done, p.Elapsed)
		}
	}
}

// series opens connections and measures one run for each sample.
func (t *Target) series(conns int, samples []Sample, runs []load.Run) ([]Sample, error) {
	failed, err := t.connect(conns)
	if err != nil {
		return nil, err
	}
	for i := range samples {
		s := &samples[i]
		if s.Failed = failed; failed != "" {
			continue
		}
		if err := t.measure(runs[i], s); err != nil {
			return nil, err
		}
		failed = s.Failed // a connection lost in one case is missing in the next
	}
	return samples, nil
}

// connect opens n connections over the workers and makes sure that the server
// holds them all. What the server did wrong comes back as failed.
func (t *Target) connect(n int) (failed string, err error) {
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
	return t.held(n)
}

// held makes sure that the server has accepted n connections and keeps them.
func (t *Target) held(n int) (failed string, err error) {
	addr, err := netip.ParseAddrPort(t.Addr)
	if err != nil {
		return "", fmt.Errorf("scenario: %w", err)
	}
	held, err := proc.Established(addr.Port())
	if err != nil {
		return "", err
	}
	if held < n {
		return fmt.Sprintf("%d connections were opened, the server holds %d", n, held), nil
	}
	return "", nil
}

// measure runs messages over the first worker's connections and fills s.
func (t *Target) measure(run load.Run, s *Sample) error { return t.measureOn(0, run, s) }

func (t *Target) measureOn(worker int, run load.Run, s *Sample) error {
	var r *load.Result
	cores, err := coresDuring(func() (err error) {
		r, err = t.Workers[worker].Run(run, t.progress(s.Case))
		return err
	})
	if err != nil {
		return err
	}
	if r.Failures.Total() > 0 {
		s.Failed = r.Failures.String()
		return nil
	}
	if err := t.fill(s, r); err != nil {
		return err
	}
	s.Values["others_cpu"] = max(0, cores-s.Values["server_cpu"]-s.Values["client_cpu"])
	return nil
}

// coresDuring does the work and says how many of the machine's cores were busy
// meanwhile. That covers a warm-up too, so it is a rate.
func coresDuring(work func() error) (float64, error) {
	before, err := proc.BusyNow()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return 0, err
	}
	took := time.Since(began)
	after, err := proc.BusyNow()
	return (after.Work - before.Work).Seconds() / took.Seconds(), err
}

func (t *Target) fill(s *Sample, r *load.Result) error {
	s.Latency = r.Latency
	if s.Values == nil {
		s.Values = map[string]float64{}
	}
	s.quantiles(r.Latency)
	if r.Lag != nil {
		s.Values["lag_p99_us"] = micros(r.Lag.Quantile(0.99))
	}
	s.Values["cpu_us"] = micros(r.ServerCPU) / float64(max(1, r.Messages))
	s.Values["msgs"] = float64(r.Messages) / r.Window.Seconds()
	s.Values["server_cpu"] = r.ServerCPU.Seconds() / r.Window.Seconds()
	s.Values["client_cpu"] = r.ClientCPU.Seconds() / r.Window.Seconds()
	return t.footprint(s)
}

// footprint notes what the server's process occupies now.
func (t *Target) footprint(s *Sample) error {
	memory, err := proc.MemoryOf(t.PID)
	if err != nil {
		return err
	}
	threads, err := proc.Threads(t.PID)
	if err != nil {
		return err
	}
	s.Values["rss_mb"] = float64(memory.RSS) / megabyte
	s.Values["pss_mb"] = float64(memory.PSS) / megabyte
	s.Values["threads"] = float64(threads)
	return nil
}

// rest waits and shows that it does.
func (t *Target) rest(ctx context.Context, what string, d time.Duration) error {
	if t.Progress != nil {
		t.Progress(what, 0, 0)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// grow opens connections on all workers until there are n.
func (t *Target) grow(n int) (load.Opened, error) {
	return t.growBy(n, func(w Worker, more int) (*load.Opened, error) {
		return w.Connect(load.Connect{Count: more, Concurrency: 128, Deadline: 2 * time.Minute}, t.progress("connecting"))
	})
}

// growBy has add bring more clients to all workers until there are n.
func (t *Target) growBy(n int, add func(w Worker, more int) (*load.Opened, error)) (load.Opened, error) {
	var sum load.Opened
	for i, w := range t.Workers {
		more := share(n, len(t.Workers), i) - t.conns[i]
		if more <= 0 {
			continue
		}
		o, err := add(w, more)
		if err != nil {
			return sum, err
		}
		t.conns[i] += o.Opened
		sum.Opened += o.Opened
		sum.Elapsed += o.Elapsed
		sum.ServerCPU += o.ServerCPU
		sum.Failures.Merge(o.Failures)
	}
	return sum, nil
}

// check asks every connection for one echo. What is wrong comes back as failed.
func (t *Target) check(n int) (failed string, err error) { return t.probe(n, load.Echo) }

// probe asks every connection one thing.
func (t *Target) probe(n int, what load.Probe) (failed string, err error) {
	answered := 0
	for _, w := range t.Workers {
		c, err := w.Check(load.Check{Probe: what, Size: t.probeSize(), Deadline: 30 * time.Second})
		if err != nil {
			return "", err
		}
		if c.Failures.Total() > 0 {
			return c.Failures.String(), nil
		}
		answered += c.Answered
	}
	if answered != n {
		return fmt.Sprintf("%d of %d connections answered", answered, n), nil
	}
	return "", nil
}

// probeSize is how long the messages of a probe are: where they are compressed,
// long enough for servers not to leave them as they are.
func (t *Target) probeSize() int {
	if t.Deflate {
		return 1 << 10
	}
	return load.SizeMin
}

// share is what part i of n things takes when they are split evenly.
func share(n, parts, i int) int {
	s := n / parts
	if i < n%parts {
		s++
	}
	return s
}

// quantiles notes the usual ones.
func (s *Sample) quantiles(h *load.Histogram) {
	s.Values["p50_us"] = micros(h.Quantile(0.50))
	s.Values["p99_us"] = micros(h.Quantile(0.99))
	s.Values["max_us"] = micros(h.Max())
}
