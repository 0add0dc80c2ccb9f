package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
)

func loadOf(t *testing.T, cfg server.Config) load {
	t.Helper()
	cfg, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return load{server: cfg, apps: []push.App{{}}, subscriptions: 100_000, vouched: 64 << 20, events: 128 << 20}
}

func loadFor(t *testing.T, conns int) load {
	t.Helper()
	return loadOf(t, server.Config{Limits: server.Limits{Conns: conns}})
}

// Row R15: memory is enough to the byte, of the machine and for Go's collector
// alike, and the advice is the largest number that fits.
func TestBudgetIsExact(t *testing.T) {
	l := loadFor(t, 50_000)
	b := l.budget()
	exact := ceilings{memory: b.most(), memoryName: "memory", heap: b.heap()}
	for name, c := range map[string]struct {
		ceilings ceilings
		says     []string
	}{
		"exactly enough":   {exact, nil},
		"no limit":         {ceilings{memory: unlimited, heap: unlimited}, nil},
		"one byte too few": {ceilings{memory: b.most() - 1, memoryName: "the machine's memory", heap: unlimited}, []string{mebibytes(b.most()) + " of memory,", "the machine's memory is " + mebibytes(b.most()-1)}},
		"GOMEMLIMIT by one": {ceilings{memory: unlimited, heap: b.heap() - 1}, []string{
			mebibytes(b.heap()) + " of memory in Go's heap,", "GOMEMLIMIT is " + mebibytes(b.heap()-1), fmt.Sprintf("Go's heap          %7s", mebibytes(b.heap()))}},
		"both": {ceilings{memory: b.most() - 1, memoryName: "memory", heap: b.heap() - 1}, []string{mebibytes(b.most()) + " of memory,"}},
		"less": {ceilings{memory: b.most() - 100<<20, memoryName: "memory", heap: unlimited}, []string{"lower --max-connections to "}},
		// Handshakes have a limit below that, and then take less with every client less.
		"a third": {ceilings{memory: unlimited, heap: b.heap() - 200<<20}, []string{"lower --max-connections to "}},
	} {
		err := c.ceilings.check(l)
		if (err == nil) != (c.says == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			continue
		}
		for _, want := range append(c.says, "--overcommit") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in %v", name, want, err)
			}
		}
		room := c.ceilings.room(l)
		if room < 1 || room >= 50_000 || !c.ceilings.holds(l.of(room).budget()) || c.ceilings.holds(l.of(room+1).budget()) {
			t.Errorf("%s: there is said to be room for %d connections", name, room)
		}
	}
}

// Where few connections do not fit either, their number is not what to change.
func TestBudgetAdvice(t *testing.T) {
	l := loadFor(t, 50_000)
	c := ceilings{memory: 100 << 20, memoryName: "memory", heap: unlimited}
	if room := c.room(l); room != 0 {
		t.Errorf("in 100 MiB there is room for %d connections", room)
	}
	err := c.check(l)
	if err == nil || strings.Contains(err.Error(), "--max-connections") || !strings.Contains(err.Error(), "lower --max-held, or start with --overcommit") {
		t.Errorf("the advice is %v", err)
	}
}

// Every limit that lets clients make the server hold more is in the sum.
func TestBudgetKnowsTheLimits(t *testing.T) {
	before := loadFor(t, 50_000).budget().most()
	for name, change := range map[string]func(*server.Config){
		"Conns":          func(c *server.Config) { c.Limits.Conns++ },
		"Handshakes":     func(c *server.Config) { c.Limits.Handshakes = 20_000 },
		"HandshakeBytes": func(c *server.Config) { c.Limits.HandshakeBytes = 16 << 10 },
		"Held":           func(c *server.Config) { c.Limits.Held = 2 << 30 },
		"HTTPConns":      func(c *server.Config) { c.Limits.HTTPConns = 2000 },
		"Loops":          func(c *server.Config) { c.Loops = 64 },
		"Deflate":        func(c *server.Config) { c.Deflate.Enabled = true },
	} {
		cfg := server.Config{Limits: server.Limits{Conns: 50_000}}
		change(&cfg)
		if after := loadOf(t, cfg).budget().most(); after <= before {
			t.Errorf("with another %s the sum is %d, and was %d", name, after, before)
		}
	}
	for name, change := range map[string]func(*load){
		"subscriptions": func(l *load) { l.subscriptions += 1 << 30 / push.SubscriptionBytes },
		"events":        func(l *load) { l.events += 1 << 30 },
		"vouched":       func(l *load) { l.vouched += 1 << 30 },
		"webhooks":      func(l *load) { l.webhooks += 1 << 30 },
		"cache":         func(l *load) { l.apps = []push.App{{Limits: push.AppLimits{CacheBytes: 1<<30 + 64<<20}}} },
		"history": func(l *load) {
			l.apps = []push.App{{History: make([]push.HistoryRule, 1), Limits: push.AppLimits{HistoryBytes: 1 << 30}}}
		},
		"replies": func(l *load) { l.apps = make([]push.App, 1+1<<30/(72<<20)+1) },
	} {
		l := loadFor(t, 50_000)
		change(&l)
		if after := l.budget().most(); after < before+1<<30 {
			t.Errorf("with more %s the sum is %d, and was %d", name, after, before)
		}
	}
	deflating := loadOf(t, server.Config{Limits: server.Limits{Conns: 50_000}, Deflate: server.Deflate{Enabled: true}})
	with := deflating
	with.server.Deflate.ContextTakeover = true
	if more := with.budget().most() - deflating.budget().most(); more < 50_000*3<<10 {
		t.Errorf("with contexts the sum is %d more", more)
	}
}

// Clients cannot have more subscriptions than an app allows each, whatever they
// may have together.
func TestBudgetOfFewClients(t *testing.T) {
	l := loadFor(t, 10)
	many := l
	many.subscriptions *= 100
	if l.budget().most() != many.budget().most() {
		t.Error("ten clients are said to have more subscriptions than they can")
	}
	many.apps = []push.App{{Limits: push.AppLimits{ChannelsPerConnection: 20_000}}}
	if more := many.budget().most() - l.budget().most(); more < 10*19_000*push.SubscriptionBytes {
		t.Errorf("with more channels for each the sum is %d more", more)
	}
}

// As it ships, roost serve has room for a thousand clients in 512 MiB, of which the
// kernel takes a part.
func TestServeFitsSmallMachines(t *testing.T) {
	c := ceilings{memory: 470 << 20, memoryName: "memory", heap: unlimited}
	serving, err := (&serveCmd{}).serving(http.NotFoundHandler(), nil, c, nil).Resolve()
	if err != nil {
		t.Fatal(err)
	}
	serving.Limits.Conns = 500_000
	l, err := c.fit(load{
		server: serving, apps: []push.App{{}}, subscriptions: c.subscriptions(0), vouched: c.vouched(0), events: c.events(),
	}, 0, false)
	if err != nil || l.server.Limits.Conns < 1000 {
		t.Errorf("there is room for %d clients: %v", l.server.Limits.Conns, err)
	}
}

// What depends on the memory has its share of it, the smaller one of both kinds, unless it was
// asked for.
func TestShares(t *testing.T) {
	c := ceilings{memory: 4 << 30, heap: 1 << 30}
	if held, subscriptions, events, vouched := c.held(0), c.subscriptions(0), c.events(), c.vouched(0); held != 256<<20 || subscriptions != 64<<20/push.SubscriptionBytes || events != 64<<20 || vouched != 32<<20 {
		t.Errorf("of 1 GiB %d, %d, %d and %d", held, subscriptions, events, vouched)
	}
	if held, subscriptions, vouched := c.held(5), c.subscriptions(6), c.vouched(7); held != 5 || subscriptions != 6 || vouched != 7 {
		t.Errorf("asked for 5, 6 and 7, got %d, %d and %d", held, subscriptions, vouched)
	}
	if few, many := c.httpConns(), (ceilings{memory: unlimited, heap: unlimited}).httpConns(); few != 512 || many != httpMost {
		t.Errorf("of 1 GiB %d connections are for HTTP, without a limit %d", few, many)
	}
	c = ceilings{memory: unlimited, heap: unlimited}
	if held, subscriptions, events, vouched := c.held(0), c.subscriptions(0), c.events(), c.vouched(0); held != heldMost || subscriptions != push.DefaultSubscriptions || events != eventMost || vouched != push.DefaultVouchedBytes {
		t.Errorf("without a limit %d, %d, %d and %d", held, subscriptions, events, vouched)
	}
}

// G6: what comes with a reload must be there, too, to the byte, or room for it is made
// of connections that nobody asked for and nobody has; what asks for no more than
// before is taken by a machine that was given less meanwhile.
func TestGrow(t *testing.T) {
	const conns = 50_000
	from, to := loadFor(t, conns), loadFor(t, conns)
	to.apps = make([]push.App, 2)
	b, fewer := to.budget(), to.of(40_000).budget()
	exact := ceilings{memory: fewer.most(), heap: fewer.heap(), memoryName: "the machine's memory"}
	for name, c := range map[string]struct {
		ceilings       ceilings
		from, to       load
		asked, present int
		conns          int // 0: refused, and it says
		says           string
	}{
		"enough":            {ceilings{memory: b.most(), heap: b.heap()}, from, to, conns, 0, conns, ""},
		"too few":           {ceilings{memory: b.most() - 1, memoryName: "the machine's memory", heap: unlimited}, from, to, conns, 0, 0, "and the machine's memory is " + mebibytes(b.most()-1)},
		"heap":              {ceilings{memory: unlimited, heap: b.heap() - 1}, from, to, conns, 0, 0, "and GOMEMLIMIT is " + mebibytes(b.heap()-1)},
		"the same":          {ceilings{memory: 1, heap: 1}, to, to, conns, 0, conns, ""},
		"shrinking":         {ceilings{memory: 1, heap: 1}, to, from, conns, 0, conns, ""},
		"fewer connections": {exact, from, to, 0, 40_000, 40_000, ""},
		"that are there":    {exact, from, to, 0, 40_001, 0, "and the machine's memory is " + mebibytes(exact.memory)},
		"that were wanted":  {exact, from, to, conns, 0, 0, "and the machine's memory is " + mebibytes(exact.memory)},
		"fewer than before": {ceilings{memory: 1, heap: 1}, to.of(10), from, 0, 0, 10, ""},
	} {
		got, err := c.ceilings.grow(c.from, c.to, c.asked, c.present)
		if c.conns == 0 {
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil || got.server.Limits.Conns != c.conns {
			t.Errorf("%s: %d connections, %v; want %d", name, got.server.Limits.Conns, err, c.conns)
		}
	}
}

// Row R15: serve does not start with less memory than its clients can make it
// use; it says what is missing, can be told to start all the same, and without a
// number of connections takes as many as fit.
func TestServeNeedsMemory(t *testing.T) {
	env := []string{"GOMEMLIMIT=150MiB", "ROOST_APP_ID=" + appID, "ROOST_APP_KEY=" + appKey, "ROOST_APP_SECRET=" + appSecret}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "100ms"}
	p := launch(t, env, append(args, "--max-connections", "5000")...)
	if code := p.wait(); code != exitMemory {
		t.Errorf("exit code %d, want %d", code, exitMemory)
	}
	said := strings.Join(p.noise.all(), "\n")
	for _, want := range []string{"5000 connections", "GOMEMLIMIT is 150MiB", "held for clients", "at most", "--overcommit"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	start(t, env, append(args, "--max-connections", "5000", "--overcommit")...)

	// Without a number it takes those that fit, which with one it would take, too.
	env[0] = "GOMEMLIMIT=768MiB"
	holds := connectionsHeld(t, start(t, env, args...))
	start(t, env, append(args, "--max-connections", fmt.Sprint(holds))...)
	p = launch(t, env, append(args, "--max-connections", fmt.Sprint(holds+1))...)
	if code := p.wait(); code != exitMemory || holds < connectionsMin {
		t.Errorf("it takes %d connections, and ends with %d when asked for one more", holds, code)
	}
}

// connectionsHeld is what a server says it can hold.
func connectionsHeld(t *testing.T, p *program) (n int) {
	t.Helper()
	return canHeld(t, p.log.await(t, "the start-up line", func(r record) bool { return r["msg"] == "listening" }))
}

func canHeld(t *testing.T, line record) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(fmt.Sprint(line["can_hold"]), "about %d connections", &n); err != nil {
		t.Fatalf("can_hold is %v", line["can_hold"])
	}
	return n
}
