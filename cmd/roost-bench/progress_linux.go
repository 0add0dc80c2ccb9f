package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// progress shows what is going on: a bar on a terminal, a line for each new
// step elsewhere.
type progress struct {
	out      *os.File
	terminal bool
	said     string
}

func newProgress(out *os.File) *progress {
	p := &progress{out: out}
	// Not Fd: that would put a shared terminal into blocking mode.
	if raw, err := out.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // fails only for a closed file
			_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
			p.terminal = err == nil
		})
	}
	return p
}

const barWidth = 24

func (p *progress) set(what string, done float64, left time.Duration) {
	if !p.terminal {
		// The running figure at the end of a step changes; the step counts.
		step := what
		if i := strings.LastIndex(what, "  "); i > 0 && strings.HasSuffix(what, "/s") {
			step = what[:i]
		}
		if step != p.said {
			p.said = step
			fmt.Fprintf(p.out, "%3.0f %%  %s\n", done*100, step)
		}
		return
	}
	full := int(done * barWidth)
	eta := ""
	if left > 0 {
		eta = "  " + left.Round(time.Second).String() + " left"
	}
	fmt.Fprintf(p.out, "\r\033[K[%s%s] %3.0f %%%s  %s", strings.Repeat("█", full), strings.Repeat("·", barWidth-full), done*100, eta, what)
}

func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\033[K")
	}
}
