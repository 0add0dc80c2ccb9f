package main

import (
	"os"
	"runtime/debug"
)

// gcPercent is Go's GOGC for a process whose heap is mostly idle connections:
// the collector's head-room is half of what lives, not as much again.
const gcPercent = 50

// spareMemory sets it, unless the environment says otherwise.
func spareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
