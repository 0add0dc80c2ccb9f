package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/roost-ws/roost/bench/run"
	"github.com/roost-ws/roost/bench/scenario"
)

// channelsCmd measures the push backend: clients with subscriptions, and events
// that come in over HTTP.
type channelsCmd struct {
	Scenario []string `help:"What to measure: ${enum}." enum:"storm,presence,fanout,post,idle,idle-own" default:"storm,presence,fanout,post,idle,idle-own"`
	Rounds   int      `help:"Interleaved rounds." default:"3"`
	Conns    int      `help:"Clients of storm and fanout." default:"10000"`
	Users    int      `help:"Users who enter a room together." default:"1000"`
	To       int      `help:"Clients at the last step of idle; the first has 1000." default:"18000"`
	Size     int      `help:"Bytes of the message a subscriber gets." default:"256"`
	Messages int      `help:"fanout: events." default:"20"`
	Callers  int      `help:"post: connections, each with one call at a time." default:"8"`
	Seconds  float64  `help:"post: length of the measured window." default:"3"`
	Out      string   `help:"File for the results; below tmp/bench by default." type:"path"`
}

func (c *channelsCmd) Run(ctx context.Context, all *cli) error {
	if c.Users < 2 || c.Users > scenario.PushMembers {
		return fmt.Errorf("a room may have 2 to %d users", scenario.PushMembers)
	}
	if c.To <= idleFrom {
		return fmt.Errorf("idle goes from %d clients to more", idleFrom)
	}
	var parts []run.Part
	for _, p := range c.scenarios(seconds(2)) {
		if slices.Contains(c.Scenario, p.name) {
			parts = append(parts, run.Part{Scenario: p.Scenario, Rounds: c.Rounds})
		}
	}
	m := measure{Rounds: c.Rounds, Baseline: scenario.BareFanout, Out: c.Out}
	return m.at(ctx, all, run.Backends(all.Root), parts...)
}

// idleFrom is the number of clients that a slope of memory begins with.
const idleFrom = 1000

// named is a scenario and the word that selects it.
type named struct {
	name string
	scenario.Scenario
}

func (c *channelsCmd) scenarios(settle time.Duration) []named {
	idle := scenario.Idle{From: min(idleFrom, c.To/2), To: c.To, Steps: 2, Settle: settle}
	return []named{
		{"storm", &scenario.PushStorm{Users: c.Conns, Concurrency: 128}},
		{"presence", &scenario.PushStorm{Users: c.Users, Concurrency: 32, Presence: true}},
		{"fanout", &scenario.PushFanout{Fanout: scenario.Fanout{
			Subscribers: c.Conns, Size: c.Size, Messages: c.Messages, Every: 250 * time.Millisecond,
		}}},
		{"post", &scenario.PushPost{Subscribers: 1, Size: c.Size, Callers: c.Callers, Warmup: seconds(min(1, c.Seconds)), Window: seconds(c.Seconds)}},
		{"idle", &scenario.PushIdle{Idle: idle}},
		{"idle-own", &scenario.PushIdle{Idle: idle, Own: true}},
	}
}
