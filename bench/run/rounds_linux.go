package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/roost-ws/roost/bench/scenario"
)

// Plan is a comparison: every scenario at every server, so many rounds.
type Plan struct {
	Servers   []*Server
	Scenarios []scenario.Scenario
	Rounds    int
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
	for _, sc := range p.Scenarios {
		for _, s := range p.Servers {
			if s.takesPart(sc) {
				sum += sc.Estimate() + startup
			}
		}
	}
	return sum * time.Duration(p.Rounds)
}

func (s *Server) takesPart(sc scenario.Scenario) bool {
	return s.Missing == "" && slices.Contains(s.Does, sc.Need())
}

// Run measures in rounds: A B C A B C, never A A B B, so that what changes on
// the machine over time meets every server alike. Each measurement has a
// server process of its own. The order turns by one server from round to round.
func (p *Plan) Run(ctx context.Context) error {
	total, began := p.Estimate(), time.Now()
	for round := range p.Rounds {
		for _, sc := range p.Scenarios {
			for i := range p.Servers {
				server := p.Servers[(i+round)%len(p.Servers)]
				if !server.takesPart(sc) {
					continue
				}
				tell := func(what string) {
					spent := time.Since(began)
					if p.Progress != nil {
						p.Progress(fmt.Sprintf("round %d/%d  %s  %s", round+1, p.Rounds, server.Name, what),
							min(0.99, float64(spent)/float64(total)), max(0, total-spent))
					}
				}
				tell(sc.Name())
				if err := p.once(ctx, sc, server, round, tell); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *Plan) once(ctx context.Context, sc scenario.Scenario, server *Server, round int, tell func(string)) (err error) {
	process, addr, err := server.Start(ctx, sc.Need())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		// A server that does not start is its own failure, not the plan's.
		return p.Emit(scenario.Sample{Scenario: sc.Name(), Case: "being started", Server: server.Name, Round: round, Failed: err.Error()})
	}
	t := &scenario.Target{Server: server.Name, Round: round, Addr: addr, PID: process.PID}
	t.Progress = func(what string, done uint64, elapsed time.Duration) {
		if s := elapsed.Seconds(); s > 0 && done > 0 {
			what += fmt.Sprintf("  %.0f/s", float64(done)/s)
		}
		tell(what)
	}
	var workers []*Worker
	// A stopped context must end a measurement in the middle: taking its
	// processes away does.
	stop := func() error {
		var all error
		for _, w := range workers {
			all = errors.Join(all, w.Stop())
		}
		return errors.Join(all, process.Stop())
	}
	defer func() { err = errors.Join(err, stop()) }()
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
	samples, err := sc.Measure(ctx, t)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if !process.Alive() {
			return p.Emit(scenario.Sample{Scenario: sc.Name(), Case: "staying alive", Server: server.Name, Round: round,
				Failed: "the server ended: " + process.Last()})
		}
		return fmt.Errorf("run: %s at %s: %w", sc.Name(), server.Name, err)
	}
	for _, s := range samples {
		if s.Failed != "" && !process.Alive() {
			s.Failed += "; the server ended: " + process.Last()
		}
		if err := p.Emit(s); err != nil {
			return err
		}
	}
	return nil
}
