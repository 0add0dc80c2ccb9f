package main

import (
	"testing"

	"github.com/roost-ws/roost/bench/torture"
)

// RFC 6455 from outside: every case of the suite, in one piece, byte by byte and
// cut in two everywhere, against the program as it ships.
func TestConformance(t *testing.T) {
	inModes(t, func(t *testing.T, p *program) {
		summary, err := torture.Run(t.Context(), torture.Options{URL: "ws://" + p.addr + "/", Pid: p.cmd.Process.Pid}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range summary.Failed {
			t.Errorf("%v", r)
		}
		if summary.Cases < 300 {
			t.Errorf("only %d cases ran", summary.Cases)
		}
		t.Logf("%d cases, %d runs in %.1f s", summary.Cases, summary.Runs, summary.Millis/1000)
	})
}
