package sim

import (
	"errors"
	"syscall"
	"time"

	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sys"
)

// bits are the two directions of readiness.
type bits uint8

const (
	readable bits = 1 << iota
	writable
)

// watch is one registration of a descriptor with a poller.
type watch struct {
	poller *Poller // nil: not registered
	token  uint64
	file   readiness
	seq    uint32 // grows with each registration: queue entries of earlier ones are void
	pend   bits   // edges that Wait has not reported
	queued bool
}

// readiness is what a poller asks of a file when it reports an edge.
type readiness interface {
	// ready returns the state now; an edge of a state that has passed is not reported.
	ready() (now bits, hangup bool)
}

func (s *socket) ready() (now bits, hangup bool) {
	if s.readable() {
		now |= readable
	}
	if s.writable() {
		now |= writable
	}
	return now, s.flags&(finArrived|gone) != 0
}

func (l *Listener) ready() (now bits, hangup bool) {
	if len(l.queue) > 0 {
		now = readable
	}
	return now, false
}

// raise notes edges.
func (w *watch) raise(what bits) {
	w.pend |= what
	if !w.queued {
		w.queued = true
		w.poller.queue = append(w.poller.queue, entry{w, w.seq})
	}
}

// entry is a place in the queue of a poller.
type entry struct {
	watch *watch
	seq   uint32
}

// Poller is a simulated epoll or kqueue. It implements sys.Poller.
type Poller struct {
	k      *Kernel
	fds    [2]int // like epoll it has one for itself and one for Wake
	queue  []entry
	woken  bool
	closed bool
	inside bool        // somebody is in Wait; outside of Run there is no coroutine
	stir   func() bool // reports whether Wait has something to return
}

type pollerFile struct{}

func (pollerFile) kind() string { return "poller" }

// NewPoller implements sys.Kernel.
func (k *Kernel) NewPoller() (sys.Poller, error) {
	if k.table.full(2) {
		return nil, syscall.EMFILE
	}
	p := &Poller{k: k}
	p.fds = [2]int{k.table.add(pollerFile{}), k.table.add(pollerFile{})}
	p.stir = func() bool { return p.woken || p.closed || len(p.queue) > 0 }
	return p, nil
}

// Add implements sys.Poller.
func (p *Poller) Add(fd int, token uint64) error {
	k := p.k
	k.Calls.Add++
	k.before(callAdd)
	err := p.add(fd, token)
	k.after(callAdd, fd, 0, err)
	return err
}

func (p *Poller) add(fd int, token uint64) error {
	if p.closed {
		return poller.ErrClosed
	}
	if token == poller.TokenReserved {
		p.k.world.violate("poller add of fd %d with the reserved token", fd)
		return syscall.EINVAL
	}
	var w *watch
	switch f := p.k.table.get(fd).(type) {
	case *socket:
		if f.watch.poller != nil {
			p.k.world.violate("poller add of fd %d, which is registered", fd)
			return syscall.EEXIST
		}
		f.watch = watch{file: f, seq: f.watch.seq + 1}
		w = &f.watch
	case *Listener:
		if f.find(p) >= 0 {
			p.k.world.violate("poller add of listener fd %d, which is registered", fd)
			return syscall.EEXIST
		}
		w = &watch{file: f}
		f.watches = append(f.watches, w)
	default:
		return p.k.notOpen(callAdd, fd)
	}
	w.poller, w.token = p, token
	if now, _ := w.file.ready(); now != 0 {
		w.raise(now)
	}
	return nil
}

func (l *Listener) find(p *Poller) int {
	for i, w := range l.watches {
		if w.poller == p {
			return i
		}
	}
	return -1
}

// Remove implements sys.Poller. It does not yield, so that a caller may hold a lock.
func (p *Poller) Remove(fd int) error {
	p.k.Calls.Remove++
	err := p.remove(fd)
	p.k.note(callRemove, fd, 0, err)
	return err
}

func (p *Poller) remove(fd int) error {
	if p.closed {
		return poller.ErrClosed
	}
	switch f := p.k.table.get(fd).(type) {
	case *socket:
		p.k.alone(callRemove, f)
		if f.watch.poller == p {
			f.watch.void()
			return nil
		}
	case *Listener:
		if i := f.find(p); i >= 0 {
			f.watches[i].void()
			f.watches = append(f.watches[:i], f.watches[i+1:]...)
			return nil
		}
	default:
		return p.k.notOpen(callRemove, fd)
	}
	p.k.world.violate("poller remove of fd %d, which is not registered", fd)
	return syscall.ENOENT
}

// void ends a registration. Its place in the queue is skipped when it comes up.
func (w *watch) void() {
	w.poller, w.queued, w.pend = nil, false, 0
	w.seq++
}

// Wait implements sys.Poller.
func (p *Poller) Wait(events []poller.Event, timeout time.Duration) (int, error) {
	k := p.k
	k.Calls.Wait++
	k.before(callWait)
	n, err := p.wait(events, timeout)
	if n > 0 {
		k.Calls.Waits++
		k.Calls.Events += uint64(n)
	}
	// The events are out of the kernel, but their descriptors may change before the caller looks.
	k.after(callWait, p.fds[0], n, err)
	return n, err
}

var errNoRoom = errors.New("sim: wait without room for events")

func (p *Poller) wait(events []poller.Event, timeout time.Duration) (int, error) {
	w := p.k.world
	if p.closed {
		return 0, poller.ErrClosed
	}
	if len(events) == 0 {
		w.violate("poller wait without room for events")
		return 0, errNoRoom
	}
	if p.inside {
		w.violate("poller wait while another goroutine waits")
	}
	p.inside = true
	defer func() { p.inside = false }()
	until := forever
	if timeout >= 0 {
		until = w.now + timeout + w.upTo(p.k.Faults.Late)
	}
	if w.chance(p.k.Faults.WaitInterrupt) {
		return 0, nil
	}
	n := p.take(events)
	for n == 0 && !p.woken && timeout != 0 {
		if !w.wait(callNames[callWait].inside, until, p.stir) {
			break
		}
		if p.closed {
			return 0, poller.ErrClosed
		}
		n = p.take(events)
	}
	p.woken = false
	return n, nil
}

// take moves reports from the queue to events.
func (p *Poller) take(events []poller.Event) (n int) {
	f, w := &p.k.Faults, p.k.world
	if f.EventsMax > 0 && f.EventsMax < len(events) {
		events = events[:f.EventsMax]
	}
	if w.chance(f.Spurious) {
		n = p.spurious(events)
	}
	for n < len(events) && len(p.queue) > 0 {
		if f.Shuffle {
			i := w.Rand.IntN(len(p.queue))
			p.queue[0], p.queue[i] = p.queue[i], p.queue[0]
		}
		e := p.queue[0]
		p.queue[0] = entry{}
		p.queue = p.queue[1:]
		if e.seq != e.watch.seq || e.watch.poller != p {
			continue
		}
		e.watch.queued = false
		n += e.watch.report(events[n:], f.Split)
	}
	if len(p.queue) == 0 {
		p.queue = nil
	}
	return n
}

// report puts the edges into events, of which there is at least one.
func (w *watch) report(events []poller.Event, split bool) (n int) {
	now, hangup := w.file.ready()
	pend := w.pend & now
	w.pend = 0
	if !split {
		// Like epoll: the state of both directions, if either had an edge that still holds.
		if now == 0 {
			return 0
		}
		events[0] = poller.Event{Token: w.token, Readable: now&readable != 0, Writable: now&writable != 0, Hangup: hangup}
		return 1
	}
	if pend&readable != 0 {
		events[n] = poller.Event{Token: w.token, Readable: true, Hangup: hangup}
		n++
	}
	if pend&writable != 0 {
		if n == len(events) {
			w.raise(writable)
			return n
		}
		events[n] = poller.Event{Token: w.token, Writable: true}
		n++
	}
	return n
}

// spurious reports something about a registered descriptor that is not so.
func (p *Poller) spurious(events []poller.Event) int {
	files := p.k.table.files
	s, ok := files[p.k.world.Rand.IntN(len(files))].(*socket)
	if !ok || s.watch.poller != p {
		return 0
	}
	which := 1 + p.k.world.Rand.IntN(3)
	events[0] = poller.Event{Token: s.watch.token, Readable: which&1 != 0, Writable: which&2 != 0}
	return 1
}

// Wake implements sys.Poller.
func (p *Poller) Wake() error {
	p.k.Calls.Wake++
	p.k.before(callWake)
	var err error
	if p.closed {
		err = poller.ErrClosed
	}
	p.woken = true
	p.k.after(callWake, p.fds[0], 0, err)
	return err
}

// Close implements sys.Poller: it ends a running Wait and waits for it to return.
func (p *Poller) Close() error {
	k := p.k
	k.world.Yield("poller close")
	if p.closed {
		return poller.ErrClosed
	}
	p.closed = true
	k.world.Until("poller close", func() bool { return !p.inside })
	for _, fd := range p.fds {
		k.table.remove(fd)
	}
	p.queue = nil
	for _, f := range k.table.files {
		switch f := f.(type) {
		case *socket:
			if f.watch.poller == p {
				f.watch.void()
			}
		case *Listener:
			if i := f.find(p); i >= 0 {
				f.watches = append(f.watches[:i], f.watches[i+1:]...)
			}
		}
	}
	return nil
}
