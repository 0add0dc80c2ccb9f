package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// ability is something that a machine may lack and no package brings.
type ability string

// What .ci/abilities looks for, in its words.
const (
	trace   ability = "trace"   // system calls of other processes can be made to fail
	attach  ability = "attach"  // also those of processes that run already
	group   ability = "group"   // memory can be limited
	network ability = "network" // a network of its own
	netem   ability = "netem"   // which loses and delays
)

// lacking ends a test that cannot run here: by skipping it, or, where
// .ci/abilities has found that the machine is able, by failing it.
func lacking(t *testing.T, a ability, why any) {
	t.Helper()
	if slices.Contains(strings.Fields(os.Getenv("ROOST_REQUIRE_ABILITIES")), string(a)) {
		t.Fatalf("this machine can do %s, and the test could not: %v", a, why)
	}
	t.Skipf("this machine cannot do %s: %v", a, why)
}
