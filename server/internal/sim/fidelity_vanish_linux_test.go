package sim

import (
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/roost-ws/roost/poller"
)

// vanish has the kernel drop whatever comes for the socket, unacknowledged.
func (f realFar) vanish(t *testing.T) {
	drop := syscall.SockFilter{Code: syscall.BPF_RET | syscall.BPF_K}
	program := syscall.SockFprog{Len: 1, Filter: &drop}
	_, _, errno := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(f.fd), syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER,
		uintptr(unsafe.Pointer(&program)), unsafe.Sizeof(program), 0)
	if errno != 0 {
		t.Fatal(errno)
	}
}

// A peer that vanishes is given up by both kernels when what was written was not
// acknowledged for as long as SetAckTimeout says, and not while there is nothing to acknowledge.
func TestFidelityVanished(t *testing.T) {
	const patience = 300 * time.Millisecond
	run := func(r *rig, vanish func(), sleep func(time.Duration)) []string {
		defer r.cleanup()
		event := func() {
			var events [8]poller.Event
			n, err := r.poller.Wait(events[:], 0)
			r.note("wait = %+v %v", events[:n], err)
		}
		r.step("add", 0)
		r.kernel.SetAckTimeout(r.fd, patience)
		r.step("write", 10)
		r.step("far drain", 0)
		event()
		vanish()
		sleep(2 * patience)
		event()
		r.step("write", 10)
		sleep(patience / 3)
		event()
		sleep(4 * patience)
		event()
		r.step("read", 10)
		r.step("read", 10)
		r.step("write", 10)
		return r.trace
	}
	real := realRig(t, "tcp4", time.Millisecond)
	got := run(real, func() { real.far.(realFar).vanish(t) }, time.Sleep)
	simulated := simRig(t)
	w := simulated.kernel.(*Kernel).world
	want := run(simulated, func() { simulated.far.(simFar).Vanish() }, func(d time.Duration) {
		w.now += d
		w.fire()
	})
	if !slices.Equal(got, want) {
		t.Errorf("real:\n%q\nsimulated:\n%q", got, want)
	}
	if last := want[len(want)-3]; last != "read 10 = 0 "+syscall.ETIMEDOUT.Error()+", 00000000" {
		t.Errorf("it ends with %q", last)
	}
}
