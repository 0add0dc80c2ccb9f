package million

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeKernel stands in for the user-mode kernel: it does what the init script
// says, without mounting anything.
func fakeKernel(t *testing.T, then string) Host {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kernel")
	err := os.WriteFile(path, []byte(`#!/bin/sh
for word; do case $word in init=*) cd "$(dirname "${word#init=}")";; esac; done
echo "kernel with $1"
`+then), 0o755)
	if err != nil {
		t.Fatal(err)
	}
	h := roomy
	h.UserMode = path
	return h
}

func TestUserModeReportsWhatWasHeld(t *testing.T) {
	p := plan("none")
	p.PerServer, p.Conns = 100, 100
	seen := map[string]bool{}
	held, guest, err := HoldInUserMode(t.Context(), fakeKernel(t, "grep -q 'roost-bench test-guest' init.sh && exec ./roost-bench test-guest ."), p, "test-guest",
		func(step string, _, _ int) { seen[step] = true })
	if err != nil {
		t.Fatal(err)
	}
	if !held.Good(100) || held.Servers != 1 || guest == nil || guest.Kernel == "" {
		t.Errorf("held %+v, guest %+v", held, guest)
	}
	if !seen["booting the user-mode kernel"] || !seen["connecting"] && !seen["resting"] {
		t.Errorf("steps %v", seen)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "roost-million-*", guestScript)); len(left) > 0 {
		t.Logf("another run is going on, or something was left: %v", left)
	}
}

// What goes wrong inside is told outside.
func TestUserModeReportsItsEnd(t *testing.T) {
	for name, c := range map[string]struct{ does, want string }{
		"panics":       {"echo Kernel panic", "Kernel panic"},
		"guest's word": {`echo '{"error":"no luck"}' > report.jsonl; sleep 60`, "no luck"},
		"no server":    {"rm plan.json; exec ./roost-bench test-guest .", "plan.json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := HoldInUserMode(t.Context(), fakeKernel(t, c.does), plan("none"), "test-guest", silent)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q in it", err, c.want)
			}
		})
	}
}

func TestInterruptedUserModeEndsItsKernel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	_, _, err := HoldInUserMode(ctx, fakeKernel(t, `echo '{"step":"resting"}' > report.jsonl; exec sleep 1000`), plan("none"), "test-guest",
		func(step string, _, _ int) {
			if step == "resting" {
				cancel()
				done <- nil
			}
		})
	if !errors.Is(err, context.Canceled) || len(done) != 1 {
		t.Fatal(err)
	}
	if n := len(children(t)); n != 0 {
		t.Errorf("%d processes are left", n)
	}
}

// A note that is not whole yet is read when it is.
func TestNotesAreReadWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report")
	text := `{"step":"a","done":1}` + "\n" + `{"step":"b"}` + "\n"
	var steps []string
	var offset int64
	for end := range len(text) + 1 {
		if err := os.WriteFile(path, []byte(text[:end]), 0o644); err != nil {
			t.Fatal(err)
		}
		notes, n, err := notesFrom(path, offset)
		if err != nil {
			t.Fatal(err)
		}
		offset += n
		for _, n := range notes {
			steps = append(steps, n.Step)
		}
	}
	if strings.Join(steps, " ") != "a b" {
		t.Errorf("read %q", steps)
	}
}

// The script is the first process of a kernel that shares the host's files:
// nothing but its folder may be writable, and the limits are beyond the plan's.
func TestScriptLeavesTheHostAlone(t *testing.T) {
	s := script("/tmp/folder", 1_000_000, "million --guest")
	for _, want := range []string{
		"mount -t hostfs -o '/tmp/folder' folder '/tmp/folder'", "ulimit -n 1500200",
		"echo 1500200 > /proc/sys/fs/nr_open", "./roost-bench million --guest .", "echo o > /proc/sysrq-trigger",
	} {
		if !strings.Contains(s, want) {
			t.Errorf("the script lacks %q:\n%s", want, s)
		}
	}
	if strings.Count(s, "mount -t hostfs") != 1 || strings.Contains(s, "remount") {
		t.Errorf("more than the folder is writable:\n%s", s)
	}
}
