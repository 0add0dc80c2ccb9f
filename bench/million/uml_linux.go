package million

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/bench/run"
)

// initScript is the first process of the guest. The guest's root is the
// host's, read only; folder alone can be written to.
//
// GuestCommand is what the program is told to call Guest.
const initScript = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t hostfs -o '%[1]s' folder '%[1]s'
echo %[2]d > /proc/sys/fs/nr_open
echo %[3]d > /proc/sys/fs/file-max
echo 65535 > /proc/sys/net/core/somaxconn
echo 65535 > /proc/sys/net/ipv4/tcp_max_syn_backlog
echo "10000 65000" > /proc/sys/net/ipv4/ip_local_port_range
ulimit -n %[2]d
cd '%[1]s'
./%[4]s %[5]s .
sync
echo o > /proc/sysrq-trigger
sleep 60
`

// script is the init script for a folder; conns decides about the limits.
func script(folder string, conns int, command string) string {
	descriptors := conns + conns/2 + reserve
	return fmt.Sprintf(initScript, folder, descriptors, 2*descriptors, guestProgram, command)
}

// HoldInUserMode is Hold inside of a user-mode kernel that is started for it.
// command makes the running program, started again, call Guest with the folder
// it is given. No process is left.
func HoldInUserMode(ctx context.Context, h Host, p Plan, command string, tell Tell) (held *Held, guest *proc.Machine, err error) {
	folder, err := os.MkdirTemp("", "roost-million-")
	if err != nil {
		return nil, nil, fmt.Errorf("million: %w", err)
	}
	defer os.RemoveAll(folder)
	if err := furnish(folder, p, command); err != nil {
		return nil, nil, err
	}
	console, err := os.Create(filepath.Join(folder, guestConsole))
	if err != nil {
		return nil, nil, fmt.Errorf("million: %w", err)
	}
	defer console.Close()
	kernel, err := run.Start(run.Spec{
		Argv: []string{
			h.UserMode, fmt.Sprintf("mem=%dM", GuestMemory(p.Conns)>>20),
			"rootfstype=hostfs", "rootflags=/", "ro", "init=" + filepath.Join(folder, guestScript),
			"con=null", "con0=fd:0,fd:1", "uml_dir=" + folder,
			"thash_entries=1048576", // the default is too small a table for a million connections
		},
		Env:    append(os.Environ(), "TMPDIR="+shm),
		Stdout: console,
	})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, kernel.Stop()) }()
	return follow(ctx, folder, kernel, tell)
}

// furnish puts what the guest needs into its folder. The programs are copied,
// so that building them anew does not disturb a run.
func furnish(folder string, p Plan, command string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("million: %w", err)
	}
	if err := copyProgram(self, filepath.Join(folder, guestProgram)); err != nil {
		return err
	}
	if program := p.Server.Argv[0]; strings.HasSuffix(filepath.Dir(program), filepath.Join("tmp", "bench", "bin")) {
		p.Server.Argv = append([]string{filepath.Join(folder, guestServer)}, p.Server.Argv[1:]...)
		if err := copyProgram(program, p.Server.Argv[0]); err != nil {
			return err
		}
	}
	plan, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("million: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, guestPlan), plan, 0o644); err != nil {
		return fmt.Errorf("million: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, guestScript), []byte(script(folder, p.Conns, command)), 0o755); err != nil {
		return fmt.Errorf("million: %w", err)
	}
	return nil
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("million: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return fmt.Errorf("million: %w", err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("million: %w", err)
	}
	return nil
}

// follow reads the guest's report until its kernel has ended.
func follow(ctx context.Context, folder string, kernel *run.Process, tell Tell) (*Held, *proc.Machine, error) {
	tell("booting the user-mode kernel", 0, 0)
	var held *Held
	var machine *proc.Machine
	var read int64
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for alive := true; alive; {
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-look.C:
		}
		alive = kernel.Alive() // before reading, so that nothing it wrote is missed
		notes, n, err := notesFrom(filepath.Join(folder, guestReport), read)
		if err != nil {
			return nil, nil, err
		}
		read += n
		for _, n := range notes {
			switch {
			case n.Error != "":
				return nil, nil, fmt.Errorf("in the user-mode kernel: %s", n.Error)
			case n.Machine != nil:
				machine = n.Machine
			case n.Held != nil:
				held = n.Held
			default:
				tell(n.Step, n.Done, n.Of)
			}
		}
	}
	if held == nil {
		text, _ := os.ReadFile(filepath.Join(folder, guestConsole)) // better than nothing
		return nil, nil, fmt.Errorf("million: the user-mode kernel ended without a result: %s", lastLines(text, 12))
	}
	return held, machine, nil
}

// notesFrom reads whole notes from an offset on and says how long they are.
func notesFrom(path string, offset int64) (notes []note, n int64, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("million: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, 0, fmt.Errorf("million: %w", err)
	}
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return notes, n, nil // the rest of the line comes later
		}
		var one note
		if err := json.Unmarshal(line, &one); err != nil {
			return nil, 0, fmt.Errorf("million: the guest's report: %w", err)
		}
		notes = append(notes, one)
		n += int64(len(line))
	}
}

func lastLines(text []byte, n int) string {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}
