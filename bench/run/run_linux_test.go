package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/bench/scenario"
)

// The test binary is also the children of the tests: started with one of
// these words it does what the word says.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case WorkerCommand:
			if err := load.Serve(os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case "child-server":
			childServer(os.Args[2])
		case "child-stubborn":
			signal.Ignore(syscall.SIGTERM)
			grandchild := exec.Command(os.Args[0], "child-sleep")
			_ = grandchild.Start()
			fmt.Println(grandchild.Process.Pid)
			fmt.Println("ready nowhere")
			time.Sleep(time.Hour)
		case "child-sleep":
			time.Sleep(time.Hour)
		case "child-parent":
			p, err := Start(Spec{Argv: []string{os.Args[0], "child-sleep"}})
			fmt.Println(p.PID, err)
			time.Sleep(time.Hour)
		}
	}
	os.Exit(m.Run())
}

// childServer accepts and says so.
func childServer(addr string) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("some other line")
	fmt.Println("ready", addr)
	for {
		if _, err := ln.Accept(); err != nil {
			return
		}
	}
}

// waitGone fails the test when a process lives on.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		if !proc.Alive(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("process %d is still alive", pid)
}

func TestReadyIsWaitedFor(t *testing.T) {
	for _, says := range []bool{true, false} {
		addr, err := FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		p, err := Start(Spec{Argv: []string{os.Args[0], "child-server", addr}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.WaitReady(t.Context(), addr, says); err != nil {
			t.Error(err)
		}
		if c, err := net.Dial("tcp", addr); err != nil {
			t.Errorf("says %v: ready, but %v", says, err)
		} else {
			c.Close()
		}
		if err := p.Stop(); err != nil || p.Alive() {
			t.Error("not stopped", err)
		}
		waitGone(t, p.PID)
	}
}

// A server that ends before it is ready is reported with its own words.
func TestEarlyEndIsReported(t *testing.T) {
	p, err := Start(Spec{Argv: []string{"sh", "-c", "echo out of luck >&2; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	err = p.WaitReady(t.Context(), "127.0.0.1:1", true)
	if err == nil || !strings.Contains(err.Error(), "out of luck") || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatal(err)
	}
}

// A child that ignores the polite signal is killed, with what it started.
func TestStopTakesTheWholeGroup(t *testing.T) {
	if testing.Short() {
		t.Skip("waits out the polite signal")
	}
	p, err := Start(Spec{Argv: []string{os.Args[0], "child-stubborn"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitReady(t.Context(), "nowhere", true); err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.Fields(p.Last())[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	waitGone(t, p.PID)
	waitGone(t, grandchild)
}

// However the harness dies, the kernel takes its children along.
func TestChildrenDieWithTheirParent(t *testing.T) {
	parent := exec.Command(os.Args[0], "child-parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.Fields(line)[0])
	if err != nil || !proc.Alive(child) {
		t.Fatal("no child: ", line)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	waitGone(t, child)
}

// fake is a scenario that notes what is measured.
type fake struct {
	name    string
	seen    *[]string
	measure func(ctx context.Context, t *scenario.Target) error
	sample  scenario.Sample // what is measured
}

func (f fake) Name() string             { return f.name }
func (f fake) Settings() map[string]any { return nil }
func (f fake) Need() scenario.Need      { return scenario.NeedEcho }
func (f fake) Clients() int             { return 1 }
func (f fake) Estimate() time.Duration  { return time.Second }
func (f fake) Measure(ctx context.Context, t *scenario.Target) ([]scenario.Sample, error) {
	*f.seen = append(*f.seen, fmt.Sprint(f.name, t.Round, t.Server))
	if f.measure != nil {
		if err := f.measure(ctx, t); err != nil {
			return nil, err
		}
	}
	s := f.sample
	s.Scenario, s.Server, s.Round = f.name, t.Server, t.Round
	return []scenario.Sample{s}, nil
}

func fakeServer(name string, does ...scenario.Need) *Server {
	return &Server{Name: name, Does: does, echo: program{[]string{os.Args[0], "child-server", "{addr}"}, true}}
}

// Rounds are interleaved, a server that is missing or cannot take part is
// left out, and one that does not start is a failed sample.
func TestPlanInterleaves(t *testing.T) {
	broken := fakeServer("D", scenario.NeedEcho)
	broken.echo.argv = []string{"sh", "-c", "exit 1"}
	missing := fakeServer("E", scenario.NeedEcho)
	missing.Missing = "not installed"
	var seen []string
	var samples []scenario.Sample
	p := Plan{
		Servers: []*Server{fakeServer("A", scenario.NeedEcho), fakeServer("B", scenario.NeedEcho), fakeServer("C"), broken, missing},
		Parts:   []Part{{fake{name: "x", seen: &seen}, 2}, {fake{name: "y", seen: &seen}, 1}},
		Emit:    func(s scenario.Sample) error { samples = append(samples, s); return nil },
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"x0A", "x0B", "y0A", "y0B", "x1B", "x1A"}; !slices.Equal(seen, want) {
		t.Errorf("measured %v, want %v", seen, want)
	}
	failed := 0
	for _, s := range samples {
		if s.Server == "D" && s.Failed != "" {
			failed++
		}
	}
	if len(samples) != 9 || failed != 3 {
		t.Errorf("%d samples, %d failed ones of the broken server; want 9 and 3", len(samples), failed)
	}
}

// A figure that nobody measured is not shown as nought: the plan fails.
func TestPlanWantsEveryColumn(t *testing.T) {
	for column, ok := range map[string]bool{"cpu_us": true, "others_cpu": false} {
		var seen []string
		p := Plan{
			Servers: []*Server{fakeServer("A", scenario.NeedEcho)},
			Parts: []Part{{fake{name: "x", seen: &seen, sample: scenario.Sample{
				Values: map[string]float64{"cpu_us": 0}, Columns: []string{column},
			}}, 1}},
			Emit: func(scenario.Sample) error { return nil },
		}
		if err := p.Run(t.Context()); (err == nil) != ok {
			t.Errorf("%s: %v", column, err)
		}
	}
}

// A plan that asks for more than its scenarios do leaves out who cannot do it, and
// tells servers and clients.
func TestPlanAsksForMore(t *testing.T) {
	var seen []string
	p := Plan{
		Servers: []*Server{fakeServer("A", scenario.NeedEcho), fakeServer("B", scenario.NeedEcho, scenario.NeedDeflate)},
		Also:    []scenario.Need{scenario.NeedDeflate},
		Parts: []Part{{fake{name: "x", seen: &seen, measure: func(_ context.Context, t *scenario.Target) error {
			if !t.Deflate {
				return errors.New("clients do not compress")
			}
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", t.PID))
			if err != nil || !strings.HasSuffix(string(line), "\x00--deflate\x00") {
				return fmt.Errorf("the server was started with %q, %w", line, err)
			}
			return nil
		}}, 1}},
		Emit: func(scenario.Sample) error { return nil },
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen, []string{"x0B"}) {
		t.Errorf("measured %v", seen)
	}
}

// An interrupt in the middle of a measurement ends it and leaves no process.
func TestInterruptLeavesNoChild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var pids []int
	var seen []string
	p := Plan{
		Servers: []*Server{fakeServer("A", scenario.NeedEcho), fakeServer("B", scenario.NeedEcho)},
		Parts: []Part{{fake{name: "x", seen: &seen, measure: func(_ context.Context, t *scenario.Target) error {
			pids = append(pids, t.PID, t.Workers[0].PID())
			if err := t.Workers[0].Dial(load.Dial{Addr: t.Addr}); err != nil {
				return err
			}
			time.AfterFunc(50*time.Millisecond, cancel)
			// The server never answers the handshake: only the interrupt ends this.
			_, err := t.Workers[0].Connect(load.Connect{Count: 1, Concurrency: 1, Deadline: time.Hour}, nil)
			return err
		}}, 3}},
		Emit: func(scenario.Sample) error { return errors.New("a sample of an interrupted measurement") },
	}
	if err := p.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(pids) != 2 {
		t.Fatalf("processes %v, want a server and a worker", pids)
	}
	for _, pid := range pids {
		waitGone(t, pid)
	}
}

// Every folder in bench/peers is a peer, and every peer keeps the contract's
// first part.
func TestCatalogKnowsThePeers(t *testing.T) {
	servers, err := Catalog("../..")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range servers {
		names = append(names, s.Name)
		if s.Title == "" || s.About == "" || s.Language == "" || len(s.Does) == 0 {
			t.Errorf("%+v lacks something", s)
		}
	}
	for _, want := range []string{"roost-inline", "roost", "gorilla", "gws", "coder", "gobwas", "nbio", "nbio-inline", "gnet", "gnet-corked", "ws", "bun", "floor"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s among %v", want, names)
		}
	}
}

// What cannot be built is missing, with the reason, and no error.
func TestUnbuildableIsMissing(t *testing.T) {
	s := &Server{Name: "x", prepare: func(context.Context, *Server) error { return errors.New("no compiler") }}
	if err := s.Prepare(t.Context()); err != nil || s.Missing != "no compiler" {
		t.Fatal(err, s.Missing)
	}
}
