package torture

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// modelDefect has this program be a model with a defect, and nothing else: in a
// process of its own it can be stopped.
const modelDefect = "TORTURE_MODEL_DEFECT"

// Silences that the model and its clients know of.
const childPing, childSilence = 600 * time.Millisecond, 1800 * time.Millisecond

// serveModel says where it serves, and ends with its standard input.
func serveModel(defect string) {
	m, err := newModel(defect, Options{PingInterval: childPing, SilenceTimeout: childSilence}, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(m.url)
	io.Copy(io.Discard, os.Stdin)
}

// startChild runs a model in a process of its own until the test ends.
func startChild(t *testing.T, defect string) (url string, pid int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), modelDefect+"="+defect)
	child.Stderr = os.Stderr
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		child.Process.Kill()
		child.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), child.Process.Pid
}

// judgesStandstill has a server that takes its own standstill for its clients' silence: row M4.
func judgesStandstill(t *testing.T, all *sync.WaitGroup) {
	const id = "M4/standstill"
	for _, defect := range []string{"", "counts-a-standstill"} {
		url, pid := startChild(t, defect)
		all.Go(func() {
			s, err := Run(t.Context(), Options{
				URL: url, Pid: pid, Run: regexp.MustCompile("^" + id + "$"), Timeout: 10 * time.Second, Delay: stall,
				PingInterval: childPing, SilenceTimeout: childSilence, Standstill: childSilence + time.Second,
			}, nil)
			switch {
			case err != nil:
				t.Errorf("%s: %v", defect, err)
			case defect != "":
				noticed(t, defect, regexp.MustCompile("^"+id+"$"), s)
			case s.perRow["M4"] == nil:
				t.Error("the case was not played")
			}
			for _, r := range s.Failed {
				if r.ID == id && defect == "" {
					t.Errorf("without a defect: %v", r)
				}
			}
		})
	}
}
