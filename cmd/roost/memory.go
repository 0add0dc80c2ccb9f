package main

import (
	"os"
	"runtime/debug"
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

// heldMost is what clients may make the program hold where its memory has no limit.
const heldMost = 1 << 30

// held is --max-held, or what the limit of the group or of Go leaves room for:
// the queues' memory is garbage for a while after they were sent.
func (asked byteSize) held() int {
	if asked > 0 {
		return int(asked)
	}
	c := thisMachine().ceilings()
	return int(min(heldMost, c.memory/4, c.heap/4))
}
