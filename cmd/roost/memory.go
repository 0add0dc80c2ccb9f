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
}
