package torture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// roost echo passes every case, with handlers on workers and on the loops. This
// is the conformance test of the repository: RFC 6455 over the real network.
func TestRoostEcho(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "roost")
	build := exec.Command("go", "build", "-o", binary, "github.com/roost-ws/roost/cmd/roost")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		t.Fatal("building roost: ", err)
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"workers", nil},
		{"inline", []string{"--inline"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "inline" && testing.Short() {
				t.Skip("the workers were tested")
			}
			t.Parallel() // most of the time the suite waits for deadlines
			addr, pid := startRoost(t, binary, c.args...)
			s, err := Run(t.Context(), Options{URL: "ws://" + addr + "/torture", Pid: pid, Exhaustive: c.name == "inline", Timeout: 20 * time.Second}, func(r Result) {
				if !r.OK {
					t.Errorf("%v", r)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if s.Cases < 1500 {
				t.Errorf("only %d cases", s.Cases)
			}
			t.Logf("%d cases, %d runs in %.1f s", s.Cases, s.Runs, s.Millis/1000)
		})
	}
}

// startRoost runs roost echo until the test ends, and requires it to end well.
func startRoost(t *testing.T, binary string, args ...string) (addr string, pid int) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"echo", "--listen", "127.0.0.1:0", "--log-format", "json"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewReader(stderr)
	logged := make(chan []byte)
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		defer kill.Stop()
		rest := <-logged
		if err := cmd.Wait(); err != nil {
			t.Errorf("roost echo ended with %v:\n%s", err, rest)
		}
		// Rows U2, U5: no stack, and the library logs nothing per connection.
		if len(rest) > 4<<10 || bytes.Contains(rest, []byte("goroutine ")) {
			t.Errorf("%d bytes of log, beginning with %s", len(rest), rest[:min(len(rest), 4<<10)])
		}
	})
	defer func() {
		go func() {
			rest, _ := io.ReadAll(log)
			logged <- rest
		}()
	}()
	for {
		line, err := log.ReadBytes('\n')
		if err != nil {
			t.Fatalf("roost echo did not start: %v %s", err, line)
		}
		var record struct{ Msg, Addr string }
		if json.Unmarshal(line, &record) == nil && record.Msg == "listening" {
			return record.Addr, cmd.Process.Pid
		}
	}
}
