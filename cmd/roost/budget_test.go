package main

import (
	"strings"
	"testing"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
)

func budgetFor(t *testing.T, conns int) budget {
	t.Helper()
	cfg, err := server.Config{Limits: server.Limits{Conns: conns}}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return budgetOf(cfg, []push.App{{}})
}

// Row R15: memory is enough to the byte, of the machine and for Go's collector
// alike, and the advice is a number that fits.
func TestBudgetIsExact(t *testing.T) {
	b := budgetFor(t, 50_000)
	exact := ceilings{memory: b.most(), memoryName: "memory", heap: b.heap()}
	for name, c := range map[string]struct {
		ceilings ceilings
		says     string
	}{
		"exactly enough":    {exact, ""},
		"no limit":          {ceilings{memory: unlimited, heap: unlimited}, ""},
		"one byte too few":  {ceilings{memory: b.most() - 1, memoryName: "the machine's memory", heap: unlimited}, "the machine's memory is " + mebibytes(b.most()-1)},
		"GOMEMLIMIT by one": {ceilings{memory: unlimited, heap: b.heap() - 1}, "GOMEMLIMIT is " + mebibytes(b.heap()-1)},
		"half":              {ceilings{memory: b.most() - 100<<20, memoryName: "memory", heap: unlimited}, "lower --max-connections to "},
	} {
		err := c.ceilings.check(b)
		if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "--overcommit")) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			continue
		}
		room := int(c.ceilings.room(b))
		if room < 1 || room >= 50_000 || !c.ceilings.holds(budgetFor(t, room-room/1000-1)) || c.ceilings.holds(budgetFor(t, room+room/100+10)) {
			t.Errorf("%s: there is said to be room for %d connections", name, room)
		}
	}
	if room := (ceilings{memory: 1 << 20, heap: unlimited}).room(b); room != 0 {
		t.Errorf("a megabyte has room for %d connections", room)
	}
}

// Every limit that lets clients make the server hold more is in the sum.
func TestBudgetKnowsTheLimits(t *testing.T) {
	base := server.Config{Limits: server.Limits{Conns: 50_000}}
	before := budgetFor(t, 50_000).most()
	for name, change := range map[string]func(*server.Config){
		"Conns":          func(c *server.Config) { c.Limits.Conns++ },
		"Handshakes":     func(c *server.Config) { c.Limits.Handshakes = 20_000 },
		"HandshakeBytes": func(c *server.Config) { c.Limits.HandshakeBytes = 16 << 10 },
		"Held":           func(c *server.Config) { c.Limits.Held = 2 << 30 },
		"HTTPConns":      func(c *server.Config) { c.Limits.HTTPConns = 2000 },
		"Loops":          func(c *server.Config) { c.Loops = 64 },
		"Deflate":        func(c *server.Config) { c.Deflate.Enabled = true },
	} {
		cfg := base
		change(&cfg)
		cfg, err := cfg.Resolve()
		if err != nil {
			t.Fatal(err)
		}
		if after := budgetOf(cfg, []push.App{{}}).most(); after <= before {
			t.Errorf("with another %s the sum is %d, and was %d", name, after, before)
		}
	}
	deflating := base
	deflating.Deflate.Enabled = true
	without, err := deflating.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	with := without
	with.Deflate.ContextTakeover = true
	if more := budgetOf(with, nil).most() - budgetOf(without, nil).most(); more < 50_000*3<<10 {
		t.Errorf("with contexts the sum is %d more", more)
	}
	cfg, _ := base.Resolve()
	apps := []push.App{{Limits: push.AppLimits{CacheBytes: 1 << 30}}, {}}
	if after := budgetOf(cfg, apps).most(); after < before+1<<30 {
		t.Errorf("with a large cache the sum is %d, and was %d", after, before)
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
}
