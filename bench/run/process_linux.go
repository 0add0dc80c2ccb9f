package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How long a child may take to become ready and to end by itself.
const (
	readyWait = 30 * time.Second
	stopWait  = 5 * time.Second
)

// Process is a running child.
type Process struct {
	PID int

	cmd    *exec.Cmd
	ended  chan struct{} // closed once the process is gone and reaped
	output tail          // what it printed, for the message when it fails
	ready  chan string
}

// Spec says how to start a child.
type Spec struct {
	Argv []string
	Dir  string
	Env  []string
	// Stdin and Stdout connect a worker; a server has neither, and what it
	// prints is searched for the line that says it is ready.
	Stdin  io.Reader
	Stdout io.Writer
}

// Start starts a child. The kernel kills it when this process dies, whatever
// the way; it has a process group of its own, so that a Ctrl-C on the terminal
// reaches only this process, which then stops its children one by one.
func Start(spec Spec) (*Process, error) {
	p := &Process{ended: make(chan struct{}), ready: make(chan string, 1)}
	p.cmd = exec.Command(spec.Argv[0], spec.Argv[1:]...)
	p.cmd.Dir, p.cmd.Env = spec.Dir, spec.Env
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = spec.Stdin, spec.Stdout, &p.output
	if spec.Stdout == nil {
		p.cmd.Stdout = io.MultiWriter(&p.output, &readyLine{to: p.ready})
	}
	// A worker's pipe can stay open in a grandchild; that must not hold Wait up.
	p.cmd.WaitDelay = time.Second
	var err error
	onSpawner(func() { err = p.cmd.Start() })
	if err != nil {
		return nil, fmt.Errorf("run: start %s: %w", spec.Argv[0], err)
	}
	p.PID = p.cmd.Process.Pid
	go func() {
		_ = p.cmd.Wait() // how it ended is in cmd.ProcessState
		close(p.ended)
	}()
	return p, nil
}

var spawner = sync.OnceValue(func() chan func() {
	tasks := make(chan func())
	go func() {
		// The parent-death signal is tied to the thread that forked. This one
		// is locked and never ends before the process does.
		runtime.LockOSThread()
		for task := range tasks {
			task()
		}
	}()
	return tasks
})

func onSpawner(task func()) {
	done := make(chan struct{})
	spawner() <- func() { task(); close(done) }
	<-done
}

// WaitReady waits until the child says it is ready or, when it is one that
// does not say so, until it accepts a connection at addr.
func (p *Process) WaitReady(ctx context.Context, addr string, says bool) error {
	deadline := time.NewTimer(readyWait)
	defer deadline.Stop()
	try := time.NewTicker(20 * time.Millisecond)
	defer try.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return fmt.Errorf("run: the server ended before it was ready (%v): %s", p.cmd.ProcessState, p.output.last())
		case <-deadline.C:
			return fmt.Errorf("run: the server was not ready after %v: %s", readyWait, p.output.last())
		case said := <-p.ready:
			if said != addr {
				return fmt.Errorf("run: the server is ready at %q, it was told %q", said, addr)
			}
			return nil
		case <-try.C:
			if says {
				continue
			}
			if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
				c.Close()
				return nil
			}
		}
	}
}

// Alive reports whether the child has not ended.
func (p *Process) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Stop asks the child to end and makes it, if it does not.
func (p *Process) Stop() error {
	if !p.Alive() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended meanwhile
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopWait):
	}
	_ = syscall.Kill(-p.PID, syscall.SIGKILL) // its group
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopWait):
		return errors.New("run: a child does not end even when killed")
	}
}

// Last is the end of what the child printed.
func (p *Process) Last() string { return p.output.last() }

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailMax = 2 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > tailMax {
		t.b = append(t.b[:0], t.b[len(t.b)-tailMax:]...)
	}
	return len(b), nil
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.b) == 0 {
		return "it printed nothing"
	}
	return strings.TrimSpace(string(t.b))
}

// readyLine looks for the line "ready <addr>".
type readyLine struct {
	line strings.Builder
	to   chan<- string
	done bool
}

func (r *readyLine) Write(b []byte) (int, error) {
	if r.done {
		return len(b), nil
	}
	r.line.Write(b)
	s := bufio.NewScanner(strings.NewReader(r.line.String()))
	for s.Scan() {
		if addr, ok := strings.CutPrefix(s.Text(), "ready "); ok && strings.HasSuffix(r.line.String(), "\n") {
			r.to <- strings.TrimSpace(addr)
			r.done = true
			break
		}
	}
	return len(b), nil
}

// FreeAddr is a loopback address nobody listens on at the moment.
func FreeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("run: %w", err)
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
