package million

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roost-ws/roost/bench/proc"
)

// What the two sides of a user-mode kernel's border have in common: files in
// one folder.
const (
	guestPlan    = "plan.json"    // a Plan, for the guest
	guestReport  = "report.jsonl" // note after note, for the host
	guestConsole = "console.txt"  // what the kernel printed
	guestScript  = "init.sh"
	guestProgram = "roost-bench"
	guestServer  = "server"
)

// note is a line of the guest's report: one of its fields is set.
type note struct {
	Step    string        `json:"step,omitempty"`
	Done    int           `json:"done,omitempty"`
	Of      int           `json:"of,omitempty"`
	Error   string        `json:"error,omitempty"`
	Machine *proc.Machine `json:"machine,omitempty"`
	Held    *Held         `json:"held,omitempty"`
}

// noteEvery is how often a step's progress is worth a write through the border.
const noteEvery = time.Second

// Guest carries out, inside of a user-mode kernel, the plan in a folder and
// reports there. The error is for the console only.
func Guest(ctx context.Context, folder string) error {
	report, err := os.OpenFile(filepath.Join(folder, guestReport), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("million: %w", err)
	}
	defer report.Close()
	write := func(n note) error {
		line, err := json.Marshal(n)
		if err != nil {
			return fmt.Errorf("million: %w", err)
		}
		if _, err := report.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("million: %w", err)
		}
		return report.Sync() // the guest's kernel would keep it for half a minute
	}
	held, machine, err := guest(ctx, folder, write)
	if err != nil {
		return errors.Join(err, write(note{Error: err.Error()}))
	}
	return errors.Join(write(note{Machine: machine}), write(note{Held: held}))
}

func guest(ctx context.Context, folder string, write func(note) error) (*Held, *proc.Machine, error) {
	text, err := os.ReadFile(filepath.Join(folder, guestPlan))
	if err != nil {
		return nil, nil, fmt.Errorf("million: %w", err)
	}
	var p Plan
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, nil, fmt.Errorf("million: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return nil, nil, err
	}
	var last time.Time
	var step string
	// Nothing is stopped: that can take minutes, and all ends with the guest.
	held, _, err := hold(ctx, p, func(s string, done, of int) {
		if s != step || time.Since(last) >= noteEvery {
			step, last = s, time.Now()
			_ = write(note{Step: s, Done: done, Of: of}) // the result is what counts
		}
	})
	machine := proc.MachineNow()
	return held, &machine, err
}

// loopbackUp brings lo up; the kernel gives it all of 127/8 by itself.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("million: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("million: %w", err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return fmt.Errorf("million: %w", err)
	}
	if lo.Uint16()&unix.IFF_UP != 0 {
		return nil
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("million: bring lo up: %w", err)
	}
	return nil
}
