package torture

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ended is a roost that is told to end.
type ended struct {
	name  string
	args  []string
	stop  Stopping
	twice bool // a second signal follows
}

const stopWindow = 2 * time.Second

var polite = Stopping{Window: stopWindow, Grace: 3 * time.Second}

// stopEchoes plays rows S1 to S5: roost echo is told to end while clients of every
// kind are there. What is left of the invariants must hold of that, too.
func stopEchoes(t *testing.T, binary string, secured []string, roots *x509.CertPool) {
	t.Parallel()
	stopRoosts(t, binary, "echo", 13, Options{Roots: roots}, []ended{
		{name: "workers", stop: polite},
		{name: "inline", args: []string{"--inline"}, stop: polite},
		{name: "tls", args: slices.Concat(secured, []string{"--inline"}), stop: polite},
		// Clients that do not answer are given five seconds when the window is over.
		{name: "rude", args: []string{"--inline"}, stop: Stopping{Window: stopWindow, Grace: 5*time.Second + stall, Rude: true}},
		{name: "twice", stop: Stopping{Grace: stall, Code: 1, Rude: true, AtOnce: true}, twice: true},
	})
}

// stopRoosts ends some roosts, each of which is judged by as many things at least.
func stopRoosts(t *testing.T, binary, command string, least int, o Options, roosts []ended) {
	var all sync.WaitGroup
	defer all.Wait() // they wait for deadlines, side by side
	for _, c := range roosts {
		r := launchRoost(t, binary, "", command, append(c.args, "--drain", stopWindow.String())...)
		o := o
		o.URL, o.Pid, o.Admin, o.Log = "ws://"+r.addr, r.pid, "http://"+r.admin, r.log
		o.Timeout, o.Delay = 20*time.Second, stall
		if slices.Contains(c.args, "--tls-cert") {
			o.URL = "wss://" + r.addr
		}
		c.stop.Ended = r.ended
		c.stop.Signal = func() error {
			err := r.cmd.Process.Signal(syscall.SIGTERM)
			if c.twice {
				time.Sleep(200 * time.Millisecond) // one signal that waits is as good as two
				err = r.cmd.Process.Signal(syscall.SIGTERM)
			}
			return err
		}
		all.Go(func() {
			s, err := Stop(t.Context(), o, c.stop, func(r Result) {
				if !r.OK {
					t.Errorf("%s: %v", c.name, r)
				}
			})
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				return
			}
			if s.Cases < least && !c.stop.AtOnce {
				t.Errorf("%s: only %d things were judged, want %d", c.name, s.Cases, least)
			}
			t.Logf("%s: %d things judged; it took %.1f s to end", c.name, s.Cases, s.Millis/1000)
		})
	}
}

// The model ends as it should, and what is wrong with a server's end is noticed.
func TestStopNotices(t *testing.T) {
	t.Parallel() // it waits for deadlines
	var all sync.WaitGroup
	defer all.Wait()
	pushStopNotices(t, &all)
	for _, d := range []struct{ defect, id string }{
		{"", ""},
		{"", "rude"},
		{"cuts-clients", "S1/talking"},
		{"cuts-clients", "S1/quiet"},
		{"wrong-farewell", "S1/talking"},
		{"two-farewells", "F21/crossing"},
		{"forgets-pending", "S1/talking"},
		{"echo-after-farewell", "S1/talking"},
		{"forgets-half", "S1/messages"},
		{"skips-pipelined", "S1/pipelined"},
		{"all-at-once", "S2/spread"},
		{"exits-with-1", "S1/ends"},
		{"lingers-on", "S1/ends"},
		{"waits-for-all", "S4/ends"},
		{"silent-handshakes", "S5/handshakes"},
		{"silent-newcomers", "S5/knocking"},
		{"keeps-listening", "U3/address"},
	} {
		all.Go(func() {
			undisturbed(t, func() (complaints []string) {
				m := startModel(t, d.defect, Options{CloseTimeout: 500 * time.Millisecond, HandshakeTimeout: 10 * time.Second})
				stop := m.stopping(1500 * time.Millisecond)
				stop.Rude = d.id == "rude" || strings.HasPrefix(d.id, "S4/")
				o := m.o
				o.Timeout, o.Delay, o.CloseTimeout = 10*time.Second, stall, 8*time.Second // what is right may be slow here
				if d.defect != "" {
					o.Delay = 600 * time.Millisecond
				}
				s, err := Stop(t.Context(), o, stop, nil)
				switch {
				case err != nil:
					return []string{fmt.Sprintf("%s: %v", d.defect, err)}
				case d.defect == "":
					for _, r := range s.Failed {
						complaints = append(complaints, fmt.Sprint(r))
					}
				case !slices.ContainsFunc(s.Failed, func(r Result) bool { return r.ID == d.id && r.Got != "" && r.Want != "" }):
					return []string{fmt.Sprintf("%s: %s did not notice it; these failed: %v", d.defect, d.id, s.Failed)}
				}
				return complaints
			})
		})
	}
}

// S1, U5, U7: what is counted, logged and spent while a server ends is held against
// what its clients have met.
func TestStopIsWatched(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("goroutine 1 [running]:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := watched(t, Options{Log: log}, "")
	goingAway := closesFigure + `{code="1001"}`
	w.last.figures = figures{messagesFigure: 10, goingAway: 0, panicsFigure: 1}
	w.o.tally.count([]Event{{Kind: Close, Code: 1001}, {Kind: Close, Code: 1001}, {Kind: Close, Code: 1001}})
	for _, c := range []struct {
		messages, closes, panics float64
		good                     bool
	}{
		{15, 2, 1, true}, {15, 3, 1, true},
		{14, 3, 1, false}, {16, 3, 1, false}, {15, 1, 1, false}, {15, 3, 2, false},
	} {
		e := &leaving{Stopping: Stopping{Codes: []uint16{1001}}, o: w.o, watch: w, echoes: 5}
		e.last = figures{messagesFigure: c.messages, goingAway: c.closes, panicsFigure: c.panics}
		if got := e.judgeCounters(); (got == "") != c.good {
			t.Errorf("%+v: %q", c, got)
		}
	}
	e := &leaving{o: w.o, watch: w, cpu: w.last.cpu}
	if got := e.judgeCost(); got != "" {
		t.Error(got)
	}
	if e.cpu += time.Hour; e.judgeCost() == "" {
		t.Error("an hour of work for nothing was not noticed")
	}
	if got := e.judgeLog(); !strings.Contains(got, "a stack") {
		t.Errorf("a stack in the log: %q", got)
	}
	os.WriteFile(log, bytes.Repeat([]byte("line\n"), 10_000), 0o600)
	if e.judgeLog() == "" {
		t.Error("a flood of lines was not noticed")
	}
}
