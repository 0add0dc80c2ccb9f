package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/bench/run"
	"github.com/roost-ws/roost/bench/scenario"
)

type runCmd struct {
	measure
	Scenario string  `help:"What to do to the servers: ${enum}." enum:"echo,rate,latency,storm,churn,fanout,fanout-stalled,blocking" default:"echo"`
	Size     []int   `help:"Payload bytes of a message; only echo takes several. By default 128, and 1024 for rate, fanout-stalled and --deflate."`
	Inflight []int   `help:"echo: unanswered messages of a connection, all in one write." default:"1,16"`
	Conns    int     `help:"Connections; by default 100, for a storm 10000, for a fan-out 15000 (stalled: 2000)."`
	Seconds  float64 `help:"Length of the measured window." default:"3"`
	Warmup   float64 `help:"Seconds of load before the window." default:"1"`
	Text     bool    `help:"echo: text messages instead of binary ones."`
	Rate     float64 `help:"rate: messages a second of each connection." default:"200"`
	Batch    int     `help:"rate: frames in one write." default:"10"`
	Messages int     `help:"fanout: messages published." default:"10"`
}

func (c *runCmd) Run(ctx context.Context, all *cli) error {
	c.Rounds = cmp.Or(c.Rounds, 3)
	if len(c.Servers) == 0 {
		c.Servers = []string{"roost-inline", "roost", "gorilla", "gws"}
	}
	sc := c.scenario()
	return c.measure.do(ctx, all, run.Part{Scenario: sc, Rounds: c.Rounds})
}

func (c *runCmd) scenario() scenario.Scenario {
	warmup, window := seconds(c.Warmup), seconds(c.Seconds)
	size := func(otherwise int) int {
		if len(c.Size) > 0 {
			return c.Size[0]
		}
		return otherwise
	}
	switch c.Scenario {
	case "rate":
		return &scenario.Rate{
			Conns: cmp.Or(c.Conns, 100), Size: size(1024), PerConn: c.Rate, Batch: c.Batch, Warmup: warmup, Window: window,
		}
	case "latency":
		return &scenario.Latency{
			Conns: cmp.Or(c.Conns, 100), Size: size(128), Fractions: []float64{0.1, 0.5, 0.8}, Warmup: warmup, Window: window,
		}
	case "storm":
		return &scenario.Storm{Conns: cmp.Or(c.Conns, 10_000), Concurrency: 512}
	case "churn":
		return &scenario.Churn{Concurrency: cmp.Or(c.Conns, 100), Warmup: warmup, Window: window}
	case "fanout":
		return &scenario.Fanout{Subscribers: cmp.Or(c.Conns, 15_000), Size: size(128), Messages: c.Messages, Every: 250 * time.Millisecond}
	case "fanout-stalled":
		n := cmp.Or(c.Conns, 2_000)
		// Enough bytes that a reader which does not read fills its buffers.
		return &scenario.Fanout{Subscribers: n, Stalled: max(1, n/100), Size: size(1024), Messages: 20 * c.Messages, Every: 30 * time.Millisecond}
	case "blocking":
		return &scenario.Blocking{
			Workers: 256, Conns: 512, Sleep: 5 * time.Millisecond, Others: cmp.Or(c.Conns, 100), Rate: 2000,
			Stuck: 2 * time.Second, Warmup: warmup, Window: window,
		}
	}
	sizes := c.Size
	if len(sizes) == 0 {
		sizes = []int{128}
		if c.Deflate {
			sizes = []int{1024}
		}
	}
	return &scenario.Echo{
		Conns: cmp.Or(c.Conns, 100), Cases: scenario.EchoCases(sizes, c.Inflight), Text: c.Text, Warmup: warmup, Window: window,
	}
}

type idleCmd struct {
	measure
	From   int     `help:"Connections at the first step." default:"1000"`
	To     int     `help:"Connections at the last step." default:"19000"`
	Steps  int     `help:"Steps from the first to the last." default:"2"`
	Settle float64 `help:"Seconds of rest before memory is read." default:"2"`
}

func (c *idleCmd) Run(ctx context.Context, all *cli) error {
	c.Rounds = cmp.Or(c.Rounds, 3)
	if len(c.Servers) == 0 {
		c.Servers = []string{"roost-inline", "roost", "gorilla", "gws"}
	}
	if c.Steps < 2 || c.From < 1 || c.To <= c.From {
		return fmt.Errorf("idle needs two steps or more, from few connections to more of them")
	}
	if limit, spare := proc.MachineNow().Descriptors, 200; uint64(c.To+spare) > limit {
		return fmt.Errorf("%d connections need %d descriptors in the server's process, which may have %d: raise the limit (ulimit -n) or ask for fewer",
			c.To, c.To+spare, limit)
	}
	sc := &scenario.Idle{From: c.From, To: c.To, Steps: c.Steps, Settle: seconds(c.Settle)}
	return c.measure.do(ctx, all, run.Part{Scenario: sc, Rounds: c.Rounds})
}

// pushCmd compares ways to bring news to clients, not servers.
type pushCmd struct {
	Rounds  int     `help:"Interleaved rounds." default:"3"`
	Conns   int     `help:"Clients that want the news." default:"500"`
	Size    int     `help:"Bytes of an update." default:"128"`
	Seconds float64 `help:"Length of the measured window." default:"5"`
	Out     string  `help:"File for the results; below tmp/bench by default." type:"path"`
}

func (c *pushCmd) Run(ctx context.Context, all *cli) error {
	m := measure{Rounds: c.Rounds, Baseline: "polling", Out: c.Out}
	sc := &scenario.Push{
		Readers: c.Conns, Size: c.Size, PollEvery: time.Second, Warmup: 2 * time.Second, Window: seconds(c.Seconds),
	}
	return m.at(ctx, all, run.Ways(all.Root, sc.Size), run.Part{Scenario: sc, Rounds: c.Rounds})
}

type listCmd struct{}

func (c *listCmd) Run(all *cli) error {
	catalog, err := run.Catalog(all.Root)
	if err != nil {
		return err
	}
	fmt.Println("servers:")
	for _, s := range catalog {
		fmt.Printf("  %-14s %-28s %-10s  %s\n", s.Name, s.Title, s.Language, s.About)
	}
	fmt.Println("scenarios:")
	for _, s := range scenarios {
		fmt.Printf("  %-14s %s\n", s[0], s[1])
	}
	return nil
}

// scenarios are what can be measured, in words.
var scenarios = [][2]string{
	{"echo", "closed loop: so many messages in flight on each connection, several sizes"},
	{"rate", "open loop: 200 messages a second on each connection, ten frames in a write"},
	{"latency", "open loop at 10, 50 and 80 % of what the baseline can take"},
	{"storm", "many connections opened as fast as possible"},
	{"churn", "connections that come, say one thing and go"},
	{"fanout", "one publishes to 15,000"},
	{"fanout-stalled", "one publishes to 2,000, of which 1 % never read"},
	{"blocking", "handlers that sleep, half of a pool stuck, all of it stuck"},
	{"push", "the same updates by WebSocket, SSE, long polling and polling (the command push)"},
	{"idle", "memory of connections at rest (the command idle)"},
	{"push-storm", "clients connect to roost serve and subscribe (the command channels, as are all below)"},
	{"push-presence", "users enter one room, and all hear of all"},
	{"push-fanout", "one call of the HTTP API reaches 10,000 subscribers, beside a bare fan-out"},
	{"push-post", "calls of the HTTP API as fast as they are answered"},
	{"push-idle", "memory of clients that are subscribed to the same channel"},
	{"push-idle-own", "memory of clients that are subscribed to one channel each"},
}
