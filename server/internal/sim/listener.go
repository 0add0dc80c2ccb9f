package sim

import (
	"fmt"
	"net/netip"
	"syscall"
)

// Listener is a listening socket with its accept queue.
type Listener struct {
	k       *Kernel
	fd      int
	backlog int
	queue   []*socket
	closed  bool
	watches []*watch // a listener may be registered with several pollers
}

// Listen opens a listener whose queue takes backlog connections.
func (k *Kernel) Listen(backlog int) *Listener {
	l := &Listener{k: k, backlog: backlog}
	l.fd = k.table.add(l)
	return l
}

// FD is the listener's descriptor.
func (l *Listener) FD() int { return l.fd }

// Waiting returns how many connections were not accepted yet.
func (l *Listener) Waiting() int { return len(l.queue) }

func (l *Listener) kind() string { return fmt.Sprintf("listener with %d waiting", len(l.queue)) }

// Dial connects a client. The error is ECONNREFUSED when the listener is
// closed or its queue is full.
func (l *Listener) Dial() (Client, error) { return l.DialFrom(netip.AddrPort{}) }

// DialFrom is Dial with an address of the client's choice.
func (l *Listener) DialFrom(addr netip.AddrPort) (Client, error) {
	k := l.k
	k.world.Yield("dial")
	if l.closed || len(l.queue) >= l.backlog {
		return Client{}, syscall.ECONNREFUSED
	}
	k.clients++
	s := &socket{k: k, client: k.clients, fd: -1}
	s.in.cap, s.out.cap = k.Faults.capacity(k.world.Rand), k.Faults.capacity(k.world.Rand)
	if addr.IsValid() {
		if k.remotes == nil {
			k.remotes = make(map[*socket]netip.AddrPort)
		}
		k.remotes[s] = addr
	}
	l.queue = append(l.queue, s)
	for _, w := range l.watches {
		w.raise(readable)
	}
	return Client{s}, nil
}

// What accept may fail with. After the first ones the connection is gone,
// after the second ones it is still in the queue, and no edge will tell.
var (
	acceptAborts    = [...]syscall.Errno{syscall.ECONNABORTED, syscall.EPROTO, syscall.ENETDOWN, syscall.EPERM}
	acceptResources = [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}
)

// Accept implements sys.Kernel.
func (k *Kernel) Accept(fd int) (nfd int, peer netip.AddrPort, err error) {
	k.Calls.Accept++
	k.before(callAccept)
	l, ok := k.table.get(fd).(*Listener)
	if !ok {
		err = k.notOpen(callAccept, fd)
		k.after(callAccept, fd, -1, err)
		return -1, peer, err
	}
	s, err := l.accept()
	nfd = -1
	if err == nil {
		nfd = k.table.add(s)
		s.fd = int32(nfd)
		peer = k.remote(s)
	}
	k.after(callAccept, fd, nfd, err)
	return nfd, peer, err
}

func (l *Listener) accept() (*socket, error) {
	k, w := l.k, l.k.world
	switch {
	case w.chance(k.Faults.AcceptInterrupt):
		return nil, syscall.EINTR
	case len(l.queue) == 0:
		return nil, syscall.EAGAIN
	case k.table.full(1):
		return nil, syscall.EMFILE
	case w.chance(k.Faults.AcceptResource):
		return nil, acceptResources[w.Rand.IntN(len(acceptResources))]
	}
	s := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	if w.chance(k.Faults.AcceptAbort) {
		s.abandon()
		s.flags |= aborted
		return nil, acceptAborts[w.Rand.IntN(len(acceptAborts))]
	}
	return s, nil
}

// close resets the connections that nobody accepted.
func (l *Listener) close() {
	l.closed = true
	for _, s := range l.queue {
		s.abandon()
		s.flags |= aborted
	}
	l.queue = nil
}
