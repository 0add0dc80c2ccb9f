package main

import (
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
)

// What a server may come to hold beside what its configuration says, in bytes.
const (
	// runtimeBytes is a server without clients: code, Go's runtime, tables.
	runtimeBytes = 48 << 20
	// clientBytes is a quiet client with a subscription, without the collector's head-room.
	clientBytes = 770
	// tlsBytes is what TLS keeps for an open connection more, and handshakeTLSBytes
	// what it needs while one is opened.
	tlsBytes, handshakeTLSBytes = 3500, 64 << 10
	// contextBytes is what is kept of messages for compressing the next ones.
	contextBytes = 3<<10 + 512
	// httpBytes is a connection that is with net/http: its goroutine, its buffers,
	// and the body of a call.
	httpBytes = 128 << 10
	// loopBytes is a loop's buffers, and a compressor and an inflater where messages are compressed.
	loopBytes, loopDeflateBytes = 512 << 10, 2 << 20
	// eventBytes is the frame of a largest event and what stands around it.
	eventBytes = 16 << 10
	// backlog is how many events may wait for delivery (push.Config.Backlog).
	backlog = 8192
)

// term is one part of what a server may come to hold.
type term struct {
	name, of string // of says what it is made of
	bytes    int64
}

// budget is the most memory that a configuration lets clients make a server use.
type budget struct {
	terms  []term
	kernel int64 // for quiet sockets; their buffers are net.ipv4.tcp_mem's business
	conns  int64
}

// budgetOf adds it up. cfg is one with its defaults filled in.
func budgetOf(cfg server.Config, apps []push.App) budget {
	bounds := map[string]int64{}
	for _, b := range server.Bounds(cfg) {
		bounds[b.Name] = b.Value
	}
	conns := int64(cfg.Limits.Conns)
	perClient, perHandshake, perLoop := int64(clientBytes), bounds["Limits.HandshakeBytes"], int64(loopBytes)
	var crypto int64
	if cfg.TLS != nil {
		perClient += tlsBytes
		crypto = bounds["Limits.TLSHandshakes"] * handshakeTLSBytes
	}
	if cfg.Deflate.Enabled {
		perLoop += loopDeflateBytes
		if cfg.Deflate.ContextTakeover {
			perClient += contextBytes
		}
	}
	handshakes := min(conns, bounds["Limits.Handshakes"])
	var kept int64
	for _, a := range apps {
		l := a.Limits
		kept += int64(orDefault(l.CacheBytes, 64<<20))
		if len(a.History) > 0 {
			kept += int64(orDefault(l.HistoryBytes, 64<<20))
		}
	}
	return budget{
		conns:  conns,
		kernel: conns * kernelConnBytes,
		terms: []term{
			{"the program", "runtime and tables", runtimeBytes + bounds["Loops"]*perLoop},
			{"clients", fmt.Sprintf("%d of %d bytes", conns, perClient), conns * perClient},
			{"held for clients", "Limits.Held: what waits for slow ones, and messages that have begun", bounds["Limits.Held"]},
			{"handshakes", fmt.Sprintf("%d of %d bytes", handshakes, perHandshake), handshakes*perHandshake + crypto},
			{"HTTP", fmt.Sprintf("%d connections of %d bytes", cfg.Limits.HTTPConns, httpBytes), int64(cfg.Limits.HTTPConns) * httpBytes},
			{"events", fmt.Sprintf("%d that wait, of %d bytes", backlog, eventBytes), backlog * eventBytes},
			{"kept", "last events and history of apps", kept},
		},
	}
}

func orDefault(v, fallback int) int {
	if v == 0 {
		return fallback
	}
	return v
}

// heap is what Go's collector may come to use: it runs when the heap is larger
// by gcPercent than what lives.
func (b budget) heap() int64 {
	var live int64
	for _, t := range b.terms {
		live += t.bytes
	}
	return live / 100 * (100 + gcPercent)
}

// most is all of it.
func (b budget) most() int64 { return b.heap() + b.kernel }

// String is the sum, for whoever has to find more memory.
func (b budget) String() string {
	var s strings.Builder
	for _, t := range b.terms {
		fmt.Fprintf(&s, "  %-18s %7s  %s\n", t.name, mebibytes(t.bytes), t.of)
	}
	fmt.Fprintf(&s, "  %-18s %7s  %d %% head-room for Go's collector\n", "garbage", mebibytes(b.heap()-b.heap()*100/(100+gcPercent)), gcPercent)
	fmt.Fprintf(&s, "  %-18s %7s  %d sockets of %d bytes\n", "in the kernel", mebibytes(b.kernel), b.conns, kernelConnBytes)
	fmt.Fprintf(&s, "  %-18s %7s\n", "at most", mebibytes(b.most()))
	return s.String()
}

// ceilings are what the memory of a process meets.
type ceilings struct {
	memory     int64  // of the machine, or of the group of processes
	memoryName string // where that is from
	heap       int64  // GOMEMLIMIT; unlimited when it is not set
}

// ceilings looks at the machine. What it does not say is no limit.
func (m *machine) ceilings() ceilings {
	c := ceilings{memory: unlimited, heap: unlimited}
	if total, known := m.meminfo("MemTotal"); known {
		c.memory, c.memoryName = total, "the machine's memory"
	}
	if limit, file := m.cgroupMemory(); file != "" && limit < c.memory {
		c.memory, c.memoryName = limit, file
	}
	if limit, wrong := m.goMemoryLimit(); limit > 0 && !wrong {
		c.heap = limit
	}
	return c
}

// holds reports whether the most that a server may come to use is there.
func (c ceilings) holds(b budget) bool { return b.most() <= c.memory && b.heap() <= c.heap }

// check says what is missing and what to change.
func (c ceilings) check(b budget) error {
	if c.holds(b) {
		return nil
	}
	name, have, need := c.memoryName, c.memory, b.most()
	if b.heap() > c.heap && have-need > 0 {
		name, have, need = "GOMEMLIMIT", c.heap, b.heap()
	}
	return exitf(exitMemory, "%d connections may come to need %s of memory, and %s is %s:\n%sgive it more, lower --max-connections%s, or start with --overcommit when they will not all be at their limits at once",
		b.conns, mebibytes(need), name, mebibytes(have), b, c.advice(b))
}

// advice names the number of connections for which there is room.
func (c ceilings) advice(b budget) string {
	if n := c.room(b); n > 0 {
		return fmt.Sprintf(" to %d", n)
	}
	return ""
}

// room is for how many connections there is memory, all else being equal; 0 when
// there is none even for a few.
func (c ceilings) room(b budget) int64 {
	if b.conns == 0 {
		return 0
	}
	var perConn int64
	for _, t := range b.terms {
		if t.name == "clients" {
			perConn = t.bytes / b.conns
		}
	}
	heapEach := float64(perConn) * (100 + gcPercent) / 100
	fixed := float64(b.heap()) - heapEach*float64(b.conns)
	room := math.Min((float64(c.memory)-fixed)/(heapEach+kernelConnBytes), (float64(c.heap)-fixed)/heapEach)
	return int64(max(0, min(room, float64(b.conns))))
}

// heldShare is the part of the memory that clients may make a server hold for
// them, where that is less than its own limit.
const heldShare = 4

// fit fills in what depends on the machine's memory: how much is held for clients
// at most, and how many connections, if their number was not asked for. It fails
// when there is too little for what was.
func (s *serveCmd) fit(cfg server.Config, apps []push.App) (server.Config, budget, error) {
	c := thisMachine().ceilings()
	resolved, err := cfg.Resolve()
	if err != nil {
		return cfg, budget{}, exitf(exitUsage, "%v", err)
	}
	if cfg.Limits.Held == 0 {
		resolved.Limits.Held = int(min(int64(resolved.Limits.Held), c.memory/heldShare, c.heap/heldShare))
		cfg.Limits.Held = resolved.Limits.Held
	}
	cfg.Limits.Conns = resolved.Limits.Conns
	b := budgetOf(resolved, apps)
	if s.Overcommit || c.holds(b) {
		return cfg, b, nil
	}
	if room := c.room(b); s.MaxConnections == 0 && room >= connectionsMin {
		cfg.Limits.Conns = int(room)
		resolved.Limits.Conns = cfg.Limits.Conns
		return cfg, budgetOf(resolved, apps), nil
	}
	return cfg, b, c.check(b)
}

// thisMachine is the one that the process runs on.
func thisMachine() *machine { return &machine{files: os.DirFS("/"), pid: "self"} }
