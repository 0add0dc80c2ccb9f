package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/bench/report"
	"github.com/roost-ws/roost/bench/run"
	"github.com/roost-ws/roost/bench/scenario"
)

// measure are the flags of every command that measures.
type measure struct {
	Servers  []string `help:"Servers to measure, see list." default:"roost-inline,roost,gorilla,gws"`
	Rounds   int      `help:"Interleaved rounds." default:"3"`
	Baseline string   `help:"Server that ratios refer to." default:"gorilla"`
	Out      string   `help:"File for the results, one JSON value on each line; below tmp/bench by default." type:"path"`
}

type runCmd struct {
	measure
	Scenario string  `help:"What to do to the servers." enum:"echo,blocking" default:"echo"`
	Size     []int   `help:"Payload bytes of a message." default:"128"`
	Inflight []int   `help:"Unanswered messages of a connection, all in one write." default:"1,16"`
	Conns    int     `help:"Connections." default:"100"`
	Seconds  float64 `help:"Length of the measured window." default:"3"`
	Warmup   float64 `help:"Seconds of load before the window." default:"1"`
	Text     bool    `help:"Text messages instead of binary ones."`
}

func (c *runCmd) Run(ctx context.Context, all *cli) error {
	warmup, window := seconds(c.Warmup), seconds(c.Seconds)
	var chosen scenario.Scenario
	switch c.Scenario {
	case "echo":
		chosen = &scenario.Echo{
			Conns: c.Conns, Cases: scenario.EchoCases(c.Size, c.Inflight), Text: c.Text, Warmup: warmup, Window: window,
		}
	case "blocking":
		chosen = &scenario.Blocking{
			Workers: 256, Conns: 512, Sleep: 5 * time.Millisecond, Others: c.Conns, Rate: 2000,
			Stuck: 2 * time.Second, Warmup: warmup, Window: window,
		}
	}
	return c.measure.do(ctx, all, chosen)
}

type idleCmd struct {
	measure
	From   int     `help:"Connections at the first step." default:"1000"`
	To     int     `help:"Connections at the last step." default:"19000"`
	Steps  int     `help:"Steps from the first to the last." default:"2"`
	Settle float64 `help:"Seconds of rest before memory is read." default:"2"`
}

func (c *idleCmd) Run(ctx context.Context, all *cli) error {
	if c.Steps < 2 || c.From < 1 || c.To <= c.From {
		return fmt.Errorf("idle needs two steps or more, from few connections to more of them")
	}
	m := proc.MachineNow()
	if spare := 200; uint64(c.To+spare) > m.Descriptors {
		return fmt.Errorf("%d connections need %d descriptors in the server's process, which may have %d: raise the limit (ulimit -n) or ask for fewer",
			c.To, c.To+spare, m.Descriptors)
	}
	return c.measure.do(ctx, all, &scenario.Idle{From: c.From, To: c.To, Steps: c.Steps, Settle: seconds(c.Settle)})
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// do measures the scenarios at the chosen servers and shows the result.
func (m *measure) do(ctx context.Context, all *cli, scenarios ...scenario.Scenario) error {
	servers, err := choose(all.Root, m.Servers)
	if err != nil {
		return err
	}
	show := newProgress(os.Stderr)
	for i, s := range servers {
		show.set("building "+s.Name, float64(i)/float64(len(servers)), 0)
		if err := s.Prepare(ctx); err != nil {
			return err
		}
	}
	header := report.Header{
		Started: time.Now().UTC().Truncate(time.Second), Command: os.Args[1:], Rounds: m.Rounds,
		Machine: proc.MachineNow(), Servers: servers,
	}
	for _, s := range scenarios {
		header.Scenarios = append(header.Scenarios, report.Described{Name: s.Name(), Need: s.Need(), Settings: s.Settings()})
	}
	file, err := m.create(all.Root, header.Started)
	if err != nil {
		return err
	}
	defer file.Close()
	writer, err := report.NewWriter(file, header)
	if err != nil {
		return err
	}
	results := report.Results{Header: header}
	plan := run.Plan{
		Servers: servers, Scenarios: scenarios, Rounds: m.Rounds, Progress: show.set,
		Emit: func(s scenario.Sample) error {
			results.Samples = append(results.Samples, s)
			return writer.Add(s)
		},
	}
	err = plan.Run(ctx)
	show.clear()
	if err != nil {
		return err
	}
	failed := results.Table(os.Stdout, m.Baseline)
	fmt.Printf("\nresults: %s\n", file.Name())
	if failed > 0 {
		return fmt.Errorf("%d measurements are not compared, because a server failed requests", failed)
	}
	return file.Close()
}

func (m *measure) create(root string, started time.Time) (*os.File, error) {
	path := m.Out
	if path == "" {
		path = filepath.Join(root, "tmp", "bench", started.Format("2006-01-02T150405")+".jsonl")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.Create(path)
}

// choose finds the servers by name, in the order they were asked for.
func choose(root string, names []string) ([]*run.Server, error) {
	catalog, err := run.Catalog(root)
	if err != nil {
		return nil, err
	}
	var chosen []*run.Server
	for _, name := range names {
		i := slices.IndexFunc(catalog, func(s *run.Server) bool { return s.Name == name })
		if i < 0 {
			var known []string
			for _, s := range catalog {
				known = append(known, s.Name)
			}
			return nil, fmt.Errorf("there is no server %q; there are: %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, catalog[i])
	}
	return chosen, nil
}

type listCmd struct{}

func (c *listCmd) Run(all *cli) error {
	catalog, err := run.Catalog(all.Root)
	if err != nil {
		return err
	}
	for _, s := range catalog {
		fmt.Printf("%-14s %-28s %-10s %s\n", s.Name, s.Title, s.Language, s.About)
	}
	return nil
}
