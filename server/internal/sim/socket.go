package sim

import (
	"cmp"
	"strings"
	"syscall"
	"time"
)

// socket is one connection: the server's end with its descriptor, and the
// client's end that a Client works on. A quiet one is this struct and nothing
// else (ConnBytes), because tests hold a million of them.
type socket struct {
	k      *Kernel
	watch  watch         // the registration with a poller
	in     pipe          // from the client to the server
	out    pipe          // from the server to the client
	path   time.Duration // when what was sent last by the client arrives
	user   *coroutine    // who is inside a call on it
	client uint32        // number of the client
	fd     int32         // -1 before accept
	flags  flags
	call   call // that user is in
	fault  uint8
}

// pipe is one direction of a connection: the buffers of both ends and what
// is on the way between them.
type pipe struct {
	buf  []byte // sent and not read; nil when there is nothing
	cap  int32
	late int32 // so many of the last bytes of buf have not arrived, or not left
	held int32 // so many bytes were read, but the sender does not know yet
}

func (p *pipe) room() int    { return int(p.cap) - len(p.buf) - int(p.held) }
func (p *pipe) arrived() int { return len(p.buf) - int(p.late) }

// drop forgets what has not left.
func (p *pipe) drop() {
	p.buf, p.late = p.buf[:p.arrived()], 0
	if len(p.buf) == 0 {
		p.buf = nil
	}
}

// take moves bytes that have arrived to b.
func (p *pipe) take(b []byte) {
	p.buf = p.buf[copy(b, p.buf):]
	if len(p.buf) == 0 {
		p.buf = nil
	}
}

// flags are the state of a connection.
type flags uint16

const (
	serverShut   flags = 1 << iota // the server has sent FIN
	serverClosed                   // the server has no descriptor any more
	clientShut                     // the client has sent FIN
	clientClosed                   // the client closed its end: data for it is answered by a reset
	finArrived                     // the server sees the end of the stream
	gone                           // a reset or an error ended the connection at the server
	clientReset                    // a reset ended the connection at the client
	refused                        // a write met a full buffer: room is worth an edge
	aborted                        // the server's kernel dropped it before it was accepted
	vanished                       // the client is gone, and nobody says so
	unacked                        // the server's kernel waits for it to acknowledge something
)

func (f flags) String() string {
	names := []string{"serverShut", "serverClosed", "clientShut", "clientClosed",
		"finArrived", "gone", "clientReset", "refused", "aborted", "vanished", "unacked"}
	var set []string
	for i, name := range names {
		if f&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return "[" + strings.Join(set, " ") + "]"
}

// read is the server's read.
func (s *socket) read(b []byte) (int, error) {
	k, w := s.k, s.k.world
	if w.chance(k.Faults.ReadInterrupt) {
		return 0, syscall.EINTR
	}
	n := min(s.in.arrived(), len(b))
	if n == 0 {
		switch {
		case s.flags&finArrived != 0: // before an error: the stream had ended
			return 0, nil
		case s.fault != 0:
			return 0, s.takeFault()
		case s.flags&gone != 0:
			return 0, nil
		}
		return 0, syscall.EAGAIN
	}
	over := s.flags&(finArrived|gone) != 0
	if !over && w.chance(k.Faults.ReadAgain) {
		s.edge(readable)
		return 0, syscall.EAGAIN
	}
	if got := k.limit(n, k.Faults.ReadMax, k.Faults.ShortRead); got < n {
		n = got
		// After the end has been reported the reader has to go on by itself.
		if !over {
			s.edge(readable)
		}
	}
	s.in.take(b[:n])
	return n, nil
}

// takeFault returns the error that ended the connection; it is reported once.
func (s *socket) takeFault() error {
	err := syscall.Errno(s.fault)
	s.fault = 0
	return err
}

// write is the server's write. What is written last leaves with FIN.
func (s *socket) write(last bool, bufs ...[]byte) (int, error) {
	k, w := s.k, s.k.world
	total := 0
	for _, b := range bufs {
		total += len(b)
	}
	switch {
	case w.chance(k.Faults.WriteInterrupt):
		return 0, syscall.EINTR
	case s.fault != 0:
		return 0, s.takeFault()
	case s.flags&(gone|serverShut) != 0:
		return 0, syscall.EPIPE
	case total == 0:
		return 0, nil
	case w.chance(k.Faults.WriteAgain):
		s.roomLater()
		return 0, syscall.EAGAIN
	case s.flags&clientClosed != 0:
		// The kernel takes the bytes, and the other one answers that it is not there.
		s.later(func() { s.end(syscall.ECONNRESET) })
		return total, nil
	}
	room := s.out.room()
	if room <= 0 {
		s.flags |= refused
		return 0, syscall.EAGAIN
	}
	n := k.limit(min(total, room), k.Faults.WriteMax, k.Faults.ShortWrite)
	if n < min(total, room) {
		s.roomLater()
	} else if n < total {
		s.flags |= refused
	}
	s.await()
	left := n
	s.out.late = 0
	for _, b := range bufs {
		b = b[:min(len(b), left)]
		s.out.buf = append(s.out.buf, b...)
		left -= len(b)
	}
	if last && n == total {
		s.out.late = int32(n)
	}
	return n, nil
}

// roomLater makes up for a refusal that had no reason.
func (s *socket) roomLater() {
	s.flags |= refused
	w := s.k.world
	w.at(w.now+w.upTo(s.k.Faults.Latency), s.roomy)
}

// roomy reports room to a writer that was refused. Like Linux it waits until
// at least a third of the buffer is free.
func (s *socket) roomy() {
	if s.flags&refused != 0 && s.writable() {
		s.flags &^= refused
		s.edge(writable)
	}
}

func (s *socket) writable() bool {
	room := s.out.room()
	return room > 0 && room >= (int(s.out.cap)-room)/2 || s.flags&(gone|serverShut) != 0
}

func (s *socket) readable() bool {
	return s.in.arrived() > 0 || s.flags&(finArrived|gone) != 0
}

// shutdownWrite is the server's FIN.
func (s *socket) shutdownWrite() error {
	s.edge(writable) // a writer would now learn that it must not; Linux wakes it even when this fails
	if s.flags&gone != 0 || s.over() {
		return syscall.ENOTCONN
	}
	s.flags |= serverShut
	s.out.late = 0
	s.await()
	return nil
}

// retriesEnd is about when Linux stops to send again what nobody acknowledges,
// unless it was told when (net.ipv4.tcp_retries2).
const retriesEnd = 924 * time.Second

// await begins to wait for the acknowledgement of what was just sent, which only
// one who has vanished does not give at once.
func (s *socket) await() {
	if s.flags&(vanished|unacked) != vanished {
		return
	}
	s.flags |= unacked
	w := s.k.world
	w.at(w.now+cmp.Or(s.k.waits[s], retriesEnd), func() { s.end(syscall.ETIMEDOUT) })
}

// over reports whether both sides have ended their streams in good order.
func (s *socket) over() bool {
	return s.flags&(finArrived|serverShut) == finArrived|serverShut
}

// close is the end of the server's descriptor.
func (s *socket) close() {
	unread := s.in.arrived() > 0
	s.flags |= serverClosed
	s.fd = -1
	delete(s.k.remotes, s)
	delete(s.k.waits, s)
	s.in.buf, s.in.late = nil, 0
	if s.flags&gone != 0 {
		return
	}
	if unread {
		s.out.drop()
		s.resetClient()
		return
	}
	s.out.late = 0
	s.flags |= serverShut
}

// abandon ends a connection that was never accepted.
func (s *socket) abandon() {
	s.flags |= serverClosed
	delete(s.k.remotes, s)
	s.in.buf, s.in.late = nil, 0
	s.resetClient()
}

// resetClient lets a reset arrive at the client. It may overtake bytes that
// the server had sent: why closing has to linger.
func (s *socket) resetClient() {
	s.flags |= clientReset | serverShut
	s.out.late = 0
	if w := s.k.world; len(s.out.buf) > 0 && w.chance(s.k.Faults.ResetDrops) {
		s.out.buf = s.out.buf[:w.Rand.IntN(len(s.out.buf))]
	}
}

// later has arrive called when what the client sends now reaches the server;
// nothing overtakes what was sent before.
func (s *socket) later(arrive func()) {
	w := s.k.world
	at := max(s.path, w.now+w.upTo(s.k.Faults.Latency))
	if at <= w.now {
		arrive()
		return
	}
	s.path = at
	w.at(at, arrive)
}

// arrive makes n more bytes of the client's visible to the server.
func (s *socket) arrive(n int) {
	if s.flags&serverClosed != 0 {
		if s.flags&clientReset == 0 {
			s.resetClient()
		}
		return
	}
	if s.flags&gone != 0 {
		return
	}
	s.in.late -= int32(n)
	s.edge(readable)
}

// finArrives ends the stream at the server.
func (s *socket) finArrives() {
	if s.flags&(serverClosed|gone) == 0 {
		s.flags |= finArrived
		s.edge(readable)
	}
}

// end ends the connection at the server with an error.
func (s *socket) end(fault syscall.Errno) {
	if s.flags&(serverClosed|gone) != 0 || s.over() {
		return
	}
	if s.flags&finArrived != 0 && fault == syscall.ECONNRESET {
		fault = syscall.EPIPE
	}
	s.fault = uint8(fault)
	s.flags |= gone
	// What had not arrived never will.
	s.in.buf, s.in.late = s.in.buf[:s.in.arrived()], 0
	if w := s.k.world; w.chance(s.k.Faults.ResetDrops) {
		s.in.buf = nil
	}
	s.out.buf, s.out.late = nil, 0
	s.edge(readable | writable)
}

// Look is what a kernel knows of a descriptor, for oracles.
type Look struct {
	Unread  int  // bytes that have arrived and were not read
	Ended   bool // the end of the stream or an error has arrived
	Refused bool // a write was refused, and room will be reported
	Pending bool // an edge was not reported yet
}

// Look returns the state of a connection's descriptor.
func (k *Kernel) Look(fd int) (l Look, ok bool) {
	s, ok := k.table.get(fd).(*socket)
	if !ok {
		return l, false
	}
	return Look{
		Unread:  s.in.arrived(),
		Ended:   s.flags&(finArrived|gone) != 0,
		Refused: s.flags&refused != 0,
		Pending: s.watch.queued,
	}, true
}

// edge reports a change to the poller, if the descriptor is registered.
func (s *socket) edge(what bits) {
	if s.watch.poller != nil {
		s.watch.raise(what)
	}
}
