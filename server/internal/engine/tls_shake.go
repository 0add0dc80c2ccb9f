package engine

import (
	"crypto/tls"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/roost-ws/roost/server/internal/secure"
)

// shake is a handshake that is not done.
type shake struct {
	hello  secure.Collector
	raw    []byte // bytes received for the next step, at most Config.ClientHello
	due    Tick
	holder atomic.Uint32 // who has the stream, raw, and what follows
	begun  bool          // it counts against TLSHandshakes
	slow   atomic.Bool   // others need its place
	over   atomic.Bool   // it does not count any more
	done   bool
	err    error
}

// Who has the stream during the handshake.
const (
	withOwner      uint32 = iota
	withRunner            // it stands in a queue, or a goroutine computes
	withOwnerAgain        // the owner is to look at it
	withNobody            // the connection is over; whoever finds it so ends the handshake
)

// shaking runs handshakes: their computations belong to a few goroutines, since
// they take milliseconds, and never to one of those that wait for clients. A
// handshake that waits for its client holds a coroutine and no goroutine that
// anybody else needs; how many may do so at a time is bounded.
type shaking struct {
	e       *Engine
	cfg     *tls.Config
	timeout Tick
	hello   int // bytes of a ClientHello, at most
	most    int // handshakes at a time
	runners int // goroutines that compute

	mu      sync.Mutex     // guards below
	steps   fifo[*secured] // begun, and their clients have answered
	waiting fifo[*secured] // their ClientHello is there
	order   fifo[begun]    // oldest first; some are over
	begun   int
	running int
}

// begun is a handshake that counts against TLSHandshakes.
type begun struct {
	c     *Conn
	h     *shake
	since Tick
}

// greet takes bytes that came before the handshake was done, as many as one step
// may need; the others are input that is left for later, and count as such. While
// the stream is a runner's nothing is read, so the kernel holds what comes then.
func (s *secured) greet(in []byte) (used int) {
	if len(in) == 0 {
		return 0
	}
	h, q := s.shake, &s.c.loop.e.shaking
	used, whole := min(len(in), q.hello), true
	if !h.begun {
		var err error
		if whole, err = h.hello.Add(in, q.hello); err != nil {
			s.shake.raw = nil
			s.stream.Alert(secure.Reply(err))
			s.fail(err)
			return len(in)
		}
		used = h.hello.Seen() - len(h.raw)
	}
	h.raw = append(h.raw, in[:used]...)
	if !whole {
		return used
	}
	h.holder.Store(withRunner)
	s.c.flags |= flagPaused
	q.push(s)
	return used
}

// stepped: a runner gave the stream back.
func (s *secured) stepped() {
	h, c := s.shake, s.c
	c.flags |= flagRetry // what was sent meanwhile was refused by us, not by the kernel
	c.flags &^= flagPaused
	c.word.signal(sigReadable | sigHangup) // nobody has read since
	switch {
	case h.err != nil:
		s.fail(h.err)
		return
	case !h.done:
		c.flush()
		return
	}
	s.shake = nil
	c.loop.e.Counts.TLSHandshakes.Add(1)
	if left := s.stream.Unread(); len(left) > 0 {
		c.stow(slices.Concat(left, c.take()))
	}
	c.flush()
	s.Session.Tick(c.Now()) // sets the session's own deadline again
}

// abandon ends a handshake whose connection is over. It reports false when a runner has to.
func (s *secured) abandon() bool {
	h := s.shake
	if h.holder.Swap(withNobody) == withRunner {
		return false
	}
	if h.begun && !h.done {
		s.stream.Abandon()
		s.c.loop.e.shaking.release(h)
	}
	return true
}

// step is a runner's: it computes as far as the bytes reach.
func (q *shaking) step(w *worker, s *secured) {
	h := s.shake
	if h.holder.Load() == withRunner {
		raw := h.raw
		h.raw = nil
		if !h.begun {
			h.begun = true
			s.stream.Begin(q.cfg, s.c, raw)
			raw = nil
		}
		if h.done, h.err = s.stream.Step(raw); h.done {
			q.release(h)
		}
		if h.holder.CompareAndSwap(withRunner, withOwnerAgain) {
			if s.c.word.signal(sigAsked) {
				// What the client has sent meanwhile is served here: the run queue is
				// for application code, and may wait for workers.
				s.c.serve(w)
				w.count(s.c.loop)
			}
			return
		}
	} else if !h.begun {
		q.release(h) // next had counted it
		return
	}
	if !h.done {
		s.stream.Abandon()
		q.release(h)
	}
	s.stream.Drop()
}

// push queues the next step of a handshake.
func (q *shaking) push(s *secured) {
	q.mu.Lock()
	if s.shake.begun {
		q.steps.push(s)
	} else {
		q.waiting.push(s)
	}
	hire := q.hire()
	q.mu.Unlock()
	if hire {
		q.e.submit(q.run)
	}
}

// relieve ends a handshake that others wait for. Those that wait call it.
func (q *shaking) relieve(now Tick) {
	q.mu.Lock()
	victim := q.victim(now)
	q.mu.Unlock()
	if victim.h != nil {
		victim.h.slow.Store(true)
		victim.c.Ask()
	}
}

// victim finds, under mu, the handshake that has waited longest for its client,
// if it has for long while others wait for a place: clients that never answer
// must not keep out those that would.
func (q *shaking) victim(now Tick) begun {
	if q.waiting.len() == 0 || q.begun < q.most {
		return begun{}
	}
	q.trim()
	if q.order.len() == 0 || now < q.order.first().since+q.patience() {
		return begun{}
	}
	return q.order.pop()
}

// trim forgets, under mu, those that are over and older than all others.
func (q *shaking) trim() {
	for q.order.len() > 0 && q.order.first().h.over.Load() {
		q.order.pop()
	}
}

// patience is how long a handshake may wait for its client while others wait for
// its place.
func (q *shaking) patience() Tick { return max(1, q.timeout/5) }

// hire decides, under mu, whether a runner more is needed, and counts it.
func (q *shaking) hire() bool {
	if q.running == q.runners || q.steps.len() == 0 && (q.waiting.len() == 0 || q.begun >= q.most) {
		return false
	}
	q.running++
	return true
}

// next takes the handshake whose turn it is. Those that were begun come first: they are nearly done.
func (q *shaking) next() *secured {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.steps.len() > 0 {
		return q.steps.pop()
	}
	if q.begun < q.most && q.waiting.len() > 0 {
		// When more wait than there are places, those that came first have hardly
		// time left; the newest may still make it.
		take := q.waiting.pop
		if q.waiting.len() > q.most {
			take = q.waiting.popLast
		}
		s := take()
		q.begun++
		q.order.push(begun{s.c, s.shake, s.c.Now()})
		return s
	}
	q.running--
	return nil
}

// release makes room for another handshake.
func (q *shaking) release(h *shake) {
	h.over.Store(true)
	q.mu.Lock()
	q.begun--
	q.trim()
	hire := q.hire()
	q.mu.Unlock()
	if hire {
		q.e.submit(q.run)
	}
}

func (q *shaking) run() {
	w := q.e.worker()
	defer w.free()
	w.quiet = true
	for s := q.next(); s != nil; s = q.next() {
		q.step(w, s)
	}
}

// shakingMin is how many goroutines compute handshakes at least: a callback of
// the configuration, which may fetch a certificate, must not stop them all.
const shakingMin = 4

// fifo is a queue.
type fifo[T any] struct {
	items []T
	head  int
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }

func (f *fifo[T]) first() T { return f.items[f.head] }

func (f *fifo[T]) push(v T) {
	if f.head > 64 && f.head > len(f.items)/2 {
		f.items, f.head = slices.Clone(f.items[f.head:]), 0
	}
	f.items = append(f.items, v)
}

func (f *fifo[T]) pop() (v T) {
	v, f.items[f.head] = f.items[f.head], v
	if f.head++; f.head == len(f.items) {
		f.items, f.head = nil, 0
	}
	return v
}

func (f *fifo[T]) popLast() (v T) {
	last := len(f.items) - 1
	v, f.items[last] = f.items[last], v
	if f.items = f.items[:last]; f.head == last {
		f.items, f.head = nil, 0
	}
	return v
}
