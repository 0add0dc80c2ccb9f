package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/bench/run"
)

// host is a server under soak.
type host struct {
	name    string
	admin   string
	process *run.Process
	crowd   *crowd
	before  Sample
	cpu     time.Duration // at the last sample
	at      time.Time     // of the last sample
}

// web asks for metrics, each time on a connection of its own, which is gone
// before descriptors are counted again.
var web = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// Run starts `roost echo` and `roost serve` from the binary, has a crowd at each
// of them for the time planned, and writes down what they were like.
func Run(ctx context.Context, binary, version string, p Plan, out io.Writer, tell func(done float64)) (*Verdict, error) {
	enc := json.NewEncoder(out)
	header := Header{Started: time.Now().UTC().Truncate(time.Second), Version: version, Machine: proc.MachineNow(), Plan: p}
	if err := enc.Encode(line{Header: &header}); err != nil {
		return nil, err
	}
	hosts, err := startHosts(ctx, binary, p.Crowd)
	defer func() {
		for _, h := range hosts {
			_ = h.process.Stop() // after a success it has ended; see leave
		}
	}()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	load, err := proc.CPU(os.Getpid())
	if err != nil {
		return nil, err
	}
	busy, stop := context.WithTimeout(ctx, p.For)
	defer stop()
	var crowds sync.WaitGroup
	for _, h := range hosts {
		crowds.Go(func() { h.crowd.run(busy) })
	}
	var samples []Sample
	var names []string
	var fault error
	// None is taken in the last moment, in which the first clients are cut.
	for next := start.Add(p.Every); next.Before(start.Add(p.For)) && pause(busy, time.Until(next)) && fault == nil; next = next.Add(p.Every) {
		tell(time.Since(start).Seconds() / p.For.Seconds())
		for _, h := range hosts {
			s, err := h.sample(start)
			if err == nil {
				samples = append(samples, s)
				err = enc.Encode(line{Sample: &s})
			}
			fault = errors.Join(fault, err)
		}
	}
	pause(busy, p.For)
	stop()
	crowds.Wait()
	if err := errors.Join(fault, ctx.Err()); err != nil {
		return nil, err
	}
	spent, err := proc.CPU(os.Getpid())
	if err != nil {
		return nil, err
	}
	v := &Verdict{Client: (spent - load).Seconds() / time.Since(start).Seconds()}
	for _, h := range hosts {
		names = append(names, h.name)
		o, err := h.leave(start)
		if err != nil {
			return nil, err
		}
		v.Outcomes = append(v.Outcomes, o)
	}
	if v.Trends, err = trends(p, samples, names); err != nil {
		return nil, err
	}
	v.judge()
	return v, enc.Encode(line{Verdict: v})
}

// startHosts starts the servers, and looks at each while nobody is there.
func startHosts(ctx context.Context, binary string, c Crowd) ([]*host, error) {
	var hosts []*host
	for _, name := range []string{"echo", "serve"} {
		addr, err := run.FreeAddr()
		if err != nil {
			return hosts, err
		}
		admin, err := run.FreeAddr()
		if err != nil {
			return hosts, err
		}
		h := &host{name: name, admin: admin, at: time.Now()}
		var s site = echoSite{}
		spec := run.Spec{Argv: []string{binary, name, "--listen", addr, "--admin", admin}, Env: os.Environ()}
		if name == "serve" {
			s = pushSite{addr}
			spec.Env = append(spec.Env, "ROOST_APP_ID="+appID, "ROOST_APP_KEY="+appKey, "ROOST_APP_SECRET="+appSecret)
		}
		h.crowd = newCrowd(c, addr, s)
		if h.process, err = run.Start(spec); err != nil {
			return hosts, err
		}
		hosts = append(hosts, h)
		if err := h.process.WaitReady(ctx, addr, false); err != nil {
			return hosts, err
		}
		if h.before, err = h.settle(h.at); err != nil {
			return hosts, err
		}
	}
	return hosts, nil
}

// sample looks at the server.
func (h *host) sample(start time.Time) (s Sample, err error) {
	if !h.process.Alive() {
		return s, fmt.Errorf("soak: roost %s ended: %s", h.name, h.process.Last())
	}
	m, err := metrics(h.admin)
	if err != nil {
		return s, fmt.Errorf("soak: roost %s: %w", h.name, err)
	}
	memory, err := proc.MemoryOf(h.process.PID)
	if err != nil {
		return s, err
	}
	cpu, err := proc.CPU(h.process.PID)
	if err != nil {
		return s, err
	}
	now := time.Now()
	s = Sample{
		At: now.Sub(start).Seconds(), Server: h.name, RSS: float64(memory.RSS), Heap: m["go_memstats_heap_inuse_bytes"],
		Goroutines: m["go_goroutines"], Threads: m["go_threads"], Files: m["process_open_fds"],
		Conns: m[`roost_connections{state="open"}`], CPU: (cpu - h.cpu).Seconds() / now.Sub(h.at).Seconds(),
	}
	h.cpu, h.at = cpu, now
	if latency := h.crowd.take(); latency.Count() > 0 {
		s.P50, s.P99, s.Count = latency.Quantile(0.5).Seconds(), latency.Quantile(0.99).Seconds(), latency.Count()
	}
	return s, nil
}

// Until nobody is counted any more may take as long as the longest deadline of
// a server: that of clients that are pinged and do not answer.
const settleMax = 90 * time.Second

// settle waits until the server counts no connection, and two looks at it a
// second apart say the same.
func (h *host) settle(start time.Time) (s Sample, err error) {
	last := Sample{Files: -1}
	for end := time.Now().Add(settleMax); ; time.Sleep(time.Second) {
		if s, err = h.sample(start); err != nil {
			return s, err
		}
		gone := s.Conns == 0 && s.Files == last.Files && s.Goroutines == last.Goroutines
		if gone && (h.before.Server == "" || s.Files <= h.before.Files && s.Goroutines <= h.before.Goroutines) {
			return s, nil
		}
		if time.Now().After(end) {
			return s, nil // judge says what is left
		}
		last = s
	}
}

// leave looks at the server after all clients have left, and has it end.
func (h *host) leave(start time.Time) (o Outcome, err error) {
	c := h.crowd
	o = Outcome{
		Server: h.name, Asked: c.asked.Load(), Heard: c.heard.Load(), Visits: c.visits.Load(), Rude: c.rudes.Load(), Slow: c.slow.Load(),
		Failed: c.failed.Load(), Errors: c.errs, Before: h.before, Counted: map[string]float64{},
	}
	if o.After, err = h.settle(start); err != nil {
		return o, err
	}
	m, err := metrics(h.admin)
	if err != nil {
		return o, err
	}
	for name, n := range m {
		if strings.HasPrefix(name, "roost_") && n != 0 {
			o.Counted[name] = n
		}
	}
	return o, h.process.Stop()
}

// metrics asks for all metrics.
func metrics(admin string) (map[string]float64, error) {
	res, err := web.Get("http://" + admin + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	all := map[string]float64{}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			all[name] = v
		}
	}
	return all, lines.Err()
}
