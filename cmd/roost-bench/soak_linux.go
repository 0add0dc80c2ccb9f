package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/roost-ws/roost/bench/soak"
)

// soakCmd serves a mixed crowd for long.
type soakCmd struct {
	For    time.Duration `help:"How long." default:"1h"`
	Warmup time.Duration `help:"How much of it is not fitted; a sixth by default."`
	Every  time.Duration `help:"Time between samples." default:"10s"`
	Honest int           `help:"Clients that stay, at each server." default:"200"`
	Ask    time.Duration `help:"Time between two requests of such a client." default:"4s"`
	Churn  float64       `help:"Clients a second that come, ask and leave." default:"5"`
	Rude   float64       `help:"Clients a second that break a rule." default:"5"`
	Slow   int           `help:"Clients at a time that never read." default:"10"`
	News   time.Duration `help:"Time between two events to all who stay at roost serve." default:"2s"`
	Show   string        `help:"Draw the picture of a file again, and soak nothing." type:"existingfile"`
	Out    string        `help:"File for the samples; a picture of the same name goes beside it." type:"path"`
}

func (c *soakCmd) Run(ctx context.Context, all *cli) error {
	if c.Show != "" {
		return c.report(c.Show)
	}
	path := c.Out
	if path == "" {
		path = filepath.Join(all.Root, "tmp", "bench", "soak.jsonl")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "roost-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// A build of its own: an hour is long, and the tree may change meanwhile.
	binary := filepath.Join(dir, "roost")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/roost")
	build.Dir = all.Root
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building roost: %w: %s", err, text)
	}
	version, _ := exec.CommandContext(ctx, "git", "-C", all.Root, "describe", "--always", "--dirty").Output() // empty outside a repository
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	if c.Warmup == 0 {
		c.Warmup = c.For / 6
	}
	plan := soak.Plan{
		For: c.For, Warmup: c.Warmup, Every: c.Every,
		Crowd: soak.Crowd{Honest: c.Honest, Every: c.Ask, Churn: c.Churn, Rude: c.Rude, Slow: c.Slow, News: c.News},
	}
	show := newProgress(os.Stderr)
	begin := time.Now()
	_, err = soak.Run(ctx, binary, strings.TrimSpace(string(version)), plan, out, func(done float64) {
		show.set("soaking", done, c.For-time.Since(begin))
	})
	show.clear()
	if err != nil {
		return err
	}
	return c.report(path)
}

// report shows the verdict and draws the picture.
func (c *soakCmd) report(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	record, err := soak.Read(file)
	if err != nil {
		return err
	}
	v := record.Verdict
	picture := strings.TrimSuffix(path, filepath.Ext(path)) + ".svg"
	if err := os.WriteFile(picture, []byte(record.SVG()), 0o644); err != nil {
		return err
	}
	for _, o := range v.Outcomes {
		fmt.Printf("roost %-5s  %d requests, %d news, %d visits, %d rude, %d slow; %d failures of honest clients\n",
			o.Server, o.Asked, o.Heard, o.Visits, o.Rude, o.Slow, o.Failed)
	}
	for _, t := range v.Trends {
		fmt.Printf("roost %-5s  %-11s  %12.5g  %+10.3g an hour ± %.2g, %.3g tolerated\n", t.Server, t.Figure, t.Level, t.Slope, t.Error, t.Most)
	}
	fmt.Printf("samples in %s, drawn in %s\n", path, picture)
	if len(v.Faults) > 0 {
		return errors.New(strings.Join(v.Faults, "\n"))
	}
	return nil
}
