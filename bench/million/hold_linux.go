package million

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/bench/run"
)

const (
	// handshakes is how many opening handshakes a client has at one time.
	handshakes = 128
	// sources is how many addresses of its own each client connects from.
	sources = 64
	// portion is how many connections are asked for at a time, so that an
	// interrupt and a failure are noticed.
	portion = 10_000
	// endMax is how long a killed server may take to end.
	endMax = 5 * time.Minute
)

// Tell is told what is going on: a step and how much of it is done.
type Tell func(step string, done, of int)

// holding is a Plan being carried out.
type holding struct {
	Plan
	tell    Tell
	servers []*server
	clients []*client
	held    *Held
}

// server is a running server process.
type server struct {
	process *run.Process
	addr    string
	admin   string // where its metrics are, or ""
	files   int    // descriptors that it had before the first connection
}

// client is a running client process; it talks to one server.
type client struct {
	*run.Worker
	server *server
	conns  int // that it is to hold
}

// Hold carries a Plan out. What the servers did wrong is in Held.Failed; the
// error is the harness's own. No process is left; when one does not end, there
// is an error beside a Held that is whole.
func Hold(ctx context.Context, p Plan, tell Tell) (*Held, error) {
	held, stop, err := hold(ctx, p, tell)
	return held, errors.Join(err, stop())
}

// hold is Hold, but leaves it to its caller to stop the processes.
func hold(ctx context.Context, p Plan, tell Tell) (held *Held, stop func() error, err error) {
	h := &holding{Plan: p, tell: tell, held: &Held{}}
	stop = sync.OnceValue(h.stop)
	if err = h.start(ctx); err == nil {
		// Whatever a client is doing when the context ends, its end interrupts it.
		defer context.AfterFunc(ctx, func() { _ = stop() })()
		err = h.carry(ctx)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, stop, err
	}
	return h.held, stop, nil
}

// carry does the steps of the plan, up to the first failure.
func (h *holding) carry(ctx context.Context) (err error) {
	steps := []func(context.Context) error{
		func(context.Context) (err error) { h.held.Before, err = h.look(); return err },
		h.connect,
		func(context.Context) (err error) { h.held.Connected, err = h.look(); return err },
		h.rest,
		func(context.Context) (err error) { h.held.Rested, err = h.look(); return err },
		h.count,
		func(context.Context) error { return h.answer(load.Ping) },
		func(context.Context) error { return h.answer(load.Echo) },
		func(context.Context) (err error) { h.held.Answered, err = h.look(); return err },
	}
	for _, step := range steps {
		if err := step(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		for _, s := range h.servers {
			if !s.process.Alive() {
				h.fail("a server ended: %s", s.process.Last())
			}
		}
		if h.held.Failed != "" {
			return nil
		}
	}
	return nil
}

func (h *holding) fail(format string, args ...any) {
	if h.held.Failed == "" {
		h.held.Failed = fmt.Sprintf(format, args...)
	}
}

// start starts the servers and for each the clients that fill it.
func (h *holding) start(ctx context.Context) error {
	n := parts(h.Conns, h.PerServer)
	for i := range n {
		h.tell("starting processes", i, n)
		s, err := h.startServer(ctx)
		if err != nil {
			return err
		}
		h.servers = append(h.servers, s)
		conns := share(h.Conns, n, i)
		for j := range parts(conns, h.PerClient) {
			w, err := run.StartWorker()
			if err != nil {
				return err
			}
			c := &client{Worker: w, server: s, conns: share(conns, parts(conns, h.PerClient), j)}
			h.clients = append(h.clients, c)
			err = w.Dial(load.Dial{Addr: s.addr, Path: "/", Source: sources * (len(h.clients) - 1), ServerPIDs: []int{s.process.PID}})
			if err != nil {
				return err
			}
		}
	}
	h.held.Servers, h.held.Clients = len(h.servers), len(h.clients)
	return nil
}

func (h *holding) startServer(ctx context.Context) (*server, error) {
	s := new(server)
	var err error
	if s.addr, err = run.FreeAddr(); err != nil {
		return nil, err
	}
	var argv []string
	for _, a := range h.Server.Argv {
		if strings.Contains(a, "{admin}") {
			if s.admin, err = run.FreeAddr(); err != nil {
				return nil, err
			}
		}
		argv = append(argv, strings.NewReplacer("{addr}", s.addr, "{admin}", s.admin).Replace(a))
	}
	if s.process, err = run.Start(run.Spec{Argv: argv}); err != nil {
		return nil, err
	}
	if err = s.process.WaitReady(ctx, s.addr, false); err == nil {
		s.files, err = settled(s.process.PID)
	}
	if err != nil {
		return nil, errors.Join(err, s.process.Stop())
	}
	return s, nil
}

// settled counts the descriptors of a new server once it is over the
// connection that found out whether it is ready.
func settled(pid int) (n int, err error) {
	for last := -1; n != last && err == nil; {
		last = n
		time.Sleep(100 * time.Millisecond)
		n, err = descriptors(pid)
	}
	return n, err
}

// stop ends every process.
func (h *holding) stop() error {
	var errs []error
	for _, c := range h.clients {
		errs = append(errs, end(c.PID(), c.Stop))
	}
	for _, s := range h.servers {
		errs = append(errs, end(s.process.PID, s.process.Stop))
	}
	return errors.Join(errs...)
}

// end stops a process and waits longer than usual for that: a kernel takes its
// time to close a million sockets.
func end(pid int, stop func() error) error {
	err := stop()
	for deadline := time.Now().Add(endMax); err != nil && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if !proc.Alive(pid) {
			return nil
		}
	}
	return err
}

// connect opens all connections, client by client.
func (h *holding) connect(ctx context.Context) error {
	begin := time.Now()
	var cpu time.Duration
	for _, c := range h.clients {
		for left := c.conns; left > 0; {
			n := min(left, portion)
			o, err := c.Connect(load.Connect{Count: n, Concurrency: handshakes, Deadline: h.Deadline}, func(p load.Progress) {
				h.tell("connecting", h.held.Opened+int(p.Done), h.Conns)
			})
			if err != nil {
				return err
			}
			left -= n
			h.held.Opened += o.Opened
			cpu += o.ServerCPU
			if o.Failures.Total() > 0 {
				h.fail("after %d connections: %s", h.held.Opened, o.Failures)
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	h.held.ConnectSeconds = time.Since(begin).Seconds()
	h.held.ConnectCPU = cpu.Seconds() * 1e6 / float64(max(1, h.held.Opened))
	return nil
}

// rest leaves everybody alone.
func (h *holding) rest(ctx context.Context) error {
	h.tell("resting", 0, int(h.Rest.Seconds()))
	before, err := h.cpu()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(h.Rest):
	}
	after, err := h.cpu()
	h.held.IdleCPU = (after - before).Seconds() / h.Rest.Seconds()
	return err
}

func (h *holding) cpu() (time.Duration, error) {
	var pids []int
	for _, s := range h.servers {
		pids = append(pids, s.process.PID)
	}
	return proc.CPU(pids...)
}

// count finds out whether the servers' kernel agrees that they hold so many.
func (h *holding) count(context.Context) error {
	for _, s := range h.servers {
		n, err := descriptors(s.process.PID)
		if err != nil {
			return err
		}
		h.held.Descriptors += n - s.files
	}
	if h.held.Descriptors < h.Conns {
		h.fail("%d connections were opened, the servers hold %d", h.held.Opened, h.held.Descriptors)
	}
	return nil
}

// answer has every connection answer.
func (h *holding) answer(probe load.Probe) error {
	begin := time.Now()
	a := Answer{Probe: probe}
	latency := load.NewHistogram()
	for _, c := range h.clients {
		h.tell("answering a "+string(probe), a.Answered, h.Conns)
		checked, err := c.Check(load.Check{Probe: probe, Deadline: h.Deadline})
		if err != nil {
			return err
		}
		a.Answered += checked.Answered
		latency.Merge(checked.Latency)
		if checked.Failures.Total() > 0 {
			h.fail("asked for the answer to a %s: %s", probe, checked.Failures)
		}
	}
	a.Seconds = time.Since(begin).Seconds()
	a.P50, a.P99, a.Max = latency.Quantile(0.5), latency.Quantile(0.99), latency.Max()
	h.held.Answers = append(h.held.Answers, a)
	if a.Answered != h.Conns {
		h.fail("%d of %d connections answered a %s", a.Answered, h.Conns, probe)
	}
	h.held.ClientRSS = 0
	for _, c := range h.clients {
		m, err := proc.MemoryOf(c.PID())
		if err != nil {
			return err
		}
		h.held.ClientRSS += m.RSS
	}
	return nil
}

// share is what part i of n things takes when they are split evenly.
func share(n, parts, i int) int { return n*(i+1)/parts - n*i/parts }
