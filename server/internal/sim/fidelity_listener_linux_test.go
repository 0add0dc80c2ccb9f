package sim

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sys"
)

// door is a kernel with a listener on it, and a way to connect to that.
type door struct {
	kernel sys.Kernel
	fd     int
	dial   func() far
	settle func()
}

func simDoor() *door {
	k := NewKernel(NewWorld(Config{}), Faults{})
	l := k.Listen(100)
	return &door{kernel: k, fd: l.FD(), settle: func() {}, dial: func() far {
		c, err := l.Dial()
		if err != nil {
			panic(err)
		}
		return simFar{c}
	}}
}

func realDoor(t *testing.T, pause time.Duration) *door {
	k := sys.Real()
	fd, bound, err := sys.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sa := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: bound.(*net.TCPAddr).Port}
	return &door{kernel: k, fd: fd, settle: func() { time.Sleep(pause) }, dial: func() far {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err == nil {
			err = syscall.Connect(fd, sa)
		}
		if err != nil {
			t.Fatal(err)
		}
		return realFar{fd}
	}}
}

// knock plays a random script of connections and accepts.
func (d *door) knock(t *testing.T, seed uint64) (trace []string) {
	r := rand.New(rand.NewPCG(seed, 2))
	p, err := d.kernel.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	note := func(format string, args ...any) { trace = append(trace, fmt.Sprintf(format, args...)) }
	var fars []far
	var accepted []int
	for i := range 30 {
		if i == 3 {
			note("add = %v", p.Add(d.fd, 5))
		}
		switch r.IntN(5) {
		case 0:
			fars = append(fars, d.dial())
		case 1:
			d.dial().reset() // it can still be accepted, and says so when it is read
			note("reset")
		case 2, 3:
			fd, _, err := d.kernel.Accept(d.fd)
			note("accept = %v, %v", fd >= 0, err)
			if err == nil {
				accepted = append(accepted, fd)
				n, err := d.kernel.Read(fd, make([]byte, 10))
				note("read = %d, %v", n, err)
			}
		case 4:
			var events [4]poller.Event
			n, err := p.Wait(events[:], 0)
			note("wait = %+v, %v", events[:n], err)
		}
		d.settle()
	}
	note("remove = %v", p.Remove(d.fd))
	note("close = %v, %v", d.kernel.Close(d.fd), p.Close())
	for _, f := range fars {
		f.close()
	}
	for _, fd := range accepted {
		d.kernel.Close(fd)
	}
	return trace
}

func TestFidelityListener(t *testing.T) {
	for seed := range uint64(200) {
		want := simDoor().knock(t, seed)
		var got []string
		for _, pause := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
			if got = realDoor(t, pause).knock(t, seed); slices.Equal(got, want) {
				break
			}
		}
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("script %d, after %q\nreal:      %s\nsimulated: %s", seed, want[:i], got[i], want[i])
			}
		}
	}
}
