package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/roost-ws/roost/bench/scenario"
)

// Part is a scenario and how often it is measured at each server.
type Part struct {
	Scenario scenario.Scenario
	Rounds   int
}

// Plan is a comparison: every scenario at every server, so many rounds.
type Plan struct {
	Servers  []*Server
	Parts    []Part
	Also     []scenario.Need // what servers must do beside what a scenario needs
	Baseline string          // the server at which scenarios are calibrated, if it takes part
	// Emit gets each sample as soon as it is there.
	Emit func(scenario.Sample) error
	// Progress gets what is going on, how far the whole is (0 to 1) and how
	// long the rest takes.
	Progress func(what string, done float64, left time.Duration)
}

// startup is what starting and stopping a server adds to a measurement.
const startup = 700 * time.Millisecond

// Estimate is how long the plan takes.
func (p *Plan) Estimate() time.Duration {
	var sum time.Duration
	for _, part := range p.Parts {
		for _, s := range p.Servers {
			if s.takesPart(part.Scenario, p.Also) {
				sum += time.Duration(part.Rounds) * (part.Scenario.Estimate() + startup)
			}
		}
	}
	return sum
}

func (s *Server) takesPart(sc scenario.Scenario, also []scenario.Need) bool {
	return s.Missing == "" && slices.Contains(s.Does, sc.Need()) &&
		!slices.ContainsFunc(also, func(n scenario.Need) bool { return !slices.Contains(s.Does, n) })
}

// Run measures in rounds: A B C A B C, never A A B B, so that what changes on
// the machine over time meets every server alike. Each measurement has a
// server process of its own. The order turns by one server from round to round.
func (p *Plan) Run(ctx context.Context) error {
	total, began := p.Estimate(), time.Now()
	rounds := 0
	for _, part := range p.Parts {
		rounds = max(rounds, part.Rounds)
	}
	for round := range rounds {
		for _, part := range p.Parts {
			if round >= part.Rounds {
				continue
			}
			for i := range p.Servers {
				server := p.Servers[(i+round)%len(p.Servers)]
				if !server.takesPart(part.Scenario, p.Also) {
					continue
				}
				tell := func(what string) {
					spent := time.Since(began)
					if p.Progress != nil {
						p.Progress(fmt.Sprintf("round %d/%d  %s  %s", round+1, part.Rounds, server.Name, what),
							min(0.99, float64(spent)/float64(total)), max(0, total-spent))
					}
				}
				tell(part.Scenario.Name())
				if err := p.once(ctx, part.Scenario, server, round, tell); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Calibrate lets scenarios that need it learn at the baseline, or at the first
// server that takes part. It comes before Run.
func (p *Plan) Calibrate(ctx context.Context) error {
	for _, part := range p.Parts {
		sc := part.Scenario
		c, ok := sc.(scenario.Calibrated)
		if !ok {
			continue
		}
		var at *Server
		for _, s := range p.Servers {
			if s.takesPart(sc, p.Also) && (at == nil || s.Name == p.Baseline) {
				at = s
			}
		}
		if at == nil {
			continue
		}
		tell := func(what string) {
			if p.Progress != nil {
				p.Progress(at.Name+"  "+what, 0, p.Estimate())
			}
		}
		err := with(ctx, sc, p.Also, at, 0, tell, func(t *scenario.Target, _ *Process) error { return c.Calibrate(ctx, t) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) once(ctx context.Context, sc scenario.Scenario, server *Server, round int, tell func(string)) error {
	failed := func(what string, why string) error {
		return p.Emit(scenario.Sample{Scenario: sc.Name(), Case: what, Server: server.Name, Round: round, Failed: why})
	}
	err := with(ctx, sc, p.Also, server, round, tell, func(t *scenario.Target, process *Process) error {
		samples, err := sc.Measure(ctx, t)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !process.Alive() {
			return failed("staying alive", "the server ended: "+process.Last())
		}
		if err != nil {
			return fmt.Errorf("run: %s at %s: %w", sc.Name(), server.Name, err)
		}
		for _, s := range samples {
			if keys := s.Unmeasured(); keys != nil {
				return fmt.Errorf("run: %s at %s shows %v, which it does not measure", sc.Name(), server.Name, keys)
			}
			if s.Failed != "" && !process.Alive() {
				s.Failed += "; the server ended: " + process.Last()
			}
			if err := p.Emit(s); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.As(err, new(startError)) {
		// A server that does not start is its own failure, not the plan's.
		return failed("being started", err.Error())
	}
	return err
}

// startError says that a server did not start.
type startError struct{ error }

// with starts a server and the load clients a scenario needs, lets use have
// them and stops them all. A context that ends takes the clients away in the
// middle of whatever they are doing.
func with(ctx context.Context, sc scenario.Scenario, also []scenario.Need, server *Server, round int, tell func(string),
	use func(*scenario.Target, *Process) error) (err error) {
	var cert *certificate
	if slices.Contains(also, scenario.NeedTLS) {
		if cert, err = newCertificate(); err != nil {
			return err
		}
		defer cert.remove()
	}
	process, addr, err := server.start(ctx, sc.Need(), cert, also)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return startError{err}
	}
	t := &scenario.Target{Server: server.Name, Round: round, Addr: addr, PID: process.PID, Deflate: slices.Contains(also, scenario.NeedDeflate)}
	if cert != nil {
		t.TLS = cert.cert
	}
	t.Progress = func(what string, done uint64, elapsed time.Duration) {
		if s := elapsed.Seconds(); s > 0 && done > 0 {
			what += fmt.Sprintf("  %.0f/s", float64(done)/s)
		}
		tell(what)
	}
	var workers []*Worker
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.Stop())
		}
		err = errors.Join(err, process.Stop())
	}()
	for range sc.Clients() {
		w, err := StartWorker()
		if err != nil {
			return err
		}
		workers = append(workers, w)
		t.Workers = append(t.Workers, w)
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-ctx.Done():
			for _, w := range workers {
				w.kill()
			}
		case <-done:
		}
	}()
	return use(t, process)
}
