package engine

import (
	"time"

	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sys"
)

const (
	// listenerToken marks the tokens of listeners; the other bits are their index.
	listenerToken = 1 << 63
	// acceptBatch is how many connections are accepted between two looks at the kernel.
	acceptBatch = 64
	// acceptBackoff is the pause after the machine ran out of descriptors or memory.
	acceptBackoff = 100 * time.Millisecond
)

// acceptor takes connections off one listener. It belongs to the leader of
// one loop and deals the connections out to all loops in turn.
type acceptor struct {
	loop   *Loop
	fd     int           // -1 when closed
	more   bool          // the accept queue may hold connections that no edge will report again
	resume time.Duration // when accepting goes on after a shortage; 0: there is none
}

// accept takes what waits, up to acceptBatch.
func (a *acceptor) accept() {
	e := a.loop.e
	if a.resume != 0 && e.kernel.Now() >= a.resume {
		a.resume, a.more = 0, true
	}
	if a.resume != 0 || a.fd < 0 {
		return
	}
	failed := 0
	for n := 0; a.more && n < acceptBatch; n++ {
		fd, peer, err := e.kernel.Accept(a.fd)
		if err == nil {
			e.Counts.Accepted.Add(1)
			f := fresh{fd: fd, session: e.New(peer)}
			if f.session == nil {
				e.refuse(f)
				continue
			}
			if e.TLS != nil {
				f.session = secureSession(f.session, nil, nil)
			}
			if l := e.deal(); l != a.loop {
				l.adopt(f)
			} else {
				l.add(f)
			}
			continue
		}
		switch sys.FaultOf(err) {
		case sys.Again:
			a.more = false
		case sys.Interrupted:
		case sys.Peer: // a connection that ended before we took it
			if failed++; failed == acceptBatch {
				a.backOff() // or an error that lasts
			}
		case sys.Bug:
			panic(err)
		default:
			a.backOff()
		}
	}
}

// backOff pauses accepting.
func (a *acceptor) backOff() {
	a.loop.e.Counts.AcceptShortages.Add(1)
	a.more, a.resume = false, a.loop.e.kernel.Now()+acceptBackoff
}

// close stops listening. Connections in the accept queue are reset by the kernel.
func (a *acceptor) close() {
	if a.fd < 0 {
		return
	}
	a.loop.e.check(a.loop.poller.Remove(a.fd))
	a.loop.e.check(a.loop.e.kernel.Close(a.fd))
	a.fd, a.more, a.resume = -1, false, 0
}

// Listen accepts connections from the listening descriptor fd, which is the
// engine's from now on, also when Listen fails.
func (e *Engine) Listen(fd int) error {
	done := make(chan error, 1)
	e.ListenSoon(fd, func(err error) { done <- err })
	return <-done
}

// ListenSoon is Listen for those who cannot wait: told is called with its
// result, by the loop or at once.
func (e *Engine) ListenSoon(fd int, told func(error)) {
	l := e.loops[(e.listeners.Add(1)-1)%uint32(len(e.loops))]
	if !l.post(func() { told(l.listen(fd)) }) {
		e.check(e.kernel.Close(fd))
		told(ErrStopped)
	}
}

func (l *Loop) listen(fd int) error {
	err := ErrStopped
	if !l.shut {
		err = l.poller.Add(fd, listenerToken|uint64(len(l.accepts)))
	}
	if err != nil {
		l.e.check(l.e.kernel.Close(fd))
		return err
	}
	l.accepts = append(l.accepts, &acceptor{loop: l, fd: fd})
	return nil
}

// StopListening closes all listeners, and those that are still to come;
// connections go on.
func (e *Engine) StopListening() {
	for _, l := range e.loops {
		l.post(l.stopListening)
	}
}

func (l *Loop) stopListening() {
	l.shut = true
	for _, a := range l.accepts {
		a.close()
	}
}

var _ sys.Poller = (*poller.Poller)(nil)
