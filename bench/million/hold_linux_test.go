package million

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/proc"
	"github.com/roost-ws/roost/bench/run"
)

// The test binary is also the processes of the tests: a client, a server, or
// what runs in the guest.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case run.WorkerCommand:
			exit(load.Serve(os.Stdin, os.Stdout))
		case "test-server":
			exit(serve(os.Args[2], os.Args[3]))
		case "test-guest":
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer stop()
			exit(Guest(ctx, os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// badConn is the connection of perServer at which a bad server is bad.
const (
	badConn   = 30
	perServer = 100
)

// serve is an echo server that has a fault at one of its connections.
func serve(fault, addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	var n atomic.Int32
	full := make(chan struct{}) // closed when all are connected
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			in := bufio.NewReader(c)
			for line := ""; line != "\r\n"; {
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
			}
			nth := n.Add(1)
			if nth == perServer {
				close(full)
			}
			bad := nth == badConn
			if bad && fault == "refuses" {
				return
			}
			fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
				"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
			if bad && fault == "drops" {
				<-full // its client has done connecting by then
				return
			}
			for echo(c, in, bad && fault == "deaf") == nil {
			}
		}()
	}
}

// echo answers one short frame; the deaf do not answer Pings.
func echo(c net.Conn, in io.Reader, deaf bool) error {
	var head [6]byte // with the key of the mask
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return err
	}
	payload := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(in, payload); err != nil {
		return err
	}
	for i := range payload {
		payload[i] ^= head[2+i%4]
	}
	if head[0]&0x0f == 9 {
		if deaf {
			return nil
		}
		head[0]++ // a Pong
	}
	_, err := c.Write(append([]byte{head[0], byte(len(payload))}, payload...))
	return err
}

// plan is for a few connections at servers with a fault.
func plan(fault string) Plan {
	return Plan{
		Server: Server{Name: "test", Argv: []string{os.Args[0], "test-server", fault, "{addr}"}},
		Conns:  200, PerServer: perServer, PerClient: 60, Rest: 300 * time.Millisecond, Deadline: time.Second,
	}
}

func silent(string, int, int) {}

func TestHoldCountsAllThatAnswer(t *testing.T) {
	var steps []string
	held, err := Hold(t.Context(), plan("none"), func(step string, _, _ int) {
		if !slices.Contains(steps, step) {
			steps = append(steps, step)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !held.Good(200) || held.Servers != 2 || held.Clients != 4 || held.Opened != 200 || held.Descriptors != 200 {
		t.Errorf("%+v", held)
	}
	if held.Rested.RSS == 0 || held.Rested.Kernel.TCP < 400 || held.ClientRSS == 0 {
		t.Errorf("before %+v, rested %+v, clients %d", held.Before, held.Rested, held.ClientRSS)
	}
	for _, want := range []string{"starting processes", "resting", "answering a ping", "answering a message"} {
		if !slices.Contains(steps, want) {
			t.Errorf("the steps %q lack %q", steps, want)
		}
	}
	var table bytes.Buffer
	(&Record{Way: Processes, Why: "a test", Plan: plan("none"), Held: held}).Table(&table)
	for _, want := range []string{"several server processes", "held: 200 of 200", "answered a ping: 200 of 200", "server RSS"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
}

// One bad connection of a hundred is enough.
func TestHoldFindsWhatIsNotHeld(t *testing.T) {
	for fault, want := range map[string]string{
		"refuses": "before the opening handshake was done",
		"drops":   "the servers hold 198",
		"deaf":    "did not answer a ping",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			held, err := Hold(t.Context(), plan(fault), silent)
			if err != nil {
				t.Fatal(err)
			}
			if held.Good(200) || !strings.Contains(held.Failed, want) {
				t.Errorf("failed: %q; want %q", held.Failed, want)
			}
		})
	}
}

// An interrupt ends every process, also in the middle of a rest.
func TestInterruptedHoldLeavesNoProcess(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := plan("none")
	p.Rest = time.Hour
	before := children(t)
	var during []int
	_, err := Hold(ctx, p, func(step string, _, _ int) {
		if step == "resting" {
			during = children(t)
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(during) < len(before)+6 {
		t.Fatalf("%d processes while holding, %d before", len(during), len(before))
	}
	for _, pid := range during {
		if !slices.Contains(before, pid) && proc.Alive(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
}

// children lists the processes that this one started.
func children(t *testing.T) []int {
	t.Helper()
	var pids []int
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, _ := os.ReadFile("/proc/self/task/" + e.Name() + "/children") // a thread may have ended
		for _, f := range strings.Fields(string(text)) {
			var pid int
			fmt.Sscan(f, &pid)
			pids = append(pids, pid)
		}
	}
	return pids
}
