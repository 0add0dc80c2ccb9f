package poller

import (
	"sync"
	"syscall"
	"time"
)

// kernelQueue is what the kqueue backend needs from a BSD kernel. It is this
// narrow so that the backend, which builds everywhere, can be executed over a
// model of such a kernel.
type kernelQueue interface {
	// change applies the changes in order and stops at the first one refused.
	change(changes []kchange) error
	// wait fills out with at most len(out) events; none when the timeout has
	// passed or the wait was interrupted.
	wait(out []kevent, timeout time.Duration) (int, error)
	// wake makes the running or the next wait report a filterWake.
	wake() error
	close() error
}

// filter is the kind of a kevent.
type filter uint8

const (
	filterRead  filter = iota // EVFILT_READ
	filterWrite               // EVFILT_WRITE
	filterWake                // not of a descriptor: wake was called
)

// kchange asks a kernel to begin or to end reporting one filter of fd. It
// begins with EV_CLEAR, which is kqueue's word for edge-triggered.
type kchange struct {
	fd     int
	filter filter
	remove bool
}

// kevent is one report of a kernel.
type kevent struct {
	fd     int
	filter filter
	eof    bool // EV_EOF
}

// kqueue is the backend of macOS and the BSDs.
type kqueue struct {
	kernel kernelQueue
	raw    [batchMax]kevent // only the goroutine in wait touches it
	batch  uint64           // counts the calls of wait; only that goroutine touches it

	mu  sync.Mutex // guards fds, and keeps add and remove in one order with the kernel
	fds []registration
}

// registration is what is known of a descriptor. Tokens are kept here, by
// descriptor, and not in the kernel's udata: x/sys types that as a pointer,
// and a number in it could be taken for one by the garbage collector.
type registration struct {
	token uint64
	batch uint64 // the batch in which the descriptor was last reported,
	at    int32  // and the place of its Event there
	added bool
}

func newKqueue(kernel kernelQueue) *kqueue {
	return &kqueue{kernel: kernel}
}

func (q *kqueue) add(fd int, token uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if fd >= 0 && fd < len(q.fds) && q.fds[fd].added {
		return syscall.EEXIST // as epoll says; kqueue would take the change silently
	}
	// An event may be taken out of the kernel from here on; it is not given
	// its token before the lock is free.
	err := q.kernel.change([]kchange{{fd: fd, filter: filterRead}, {fd: fd, filter: filterWrite}})
	if err != nil {
		// Which of the two was refused is not known; of half a registration
		// nothing may stay. The kernel's answer to this is of no interest.
		_ = q.kernel.change([]kchange{{fd: fd, filter: filterRead, remove: true}})
		return err
	}
	for fd >= len(q.fds) {
		q.fds = append(q.fds, registration{})
	}
	q.fds[fd] = registration{token: token, added: true}
	return nil
}

func (q *kqueue) remove(fd int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if fd < 0 || fd >= len(q.fds) || !q.fds[fd].added {
		return syscall.ENOENT
	}
	q.fds[fd].added = false
	return q.kernel.change([]kchange{
		{fd: fd, filter: filterRead, remove: true},
		{fd: fd, filter: filterWrite, remove: true},
	})
}

func (q *kqueue) wait(events []Event, timeout time.Duration) (n int, woken bool, err error) {
	got, err := q.kernel.wait(q.raw[:min(len(events), batchMax)], timeout)
	if err != nil {
		return 0, false, err
	}
	q.batch++
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, raw := range q.raw[:got] {
		if raw.filter == filterWake {
			woken = true
			continue
		}
		if raw.fd >= len(q.fds) || !q.fds[raw.fd].added {
			continue // removed since the kernel reported it
		}
		reg := &q.fds[raw.fd]
		// Reading and writing are two kevents; of one descriptor in one batch
		// they become one Event.
		if reg.batch != q.batch {
			reg.batch, reg.at = q.batch, int32(n)
			events[n] = Event{Token: reg.token}
			n++
		}
		events[reg.at].merge(raw)
	}
	return n, woken, nil
}

// merge adds what the kernel reported of one filter.
func (e *Event) merge(raw kevent) {
	switch raw.filter {
	case filterRead:
		e.Readable = true
		// EV_EOF comes at once when the peer has sent its end, with whatever
		// bytes are still before it.
		e.Hangup = e.Hangup || raw.eof
	case filterWrite:
		// EV_EOF here is also what follows our own shutdown: it does not say
		// that the peer has finished. If it has, filterRead says so.
		e.Writable = true
	}
}

func (q *kqueue) wake() error { return q.kernel.wake() }

func (q *kqueue) close() error { return q.kernel.close() }
