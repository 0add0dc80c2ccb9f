package million

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// Benchmarks of package server that hold so many connections on a simulated
// kernel, and the variable that says how many.
const (
	simBenchmarks = "^Benchmark(Idle|Sweep)Million$"
	simVariable   = "ROOST_MILLION"
)

// Simulate runs the benchmarks of the simulated kernel from the source tree
// at root. Their output is what there is to see.
func Simulate(ctx context.Context, root string, conns int, out io.Writer) error {
	c := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", simBenchmarks, "-benchtime", "1x", "-timeout", "1h",
		"./server", "./server/internal/engine")
	c.Dir = root
	c.Env = append(c.Environ(), fmt.Sprintf("%s=%d", simVariable, conns))
	c.Stdout, c.Stderr = out, out
	// go test starts the test binary: an interrupt has to reach both.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) }
	c.WaitDelay = 10 * time.Second
	if err := c.Run(); err != nil {
		return fmt.Errorf("million: %w", err)
	}
	return nil
}
