package sim

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/roost-ws/roost/server/internal/sys"
)

// Kernel is a simulated kernel with one process on it. It implements
// sys.Kernel; the clients on the other side of the network are Clients.
type Kernel struct {
	Faults Faults
	Calls  Calls

	world   *World
	table   descriptors
	clients uint32                     // how many there ever were; the number of the last
	remotes map[*socket]netip.AddrPort // of clients that chose their address
	waits   map[*socket]time.Duration  // SetAckTimeout, where it was called
}

var _ sys.Kernel = (*Kernel)(nil)

// NewKernel makes a kernel with no descriptor open and no limit on them.
func NewKernel(w *World, f Faults) *Kernel {
	return &Kernel{
		world:  w,
		Faults: f,
		table:  descriptors{limit: 1 << 30, offset: 3},
	}
}

// World returns the world the kernel is part of.
func (k *Kernel) World() *World { return k.world }

// Now implements sys.Kernel.
func (k *Kernel) Now() time.Duration { return k.world.now }

// Sleep implements sys.Kernel.
func (k *Kernel) Sleep(d time.Duration) {
	k.Calls.Sleep++
	k.world.Sleep(d + k.world.upTo(k.Faults.Late))
}

// before is the beginning of every call that yields.
func (k *Kernel) before(c call) {
	if k.world.chance(k.Faults.Stall) {
		k.world.Stall(k.world.upTo(k.Faults.StallMax))
	}
	k.world.Yield(callNames[c].before)
}

// after is the end of every call that yields: what the caller does next is a
// step of its own, and others may come between.
func (k *Kernel) after(c call, fd, n int, err error) {
	k.note(c, fd, n, err)
	k.world.Yield(callNames[c].after)
}

func (k *Kernel) note(c call, fd, n int, err error) {
	if err == syscall.EAGAIN {
		k.Calls.Again++
	}
	w := k.world
	id := 0
	if w.current != nil {
		id = w.current.id
	}
	w.trace.add(line{step: w.steps, now: w.now, co: id, who: w.who(),
		what: callNames[c].name, call: true, fd: fd, n: n, err: err})
}

// enter finds the stream of fd. Until leave, the running coroutine is inside a
// call on it, and nobody else may be.
func (k *Kernel) enter(c call, fd int) (*socket, error) {
	k.before(c)
	s, ok := k.table.get(fd).(*socket)
	if !ok {
		return nil, k.notOpen(c, fd)
	}
	k.alone(c, s)
	s.user, s.call = k.world.current, c
	k.world.Yield(callNames[c].inside)
	return s, nil
}

func (s *socket) leave() { s.user, s.call = nil, callNone }

// alone checks that nobody else is inside a call on s.
func (k *Kernel) alone(c call, s *socket) {
	if s.user != nil && s.user != k.world.current {
		k.world.violate("%v on fd %d while %s is in %v on it: two owners", c, s.fd, s.user.name, s.call)
	}
}

// Read implements sys.Kernel.
func (k *Kernel) Read(fd int, b []byte) (n int, err error) {
	k.Calls.Read++
	s, err := k.enter(callRead, fd)
	if err == nil {
		if len(b) == 0 {
			k.world.violate("read on fd %d into no room: its result looks like the end of the stream", fd)
		}
		n, err = s.read(b)
		s.leave()
	}
	if n == 0 {
		k.Calls.EmptyReads++
	}
	k.Calls.BytesIn += uint64(n)
	k.after(callRead, fd, n, err)
	return n, err
}

// Write implements sys.Kernel.
func (k *Kernel) Write(fd int, b []byte) (n int, err error) { return k.write(fd, b, false) }

// WriteLast implements sys.Kernel. The client gets nothing of it before the end of the
// stream, for which Linux would wait a fifth of a second.
func (k *Kernel) WriteLast(fd int, b []byte) (n int, err error) { return k.write(fd, b, true) }

func (k *Kernel) write(fd int, b []byte, last bool) (n int, err error) {
	k.Calls.Write++
	s, err := k.enter(callWrite, fd)
	if err == nil {
		n, err = s.write(last, b)
		s.leave()
	}
	k.Calls.BytesOut += uint64(n)
	k.after(callWrite, fd, n, err)
	return n, err
}

// Writev implements sys.Kernel.
func (k *Kernel) Writev(fd int, bufs [][]byte) (n int, err error) {
	k.Calls.Writev++
	s, err := k.enter(callWritev, fd)
	if err == nil {
		if len(bufs) > sys.IOVMax {
			k.world.violate("writev on fd %d of %d buffers", fd, len(bufs))
		}
		n, err = s.write(false, bufs...)
		s.leave()
	}
	k.Calls.BytesOut += uint64(n)
	k.after(callWritev, fd, n, err)
	return n, err
}

// ShutdownWrite implements sys.Kernel.
func (k *Kernel) ShutdownWrite(fd int) error {
	k.Calls.ShutdownWrite++
	s, err := k.enter(callShutdownWrite, fd)
	if err == nil {
		err = s.shutdownWrite()
		s.leave()
	}
	k.after(callShutdownWrite, fd, 0, err)
	return err
}

// Peer implements sys.Kernel. It does not yield, so that a caller may hold a
// lock, and it may be called beside the owner.
func (k *Kernel) Peer(fd int) (netip.AddrPort, error) {
	k.Calls.Peer++
	s, ok := k.table.get(fd).(*socket)
	if !ok {
		return netip.AddrPort{}, k.notOpen(callPeer, fd)
	}
	if s.flags&gone != 0 || s.over() {
		k.note(callPeer, fd, 0, syscall.ENOTCONN)
		return netip.AddrPort{}, syscall.ENOTCONN
	}
	k.note(callPeer, fd, 0, nil)
	return k.remote(s), nil
}

// SetAckTimeout implements sys.Kernel.
func (k *Kernel) SetAckTimeout(fd int, d time.Duration) {
	k.Calls.SetAckTimeout++
	s, ok := k.table.get(fd).(*socket)
	if !ok {
		k.notOpen(callSetAckTimeout, fd)
		return
	}
	k.alone(callSetAckTimeout, s)
	if k.waits == nil {
		k.waits = make(map[*socket]time.Duration)
	}
	k.waits[s] = d
	k.note(callSetAckTimeout, fd, 0, nil)
}

// Close implements sys.Kernel.
func (k *Kernel) Close(fd int) error {
	k.Calls.Close++
	k.before(callClose)
	switch f := k.table.get(fd).(type) {
	case *socket:
		k.alone(callClose, f)
		if f.watch.poller != nil {
			k.world.violate("close of fd %d, which is registered with a poller", fd)
		}
		k.table.remove(fd)
		f.close()
	case *Listener:
		if len(f.watches) > 0 {
			k.world.violate("close of fd %d, a listener that is registered with a poller", fd)
		}
		k.table.remove(fd)
		f.close()
	default:
		err := k.notOpen(callClose, fd)
		k.after(callClose, fd, 0, err)
		return err
	}
	var err error
	if k.world.chance(k.Faults.CloseInterrupt) {
		err = syscall.EINTR
	}
	k.after(callClose, fd, 0, err)
	return err
}

// remote is the address of the client: one of 10.0.0.0/8 unless it chose another.
func (k *Kernel) remote(s *socket) netip.AddrPort {
	if addr, ok := k.remotes[s]; ok {
		return addr
	}
	host := s.client / 16 // sixteen clients a host
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(host >> 16), byte(host >> 8), byte(host)}),
		uint16(10_000+s.client%16))
}

func (s *socket) kind() string {
	return fmt.Sprintf("connection of client %d, flags %v", s.client, s.flags)
}
