package main

import (
	"context"
	"errors"
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
	Servers  []string `help:"Servers to measure, see list; all stands for every one, roost@REVISION for roost as it was at a commit."`
	Rounds   int      `help:"Interleaved rounds."`
	Baseline string   `help:"Server that ratios refer to; best stands for the best Go peer of each case." default:"gorilla"`
	Deflate  bool     `help:"Compress messages (permessage-deflate), at the servers that can."`
	TLS      bool     `name:"tls" help:"Speak TLS (wss), at the servers that can."`
	Out      string   `help:"File for the results, one JSON value on each line; below tmp/bench by default." type:"path"`
	Whole    bool     `kong:"-"` // a server that is missing is an error, whoever's it is
}

// do measures the parts at the servers that were asked for.
func (m *measure) do(ctx context.Context, all *cli, parts ...run.Part) error {
	servers, err := choose(all.Root, m.Servers)
	if err != nil {
		return err
	}
	return m.at(ctx, all, servers, parts...)
}

// measure measures the parts at the servers and shows the result.
func (m *measure) at(ctx context.Context, all *cli, servers []*run.Server, parts ...run.Part) error {
	show := newProgress(os.Stderr)
	defer show.clear()
	for i, s := range servers {
		show.set("building "+s.Name, float64(i)/float64(len(servers)), 0)
		if err := s.Prepare(ctx); err != nil {
			return err
		}
		if s.Missing != "" && (m.Whole || s.Family == run.Roost) {
			return fmt.Errorf("%s cannot be built: %s", s.Name, s.Missing)
		}
	}
	header := report.Header{
		Started: time.Now().UTC().Truncate(time.Second), Command: os.Args[1:],
		Machine: proc.MachineNow(), Servers: servers,
	}
	plan := run.Plan{Servers: servers, Parts: parts, Also: m.also(), Baseline: m.Baseline, Progress: show.set}
	if err := plan.Calibrate(ctx); err != nil {
		return err
	}
	for _, p := range parts {
		header.Scenarios = append(header.Scenarios, report.Described{
			Name: p.Scenario.Name(), Need: p.Scenario.Need(), Rounds: p.Rounds, Settings: p.Scenario.Settings(),
		})
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
	plan.Emit = func(s scenario.Sample) error {
		results.Samples = append(results.Samples, s)
		return writer.Add(s)
	}
	if err := plan.Run(ctx); err != nil {
		return err
	}
	show.clear()
	if len(results.Samples) == 0 {
		return errors.New("nothing was measured: no server takes part in any of this")
	}
	failed := results.Table(os.Stdout, m.Baseline)
	fmt.Printf("\nresults: %s\n", file.Name())
	if err := writeHTML(&results, strings.TrimSuffix(file.Name(), ".jsonl")+".html", m.Baseline); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d measurements are not compared, because a server failed requests", failed)
	}
	return file.Close()
}

// also is what servers must do beside what the scenarios need.
func (m *measure) also() (needs []scenario.Need) {
	if m.Deflate {
		needs = append(needs, scenario.NeedDeflate)
	}
	if m.TLS {
		needs = append(needs, scenario.NeedTLS)
	}
	return needs
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
		if name == "all" {
			return catalog, nil
		}
		plain, revision, _ := strings.Cut(name, "@")
		i := slices.IndexFunc(catalog, func(s *run.Server) bool { return s.Name == plain })
		if i < 0 {
			var known []string
			for _, s := range catalog {
				known = append(known, s.Name)
			}
			return nil, fmt.Errorf("there is no server %q; there are: %s", name, strings.Join(known, ", "))
		}
		server := catalog[i]
		if revision != "" {
			if server, err = run.AtRevision(root, server, revision); err != nil {
				return nil, err
			}
		}
		if !slices.Contains(chosen, server) {
			chosen = append(chosen, server)
		}
	}
	return chosen, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
