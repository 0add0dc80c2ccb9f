package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/roost-ws/roost/bench/report"
	"github.com/roost-ws/roost/bench/run"
	"github.com/roost-ws/roost/bench/scenario"
)

// smokeCmd runs everything for a moment. It fails when a server is missing or
// does not verify, a scenario does not run or a report cannot be written; how
// fast anything was, it does not ask.
type smokeCmd struct {
	measure
}

func (c *smokeCmd) Run(ctx context.Context, all *cli) error {
	if len(c.Servers) == 0 {
		c.Servers = []string{"roost-inline", "roost", "gorilla", "gws"}
	}
	c.Whole = true
	dir, err := os.MkdirTemp("", "roost-bench-smoke-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c.Out = filepath.Join(dir, "smoke.jsonl")
	warmup, window := seconds(0.1), seconds(0.3)
	var parts []run.Part
	for _, s := range []scenario.Scenario{
		&scenario.Echo{Conns: 20, Cases: scenario.EchoCases([]int{16, 64 << 10}, []int{1, 4}), Warmup: warmup, Window: window},
		&scenario.Rate{Conns: 20, Size: 1024, PerConn: 100, Batch: 10, Warmup: warmup, Window: window},
		&scenario.Latency{Conns: 20, Size: 128, Fractions: []float64{0.1}, Warmup: warmup, Window: window},
		&scenario.Storm{Conns: 300, Concurrency: 50},
		&scenario.Churn{Concurrency: 20, Warmup: warmup, Window: window},
		&scenario.Fanout{Subscribers: 300, Size: 128, Messages: 3, Every: 50 * time.Millisecond},
		&scenario.Fanout{Subscribers: 200, Stalled: 2, Size: 1024, Messages: 20, Every: 20 * time.Millisecond},
		&scenario.Blocking{
			Workers: 256, Conns: 512, Sleep: 5 * time.Millisecond, Others: 20, Rate: 200,
			Stuck: 500 * time.Millisecond, Warmup: warmup, Window: window,
		},
		&scenario.Idle{From: 100, To: 400, Steps: 2, Settle: seconds(0.1)},
	} {
		parts = append(parts, run.Part{Scenario: s, Rounds: cmp.Or(c.Rounds, 1)})
	}
	if err := c.measure.do(ctx, all, parts...); err != nil {
		return err
	}
	if err := checkReports(dir, c.Out); err != nil {
		return err
	}
	c.Out, c.Deflate = filepath.Join(dir, "deflate.jsonl"), true
	err = c.measure.do(ctx, all,
		run.Part{Scenario: &scenario.Echo{Conns: 20, Cases: scenario.EchoCases([]int{1 << 10}, []int{4}), Warmup: warmup, Window: window}, Rounds: 1},
		run.Part{Scenario: &scenario.Idle{From: 100, To: 200, Steps: 2, Settle: seconds(0.1)}, Rounds: 1})
	if err != nil {
		return err
	}
	c.Out, c.Deflate, c.TLS = filepath.Join(dir, "tls.jsonl"), false, true
	err = c.measure.do(ctx, all,
		run.Part{Scenario: &scenario.Echo{Conns: 20, Cases: scenario.EchoCases([]int{128, 40_000}, []int{4}), Warmup: warmup, Window: window}, Rounds: 1},
		run.Part{Scenario: &scenario.Storm{Conns: 100, Concurrency: 20}, Rounds: 1},
		run.Part{Scenario: &scenario.Idle{From: 100, To: 200, Steps: 2, Settle: seconds(0.1)}, Rounds: 1})
	if err != nil {
		return err
	}
	c.TLS = false // what follows has no need of it
	push := &scenario.Push{Readers: 20, Size: 200, PollEvery: seconds(0.3), Warmup: seconds(0.6), Window: seconds(1.1)}
	c.Out = filepath.Join(dir, "push.jsonl")
	if err := c.measure.at(ctx, all, run.Ways(all.Root, push.Size), run.Part{Scenario: push, Rounds: 1}); err != nil {
		return err
	}
	parts = nil
	backend := channelsCmd{Conns: 300, Users: 40, To: 400, Size: 256, Messages: 3, Callers: 4, Seconds: 0.3}
	for _, p := range backend.scenarios(seconds(0.1)) {
		parts = append(parts, run.Part{Scenario: p.Scenario, Rounds: 1})
	}
	c.Out = filepath.Join(dir, "channels.jsonl")
	return c.measure.at(ctx, all, run.Backends(all.Root), parts...)
}

// checkReports writes every kind of report of the results and looks at them.
func checkReports(dir, results string) error {
	file, err := os.Open(results)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := report.Read(file)
	if err != nil {
		return err
	}
	charts, err := r.Charts(filepath.Join(dir, "charts"), "gorilla")
	if err != nil {
		return err
	}
	markdown := filepath.Join(dir, "page.md")
	if err := os.WriteFile(markdown, []byte(report.GeneratedBegin+report.GeneratedEnd), 0o644); err != nil {
		return err
	}
	if err := r.UpdateMarkdown(markdown, "gorilla"); err != nil {
		return err
	}
	text, err := os.ReadFile(markdown)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(strings.TrimSuffix(results, ".jsonl") + ".html")
	if err != nil {
		return err
	}
	for _, d := range r.Header.Scenarios {
		if !strings.Contains(string(page), d.Name+":") || !strings.Contains(string(text), d.Name+":") {
			return fmt.Errorf("the reports lack the scenario %s", d.Name)
		}
	}
	if len(charts) < 2*len(r.Header.Scenarios) {
		return errors.New("charts are missing")
	}
	fmt.Printf("smoke: %d samples, %d charts, every request verified\n", len(r.Samples), len(charts))
	return nil
}
