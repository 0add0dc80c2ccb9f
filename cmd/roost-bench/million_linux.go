package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/roost-ws/roost/bench/million"
	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/bench/run"
)

// millionCmd holds very many idle connections.
type millionCmd struct {
	Conns  int           `help:"Connections to hold." default:"1000000"`
	How    string        `help:"One process, a user-mode kernel, several processes, a simulated kernel, or the best of these that is possible: ${enum}." enum:"auto,process,uml,processes,sim" default:"auto"`
	Server string        `help:"Server to hold them, see list." default:"roost-inline"`
	Rest   time.Duration `help:"Time between connecting and looking." default:"30s"`
	Ping   time.Duration `help:"Keep-alive interval of roost; far apart by default, because a user-mode kernel cannot carry a million clients' pings." default:"1h"`
	Out    string        `help:"File to append the result to, a line of JSON; below tmp/bench by default." type:"path"`
	Guest  string        `help:"Carry out the plan in this folder, inside of a user-mode kernel." hidden:""`
}

// stepMax bounds connecting all, and having all answer.
const stepMax = 2 * time.Hour

func (c *millionCmd) Run(ctx context.Context, all *cli) error {
	if c.Guest != "" {
		return million.Guest(ctx, c.Guest)
	}
	host, err := million.HostNow(c.Conns)
	if err != nil {
		return err
	}
	way, why := million.Way(c.How), "it was asked for"
	conns := c.Conns
	switch way {
	case "auto":
		way, why = host.Choose(conns)
	case million.Process:
		// As far as the limit allows: what was asked for is said beside it.
		if most := host.Room(); most < conns {
			why = fmt.Sprintf("it was asked for; of %d connections the descriptor limit leaves room for %d", conns, most)
			conns = most
		}
	}
	if err := host.Needs(way, conns); err != nil {
		return err
	}
	fmt.Printf("%d connections: %s (%s)\nbecause: %s\n", conns, way.About(), way, why)
	if way == million.Simulation {
		if c.Server != "roost-inline" {
			return errors.New("the simulated kernel can hold connections of package server only")
		}
		return million.Simulate(ctx, all.Root, conns, os.Stdout)
	}
	record := million.Record{Started: time.Now().UTC().Truncate(time.Second), Command: os.Args[1:], Way: way, Why: why, Machine: proc.MachineNow()}
	if record.Plan, err = c.plan(ctx, all.Root, conns); err != nil {
		return err
	}
	record.Plan.PerServer, record.Plan.PerClient = host.Split(way, conns)
	show := newProgress(os.Stderr)
	defer show.clear()
	const mark = 100_000 // every so many connections are a new line where there is no terminal
	begin, step := time.Now(), ""
	tell := func(what string, done, of int) {
		if what != step {
			begin, step = time.Now(), what
		}
		text := what
		if done >= mark {
			text += fmt.Sprintf(", beyond %d", done/mark*mark)
		}
		if took := time.Since(begin).Seconds(); done > 0 && took > 1 {
			text += fmt.Sprintf("  %d of %d, %.0f/s", done, of, float64(done)/took)
		}
		show.set(text, float64(done)/float64(max(of, 1)), 0)
	}
	if way == million.UserMode {
		record.Held, record.Guest, err = million.HoldInUserMode(ctx, host, record.Plan, "million --guest", tell)
	} else {
		record.Held, err = million.Hold(ctx, record.Plan, tell)
	}
	if err != nil {
		return err
	}
	show.clear()
	return c.report(all.Root, &record)
}

// plan builds the server.
func (c *millionCmd) plan(ctx context.Context, root string, conns int) (million.Plan, error) {
	p := million.Plan{Conns: conns, Rest: c.Rest, Deadline: stepMax}
	servers, err := choose(root, []string{c.Server})
	if err != nil {
		return p, err
	}
	s := servers[0]
	// Static programs run anywhere, a user-mode kernel included.
	if err := os.Setenv("CGO_ENABLED", "0"); err != nil {
		return p, err
	}
	if err := s.Prepare(ctx); err != nil {
		return p, err
	}
	if s.Missing != "" {
		return p, fmt.Errorf("%s cannot be started: %s", s.Name, s.Missing)
	}
	p.Server = million.Server{Name: s.Name, Version: s.Version, Argv: s.Argv()}
	if s.Family == run.Roost {
		p.Server.Argv = slices.Concat(p.Server.Argv, []string{"--ping-interval", c.Ping.String(), "--admin", "{admin}"})
	}
	return p, nil
}

// report shows the result and writes it down.
func (c *millionCmd) report(root string, r *million.Record) error {
	if path, err := filepath.Rel(root, r.Plan.Server.Argv[0]); err == nil {
		r.Plan.Server.Argv[0] = path // where the tree lies is nobody's business
	}
	r.Table(os.Stdout)
	path := c.Out
	if path == "" {
		path = filepath.Join(root, "tmp", "bench", "million.jsonl")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := json.NewEncoder(out).Encode(r); err != nil {
		return err
	}
	fmt.Printf("\nresult appended to %s\n", path)
	if !r.Held.Good(r.Plan.Conns) {
		return fmt.Errorf("not every connection was held and answered: %s", r.Held.Failed)
	}
	return out.Close()
}
