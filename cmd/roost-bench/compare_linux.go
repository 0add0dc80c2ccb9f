package main

import (
	"cmp"
	"context"
	"time"

	"github.com/roost-ws/roost/bench/run"
	"github.com/roost-ws/roost/bench/scenario"
)

// compareCmd measures what people ask about first, at every peer, in less
// than ten minutes on two cores. With --full it takes its time.
type compareCmd struct {
	measure
	Full bool `help:"All servers, scenarios and sizes, five rounds of three-second windows: hours rather than minutes."`
}

func (c *compareCmd) Run(ctx context.Context, all *cli) error {
	if c.Full {
		if len(c.Servers) == 0 {
			c.Servers = []string{"all"}
		}
		return c.measure.do(ctx, all, c.full(cmp.Or(c.Rounds, 5))...)
	}
	if len(c.Servers) == 0 {
		c.Servers = []string{"roost-inline", "roost", "gorilla", "gws", "coder", "gobwas", "nbio", "gnet", "ws", "bun", "floor"}
	}
	return c.measure.do(ctx, all, c.short()...)
}

func (c *compareCmd) short() []run.Part {
	warmup, window := seconds(0.4), seconds(1)
	echo := []scenario.EchoCase{{Size: 128, InFlight: 1}, {Size: 128, InFlight: 16}, {Size: 16 << 10, InFlight: 4}, {Size: 64 << 10, InFlight: 4}}
	part := func(rounds int, s scenario.Scenario) run.Part {
		return run.Part{Scenario: s, Rounds: cmp.Or(c.Rounds, rounds)}
	}
	return []run.Part{
		part(3, &scenario.Echo{Conns: 100, Cases: echo, Warmup: warmup, Window: window}),
		part(2, &scenario.Rate{Conns: 100, Size: 1024, PerConn: 200, Batch: 10, Warmup: warmup, Window: window}),
		part(2, &scenario.Latency{Conns: 100, Size: 128, Fractions: []float64{0.5}, Warmup: warmup, Window: window}),
		part(2, &scenario.Fanout{Subscribers: 15_000, Size: 128, Messages: 8, Every: 200 * time.Millisecond}),
		part(2, &scenario.Storm{Conns: 5_000, Concurrency: 512}),
		part(1, &scenario.Idle{From: 1_000, To: 19_000, Steps: 2, Settle: seconds(1)}),
	}
}

func (c *compareCmd) full(rounds int) []run.Part {
	warmup, window := seconds(1), seconds(3)
	echo := append(scenario.EchoCases([]int{16, 128, 1 << 10}, []int{1, 16}), scenario.EchoCases([]int{16 << 10, 64 << 10}, []int{1, 4})...)
	parts := []scenario.Scenario{
		&scenario.Echo{Conns: 100, Cases: echo, Warmup: warmup, Window: window},
		&scenario.Rate{Conns: 100, Size: 1024, PerConn: 200, Batch: 10, Warmup: warmup, Window: window},
		&scenario.Latency{Conns: 100, Size: 128, Fractions: []float64{0.1, 0.5, 0.8}, Warmup: warmup, Window: window},
		&scenario.Storm{Conns: 10_000, Concurrency: 512},
		&scenario.Churn{Concurrency: 100, Warmup: warmup, Window: window},
		&scenario.Fanout{Subscribers: 15_000, Size: 128, Messages: 10, Every: 250 * time.Millisecond},
		&scenario.Fanout{Subscribers: 2_000, Stalled: 20, Size: 1024, Messages: 200, Every: 30 * time.Millisecond},
		&scenario.Blocking{
			Workers: 256, Conns: 512, Sleep: 5 * time.Millisecond, Others: 100, Rate: 2000,
			Stuck: 2 * time.Second, Warmup: warmup, Window: window,
		},
		&scenario.Idle{From: 1_000, To: 19_000, Steps: 4, Settle: seconds(2)},
	}
	var all []run.Part
	for _, s := range parts {
		all = append(all, run.Part{Scenario: s, Rounds: rounds})
	}
	return all
}
