package sim

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Kind says how a run failed.
type Kind string

// The kinds of failures.
const (
	Violation Kind = "violation"      // the code under test broke a rule of the kernel's
	Deadlock  Kind = "deadlock"       // nobody can run, and somebody waits
	Unmet     Kind = "unmet"          // an expectation was not met (in time)
	Panic     Kind = "panic"          // a coroutine panicked
	StepLimit Kind = "too many steps" // most likely somebody spins
	TimeLimit Kind = "too much time"  // only timers keep the run alive
	Wrong     Kind = "wrong"          // a test called Fail
)

// Failure is the end of a run. It tells how to see it again.
type Failure struct {
	Seed   uint64
	Kind   Kind
	Reason string
	Trace  string // the last steps
	Replay string // the environment that runs it again
}

func (f *Failure) Error() string {
	return fmt.Sprintf("sim: seed %d: %s: %s\nlast steps:\n%s(%s replays it)",
		f.Seed, f.Kind, f.Reason, f.Trace, f.Replay)
}

// Fail ends the run as wrong. It does not return to a coroutine.
func (w *World) Fail(format string, args ...any) {
	w.fail(Wrong, fmt.Sprintf(format, args...))
}

// violate ends the run because of what the running coroutine just did.
func (w *World) violate(format string, args ...any) {
	w.fail(Violation, fmt.Sprintf(format, args...))
}

// fail records a failure and leaves the running coroutine for ever.
func (w *World) fail(kind Kind, reason string) {
	co := w.current
	if co == nil {
		w.record(kind, reason)
		return
	}
	if w.dead {
		runtime.Goexit()
	}
	w.record(kind, fmt.Sprintf("%s\nin %s:\n%s", reason, co.name, debug.Stack()))
	co.switchBack()
}

// record keeps the first failure: the others may be its consequences.
func (w *World) record(kind Kind, reason string) {
	if w.failure == nil {
		w.failure = &Failure{Seed: w.cfg.Seed, Kind: kind, Reason: reason, Trace: w.trace.String(), Replay: replay(w.cfg)}
	}
}

// Logf adds a line to the trace.
func (w *World) Logf(format string, args ...any) {
	w.trace.add(line{step: w.steps, now: w.now, who: w.who(), what: fmt.Sprintf(format, args...)})
}

func (w *World) who() string {
	if w.current == nil {
		return "test"
	}
	return w.current.name
}

// line is one line of the trace; it is put into words only when somebody reads it.
type line struct {
	step uint64
	now  time.Duration
	co   int
	who  string
	what string
	text string
	call bool // fd, n and err are those of a call
	fd   int
	n    int
	err  error
}

// traceLines is how many lines a failure shows; a whole run may have thousands.
var traceLines = func() int {
	if n, err := strconv.Atoi(os.Getenv("ROOST_SIM_TRACE")); err == nil && n > 0 {
		return n
	}
	return 80
}()

// trace keeps the last lines and a hash of all.
type trace struct {
	lines []line
	count int
	hash  uint64
}

func (t *trace) add(l line) {
	t.lines[t.count%len(t.lines)] = l
	t.count++
	for _, x := range [...]uint64{uint64(l.co), uint64(l.fd), uint64(l.n), uint64(l.now)} {
		t.hash = (t.hash ^ x) * 0x100000001b3
	}
}

func (t *trace) String() string {
	var b strings.Builder
	for i := max(0, t.count-len(t.lines)); i < t.count; i++ {
		l := &t.lines[i%len(t.lines)]
		fmt.Fprintf(&b, "  %6d %14v %-12s %s", l.step, l.now, l.who, l.what)
		if l.text != "" {
			fmt.Fprintf(&b, " %q", l.text)
		}
		if l.call {
			fmt.Fprintf(&b, " fd %d = %d", l.fd, l.n)
			if l.err != nil {
				fmt.Fprintf(&b, ", %v", l.err)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
