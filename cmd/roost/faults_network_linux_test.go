package main

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/torture"
)

// inNetwork runs a test in a network of its own, in which nothing but a loopback
// is: what is done to that, nobody else meets. It reports whether it is there.
func inNetwork(t *testing.T) bool {
	t.Helper()
	const inside = "ROOST_TEST_IN_NETWORK"
	if os.Getenv(inside) == t.Name() {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return true
	}
	require(t, "ip")
	require(t, "tc")
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"="+t.Name(), builtBinary+"="+binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case cmd.ProcessState == nil:
		lacking(t, network, err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	if _, why, skipped := strings.Cut(string(out), "SKIP"); skipped {
		lacking(t, netem, why)
	}
	return false
}

// Row T22: on a path that loses, delays, doubles and reorders packets everything
// is right, only slower.
func TestFaultPath(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	for _, path := range []string{
		"delay 20ms 10ms", "loss 3%", "delay 10ms reorder 25% 50%", "duplicate 5%", "corrupt 1%", "delay 5ms 3ms loss 2% duplicate 2% reorder 10%",
		"rate 4mbit",
	} {
		t.Run(path, func(t *testing.T) {
			p := startEcho(t, "--admin", "127.0.0.1:0")
			p.watched(torture.Options{}, nil)
			tc := exec.Command("tc", append([]string{"qdisc", "replace", "dev", "lo", "root", "netem"}, strings.Fields(path)...)...)
			if out, err := tc.CombinedOutput(); err != nil {
				lacking(t, netem, string(out))
			}
			defer exec.Command("tc", "qdisc", "del", "dev", "lo", "root").Run()
			var birds sync.WaitGroup
			for range 5 {
				birds.Go(func() {
					b := newCanary(t, p.addr)
					for _, size := range []int{10, 1000, 100_000, 100} {
						b.sing(size)
					}
				})
			}
			birds.Wait()
		})
	}
}

// Row T21: clients that vanish without a word are gone after a Ping and the wait
// for its answer; who comes then is served.
func TestFaultBlackhole(t *testing.T) {
	if !long {
		return // the wait is half a minute: make faults
	}
	if !inNetwork(t) {
		return
	}
	p := startEcho(t, "--admin", "127.0.0.1:0", "--ping-interval", "1s")
	p.watched(torture.Options{}, torture.Excuses{"U1/canary": "there is no network for longer than a Ping and the wait for its answer"})
	const crowd = 10
	for range crowd {
		newCanary(t, p.addr).sing(10)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "down").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	time.Sleep(40 * time.Second) // one for the Ping, thirty for the Pong
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	newCanary(t, p.addr).sing(10)
	if n := p.metric("roost_pong_timeouts_total"); n != crowd {
		t.Errorf("%g of %d vanished clients were given up", n, crowd)
	}
}
