package main

import (
	"os"
	"runtime/debug"
	"time"

	"github.com/roost-ws/roost/server"
)

// gcPercent is Go's GOGC for a process whose heap is mostly idle connections:
// the collector's head-room is a third of what lives, not as much again. A
// connection of 146 bytes then costs 190; a message allocates nothing, so there
// is little to collect.
const gcPercent = 30

// spareMemory sets it, unless the environment says otherwise.
func spareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// Where a group of processes has a limit, garbage is collected before it is
	// met: nine tenths are Go's, the rest is the kernel's and what Go does not count.
	if limit, file := thisMachine().cgroupMemory(); file != "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}

const (
	restEvery = time.Second // between looks at whether the server is at rest
	restAfter = 1000        // connections that came or went since the last collection, and a tenth of those present
)

// rest collects garbage, and gives it back to the system, when a storm is over:
// what handshakes leave behind would stay in RSS until the heap has grown again,
// and a heap of idle connections does not grow.
type rest struct {
	seen, collected uint64 // connections that came and went until the last look, and until the last collection
	collect         func()
}

// newRest returns nil where the environment says when to collect.
func newRest() *rest {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	return &rest{collect: debug.FreeOSMemory}
}

// look is called every restEvery. At rest is a server of which less than one
// client in a hundred came or went since the last look. It reports whether it has
// collected.
func (r *rest) look(now server.Stats) bool {
	turnover := now.Accepted + now.Closed
	present := uint64(max(0, now.Conns))
	resting := turnover-r.seen <= present/100
	r.seen = turnover
	if !resting || turnover-r.collected < max(restAfter, present/10) {
		return false
	}
	r.collected = turnover
	r.collect()
	return true
}
