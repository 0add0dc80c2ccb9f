package proc

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// The CPU clock counts this process's work, and only while it works.
func TestCPUCountsWork(t *testing.T) {
	pid := os.Getpid()
	before, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; { // until 50 ms of work are done
		after, err := CPU(pid)
		if err != nil {
			t.Fatal(err)
		}
		if after-before > 50*time.Millisecond {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a minute of work counts as %v", after-before)
		}
	}
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleeper.Wait()
	defer sleeper.Process.Kill()
	time.Sleep(200 * time.Millisecond)
	if got, err := CPU(sleeper.Process.Pid); err != nil || got > 150*time.Millisecond {
		t.Errorf("a sleeper worked %v, %v", got, err)
	}
	if !Alive(sleeper.Process.Pid) {
		t.Error("the sleeper counts as ended")
	}
}

func TestCPUOfNobodyFails(t *testing.T) {
	if _, err := CPU(1 << 24); err == nil {
		t.Error("a process that cannot be has CPU time")
	}
	if Alive(1 << 24) {
		t.Error("a process that cannot be is alive")
	}
}

func TestMemorySeesAnAllocation(t *testing.T) {
	before, err := MemoryOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	after, err := MemoryOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if grown := after.RSS - before.RSS; after.RSS < before.RSS || grown < 60<<20 {
		t.Errorf("64 MB more are %d bytes of RSS", grown)
	}
	if after.PSS == 0 || after.Private == 0 || b[0] != 1 {
		t.Errorf("%+v", after)
	}
}

func TestSocketsAreCounted(t *testing.T) {
	before, err := Sockets(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
	}
	if after, err := Sockets(os.Getpid()); err != nil || after != before+5 {
		t.Errorf("%d sockets, then %d; five were opened; %v", before, after, err)
	}
}

// Only what the server has accepted counts, and only at its own port.
func TestEstablishedCountsWhatIsAccepted(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := uint16(ln.Addr().(*net.TCPAddr).Port)
	for range 5 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	for accepted := range 4 {
		if n, err := Established(port); err != nil || n != accepted {
			t.Errorf("%d connections are established, %d were accepted; %v", n, accepted, err)
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
}

func TestMachineIsDescribed(t *testing.T) {
	m := MachineNow()
	if m.CPUs < 1 || m.Kernel == "" || m.MemoryBytes == 0 || m.Descriptors == 0 || m.Sysctl["net.core.somaxconn"] == "" {
		t.Errorf("%+v", m)
	}
	if b, err := BusyNow(); err != nil || b.Work == 0 {
		t.Error(b, err)
	}
	if k, err := KernelNow(); err != nil || k.TCP == 0 {
		t.Error(k, err)
	}
	if n, err := Threads(os.Getpid()); err != nil || n < 1 {
		t.Error(n, err)
	}
}
