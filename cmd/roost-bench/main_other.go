//go:build !linux

// Command roost-bench compares WebSocket servers. It reads their cost from
// Linux's /proc and drives its load with Linux's timers.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "roost-bench: measuring needs Linux; on other systems the servers themselves run, the benchmark does not")
	os.Exit(1)
}
