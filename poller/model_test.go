package poller

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// model is a BSD kernel as far as kqueue goes: stream sockets, and a queue of
// notes as kqueue(2) describes it. A note is put on the queue when its filter
// is added and true, and whenever the socket changes; a scan takes it off,
// asks the filter again and reports it if it still holds. Only EV_CLEAR notes
// exist, which stay off until the next change.
type model struct {
	mu      sync.Mutex
	changed sync.Cond // something for wait to look at

	files  []*modelSocket // by descriptor; nil is free
	notes  map[note]bool  // true while it is on the queue
	queue  []note         // in the order of activation
	refuse filter         // a filter whose addition is refused, when refusing
	deny   bool

	open        bool
	woken       bool
	interrupted bool
}

type note struct {
	fd     int
	filter filter
}

// modelSocket is one end of a pair.
type modelSocket struct {
	fd, peer int // peer is -1 when it was closed
	in       int // bytes to read
	eof      bool
	shut     bool // shutdown of writing
}

const modelRoom = 8192

var (
	errDescriptor = errors.New("model: no such descriptor")
	errNoNote     = errors.New("model: no such note")
	errMemory     = errors.New("model: out of memory")
)

func newModel() *model {
	m := &model{notes: map[note]bool{}}
	m.changed.L = &m.mu
	// Descriptors 0 to 2 are taken, as everywhere.
	for fd := range 3 {
		m.files = append(m.files, &modelSocket{fd: fd, peer: -1})
	}
	return m
}

// activate is KNOTE: the socket has changed in a way the filter cares about.
func (m *model) activate(fd int, f filter) {
	n := note{fd, f}
	if queued, added := m.notes[n]; added && !queued {
		m.notes[n] = true
		m.queue = append(m.queue, n)
		m.changed.Broadcast()
	}
}

// holds is the filter: is there anything to report, and is it the end?
func (m *model) holds(n note) (holds, eof bool) {
	s := m.files[n.fd]
	if n.filter == filterRead {
		return s.in > 0 || s.eof, s.eof
	}
	gone := s.shut || s.peer < 0
	return gone || m.files[s.peer].in <= modelRoom/2, gone
}

func (m *model) change(changes []kchange) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		n := note{c.fd, c.filter}
		switch {
		case c.fd < 0 || c.fd >= len(m.files) || m.files[c.fd] == nil:
			return errDescriptor
		case c.remove:
			if _, added := m.notes[n]; !added {
				return errNoNote
			}
			m.drop(n)
		case m.deny && c.filter == m.refuse:
			return errMemory
		default:
			if _, added := m.notes[n]; !added { // one that is there keeps its place on the queue
				m.notes[n] = false
			}
			if holds, _ := m.holds(n); holds {
				m.activate(c.fd, c.filter)
			}
		}
	}
	return nil
}

func (m *model) drop(n note) {
	delete(m.notes, n)
	m.queue = slices.DeleteFunc(m.queue, func(q note) bool { return q == n })
}

func (m *model) wait(out []kevent, timeout time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open {
		return 0, errDescriptor
	}
	m.interrupted = false
	end := time.Now().Add(timeout)
	if timeout > 0 {
		alarm := time.AfterFunc(min(timeout, time.Hour), func() {
			m.mu.Lock()
			m.changed.Broadcast()
			m.mu.Unlock()
		})
		defer alarm.Stop()
	}
	for {
		if n := m.scan(out); n > 0 {
			return n, nil
		}
		if m.interrupted || timeout >= 0 && !time.Now().Before(end) {
			return 0, nil
		}
		m.changed.Wait()
	}
}

// scan takes notes off the queue and reports those that still hold.
func (m *model) scan(out []kevent) (n int) {
	if m.woken {
		m.woken = false
		out[n] = kevent{filter: filterWake}
		n++
	}
	for n < len(out) && len(m.queue) > 0 {
		next := m.queue[0]
		m.queue = slices.Delete(m.queue, 0, 1)
		m.notes[next] = false
		if holds, eof := m.holds(next); holds {
			out[n] = kevent{fd: next.fd, filter: next.filter, eof: eof}
			n++
		}
	}
	return n
}

// wake is NOTE_TRIGGER on a user event.
func (m *model) wake() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.woken = true
	m.changed.Broadcast()
	return nil
}

// The system that the contract is tested on: a kqueue backend over the model,
// and the model's sockets.

func (m *model) backend(*testing.T) backend {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = true
	return newKqueue(modelQueue{m})
}

// modelQueue gives the kernelQueue's close and the system's close, which mean
// different things, a place each.
type modelQueue struct{ *model }

func (q modelQueue) close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.open {
		return errDescriptor
	}
	q.open, q.woken = false, false
	clear(q.notes)
	q.queue = nil
	return nil
}

func (m *model) socketpair(*testing.T) (a, b int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a = m.descriptor()
	b = m.descriptor()
	m.files[a] = &modelSocket{fd: a, peer: b}
	m.files[b] = &modelSocket{fd: b, peer: a}
	return a, b
}

// descriptor reserves the lowest free number.
func (m *model) descriptor() int {
	fd := slices.Index(m.files, nil)
	if fd < 0 {
		fd = len(m.files)
		m.files = append(m.files, nil)
	}
	m.files[fd] = &modelSocket{}
	return fd
}

func (m *model) write(fd, n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.files[fd]
	if s.shut || s.peer < 0 {
		return 0
	}
	peer := m.files[s.peer]
	n = min(n, modelRoom-peer.in)
	if n > 0 {
		peer.in += n
		m.activate(peer.fd, filterRead)
	}
	return n
}

func (m *model) read(fd, n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.files[fd]
	if s.in == 0 {
		if s.eof {
			return 0
		}
		return -1
	}
	n = min(n, s.in)
	s.in -= n
	if s.peer >= 0 {
		m.activate(s.peer, filterWrite)
	}
	return n
}

func (m *model) shutdown(fd int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.finish(m.files[fd])
}

// finish is socantsendmore here and socantrcvmore at the peer.
func (m *model) finish(s *modelSocket) {
	s.shut = true
	m.activate(s.fd, filterWrite)
	if s.peer >= 0 {
		m.files[s.peer].eof = true
		m.activate(s.peer, filterRead)
	}
}

func (m *model) close(fd int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.files[fd]
	m.finish(s)
	if s.peer >= 0 {
		peer := m.files[s.peer]
		peer.peer = -1
		m.activate(peer.fd, filterWrite)
	}
	m.drop(note{fd, filterRead})
	m.drop(note{fd, filterWrite})
	m.files[fd] = nil
}

func (*model) waiter() {}

func (m *model) interrupt(*testing.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interrupted = true
	m.changed.Broadcast()
}

func (m *model) descriptors() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.files {
		if s != nil {
			n++
		}
	}
	if m.open {
		n++
	}
	return n
}
