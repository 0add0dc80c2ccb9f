package sim

import (
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sys"
)

// A simulator that is not compared with a real kernel proves only itself. The
// tests here run the same random scripts on both and compare what they return,
// call by call and edge by edge.

// far is the client's end of a connection. Calls do not wait.
type far interface {
	write(b []byte) (int, error)
	read(b []byte) (int, error)
	shut()
	close()
	reset()
}

type simFar struct{ Client }

func (f simFar) write(b []byte) (int, error) { return f.Write(b) }
func (f simFar) read(b []byte) (int, error)  { return f.Read(b) }
func (f simFar) shut()                       { f.CloseWrite() }
func (f simFar) close()                      { f.Close() }
func (f simFar) reset()                      { f.Reset() }

type realFar struct{ fd int }

func (f realFar) write(b []byte) (int, error) {
	return syscall.SendmsgN(f.fd, b, nil, nil, syscall.MSG_NOSIGNAL)
}

func (f realFar) read(b []byte) (int, error) {
	n, err := syscall.Read(f.fd, b)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return max(n, 0), err
}

func (f realFar) shut()  { syscall.Shutdown(f.fd, syscall.SHUT_WR) }
func (f realFar) close() { syscall.Close(f.fd) }
func (f realFar) reset() {
	syscall.SetsockoptLinger(f.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	syscall.Close(f.fd)
}

// rig is a kernel with one connection on it, and what happened so far.
type rig struct {
	kernel  sys.Kernel
	poller  sys.Poller
	fd      int
	far     far
	settle  func() // lets what was sent arrive
	trace   []string
	buf     [64 << 10]byte
	sent    [2]int // bytes by server and client, which are numbered
	farGone bool
	added   bool
	cleanup func()
}

func (r *rig) note(format string, args ...any) {
	r.trace = append(r.trace, fmt.Sprintf(format, args...))
}

// bytes returns the next n numbered bytes of one side.
func (r *rig) bytes(side, n int) []byte {
	b := r.buf[:n]
	for i := range b {
		b[i] = byte((r.sent[side] + i) * 7)
	}
	return b
}

// step runs one step of a script.
func (r *rig) step(op string, n int) {
	switch op {
	case "wait":
		r.wait()
	case "read":
		got, err := r.kernel.Read(r.fd, r.buf[:n])
		r.note("read %d = %d %v, %08x", n, max(got, 0), err, crc32.ChecksumIEEE(r.buf[:max(got, 0)]))
	case "write":
		got, err := r.kernel.Write(r.fd, r.bytes(0, n))
		r.sent[0] += max(got, 0)
		r.note("write %d = %d %v", n, max(got, 0), err)
	case "writev":
		b := r.bytes(0, n)
		got, err := r.kernel.Writev(r.fd, [][]byte{b[:n/3], b[n/3 : n/2], b[n/2:]})
		r.sent[0] += max(got, 0)
		r.note("writev %d = %d %v", n, max(got, 0), err)
	case "shut":
		r.note("shut = %v", r.kernel.ShutdownWrite(r.fd))
	case "peer":
		_, err := r.kernel.Peer(r.fd)
		r.note("peer = %v", err)
	case "remove":
		if r.added {
			r.note("remove = %v", r.poller.Remove(r.fd))
			r.added = false
		}
	case "add":
		if !r.added {
			r.note("add = %v", r.poller.Add(r.fd, 77))
			r.added = true
		}
	default:
		r.farStep(op, n)
	}
	r.settle()
}

func (r *rig) farStep(op string, n int) {
	if r.farGone {
		return
	}
	switch op {
	case "far write":
		got, err := r.far.write(r.bytes(1, n))
		r.sent[1] += max(got, 0)
		r.note("far write %d = %d %v", n, max(got, 0), err)
	case "far drain":
		r.drain()
	case "far shut":
		r.far.shut()
		r.note("far shut")
	case "far close":
		r.far.close()
		r.farGone = true
		r.note("far close")
	case "far reset":
		r.far.reset()
		r.farGone = true
		r.note("far reset")
	}
}

func (r *rig) wait() {
	var events [8]poller.Event
	n, err := r.poller.Wait(events[:], 0)
	r.note("wait = %+v %v", events[:n], err)
}

// drain reads what there is on the client's side until nothing more comes.
func (r *rig) drain() {
	total, sum := 0, uint32(0)
	for {
		n, err := r.far.read(r.buf[:])
		if n > 0 {
			total += n
			sum = crc32.Update(sum, crc32.IEEETable, r.buf[:n])
			r.settle()
			continue
		}
		r.note("far drain %d %08x %v", total, sum, err)
		return
	}
}

func simRig(t *testing.T) *rig {
	k := NewKernel(NewWorld(Config{}), Faults{})
	l := k.Listen(10)
	p, err := k.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	fd, _, err := k.Accept(l.FD())
	if err != nil {
		t.Fatal(err)
	}
	return &rig{kernel: k, poller: p, fd: fd, far: simFar{c}, settle: func() { k.world.fire() },
		cleanup: func() {
			if err := k.world.Err(); err != nil {
				t.Error(err)
			}
		}}
}

func realRig(t *testing.T, network string, pause time.Duration) *rig {
	k := sys.Real()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = t.TempDir() + "/s"
	}
	lfd, bound, err := sys.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(lfd)
	syscall.SetsockoptInt(lfd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 64<<10)
	var fd int
	var sa syscall.Sockaddr
	if network == "unix" {
		fd, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		sa = &syscall.SockaddrUnix{Name: addr}
	} else {
		fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		sa = &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: bound.(*net.TCPAddr).Port}
	}
	if err != nil {
		t.Fatal(err)
	}
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10)
	if err := syscall.Connect(fd, sa); err != nil {
		t.Fatal(err)
	}
	if network != "unix" {
		// Nagle's algorithm would hold a second small write back for 40 ms.
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	}
	syscall.SetNonblock(fd, true)
	p, err := k.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	conn, _, err := k.Accept(lfd)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{kernel: k, poller: p, fd: conn, far: realFar{fd}, settle: func() { time.Sleep(pause) }}
	r.cleanup = func() {
		p.Close()
		k.Close(conn)
		if !r.farGone {
			syscall.Close(fd)
		}
	}
	return r
}

type scriptStep struct {
	op string
	n  int
}

// script draws steps that both kernels define.
func script(seed uint64, ops []string) []scriptStep {
	r := rand.New(rand.NewPCG(seed, 1))
	steps := []scriptStep{{"add", 0}}
	if r.IntN(3) == 0 {
		steps = nil // what happens before Add must be reported after it
	}
	for range 4 + r.IntN(16) {
		steps = append(steps, scriptStep{ops[r.IntN(len(ops))], 1 + r.IntN(3000)})
		if r.IntN(2) == 0 {
			steps = append(steps, scriptStep{"wait", 0})
		}
	}
	return append(steps, scriptStep{"add", 0}, scriptStep{"wait", 0}, scriptStep{"read", 60_000},
		scriptStep{"wait", 0}, scriptStep{"far drain", 0}, scriptStep{"wait", 0})
}

func play(r *rig, steps []scriptStep) []string {
	defer r.cleanup()
	for _, s := range steps {
		r.step(s.op, s.n)
	}
	return r.trace
}

// compare plays random scripts on both. With extra the real kernel may report
// more edges than the simulated one.
func compare(t *testing.T, network string, ops []string, scripts int, extra bool) {
	same := func(real, simulated string) bool {
		return real == simulated || extra && simulated == "wait = [] <nil>"
	}
	for seed := range uint64(scripts) {
		steps := script(seed, ops)
		want := play(simRig(t), steps)
		full := forgotten(t)
		var got []string
		// A busy machine may need longer to carry a segment over loopback.
		for _, pause := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
			if got = play(realRig(t, network, pause), steps); slices.EqualFunc(got, want, same) {
				break
			}
		}
		for i := range min(len(got), len(want)) {
			if !same(got[i], want[i]) && forgotten(t) > full {
				break // a kernel that forgets a socket answers its peer with a reset
			}
			if !same(got[i], want[i]) {
				t.Fatalf("script %d, after\n\t%s\nreal:      %s\nsimulated: %s",
					seed, strings.Join(want[:i], "\n\t"), got[i], want[i])
			}
		}
	}
}

// forgotten is how many closed sockets the kernel had no room for in its table
// of those in TIME_WAIT. Programs beside this test may fill it.
func forgotten(t *testing.T) int {
	text, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	i := slices.Index(strings.Fields(lines[0]), "TCPTimeWaitOverflow")
	values := strings.Fields(lines[1])
	if i < 0 || i >= len(values) {
		return 0
	}
	n, err := strconv.Atoi(values[i])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFidelityTCP(t *testing.T) {
	compare(t, "tcp4", []string{
		"read", "read", "write", "writev", "shut", "peer", "remove", "add", "wait",
		"far write", "far write", "far write", "far drain", "far drain", "far shut", "far close", "far reset",
	}, 1500, false)
}

// A unix socket has no reset, no address, and other words for the end of a
// connection, and each read of the peer is an edge; the rest is the same.
func TestFidelityUnix(t *testing.T) {
	compare(t, "unix", []string{
		"read", "read", "write", "writev", "remove", "add", "wait",
		"far write", "far write", "far write", "far drain", "far drain", "far shut",
	}, 500, true)
}

// How much fits into the buffers is nobody's promise, so scripts do not fill
// them. What is promised: a full one says EAGAIN, and then room is reported
// once the other side has read.
func TestFidelityRoom(t *testing.T) {
	rigs := map[string]*rig{
		"simulated": simRig(t),
		"tcp":       realRig(t, "tcp4", time.Millisecond),
		"unix":      realRig(t, "unix", time.Millisecond),
	}
	for name, r := range rigs {
		t.Run(name, func(t *testing.T) {
			defer r.cleanup()
			r.step("add", 0)
			r.wait() // the state at Add
			for range 5 {
				if !r.fill() {
					t.Fatalf("full buffers do not say EAGAIN: %v", r.trace)
				}
				if ev, ok := r.writableWithin(0); ok {
					t.Fatalf("room is reported when there is none: %+v", ev)
				}
				r.drain()
				if _, ok := r.writableWithin(5 * time.Second); !ok {
					t.Fatalf("room is never reported: %v", r.trace)
				}
			}
		})
	}
}

// fill writes until EAGAIN, and again when Linux finds some room after all.
func (r *rig) fill() bool {
	for refusals := 0; refusals < 3; {
		_, err := r.kernel.Write(r.fd, r.bytes(0, 32<<10))
		switch err {
		case nil:
			refusals = 0
		case syscall.EAGAIN:
			refusals++
		default:
			r.note("fill: %v", err)
			return false
		}
		r.settle()
	}
	return true
}

func (r *rig) writableWithin(d time.Duration) (poller.Event, bool) {
	var events [8]poller.Event
	for end := time.Now().Add(d); ; time.Sleep(time.Millisecond) {
		n, _ := r.poller.Wait(events[:], 0)
		if n > 0 && events[0].Writable {
			return events[0], true
		}
		if time.Now().After(end) {
			return poller.Event{}, false
		}
	}
}
