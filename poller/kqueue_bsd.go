//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poller

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// bsdQueue is the kernelQueue of a real kernel. It translates and nothing
// else: what can be decided is decided in kqueue.go, where a test reaches it.
type bsdQueue struct {
	fd    int
	waker waker

	// Only the goroutine in wait touches these. They are here so that a wait
	// does not allocate them.
	raw     [batchMax]unix.Kevent_t
	timeout unix.Timespec
}

func openBackend() (backend, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd) // a fork does not inherit a kqueue, so there is no gap
	q := &bsdQueue{fd: fd}
	if err := q.waker.open(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return newKqueue(q), nil
}

func (q *bsdQueue) change(changes []kchange) error {
	var raw [2]unix.Kevent_t
	for i, c := range changes {
		mode := unix.EVFILT_READ
		if c.filter == filterWrite {
			mode = unix.EVFILT_WRITE
		}
		flags := unix.EV_ADD | unix.EV_CLEAR
		if c.remove {
			flags = unix.EV_DELETE
		}
		unix.SetKevent(&raw[i], c.fd, mode, flags)
	}
	return submit(q.fd, raw[:len(changes)])
}

// submit hands changes to the kernel. "When kevent() call fails with EINTR
// error, all changes in the changelist have been applied": kqueue(2).
func submit(kq int, changes []unix.Kevent_t) error {
	_, err := unix.Kevent(kq, changes, nil, nil)
	if err == unix.EINTR {
		return nil
	}
	return os.NewSyscallError("kevent", err)
}

func (q *bsdQueue) wait(out []kevent, timeout time.Duration) (int, error) {
	var limit *unix.Timespec
	if timeout >= 0 {
		// macOS refuses a very long timeout; ten days are long enough to be
		// asked again.
		q.timeout = unix.NsecToTimespec(int64(min(timeout, 240*time.Hour)))
		limit = &q.timeout
	}
	got, err := unix.Kevent(q.fd, nil, q.raw[:len(out)], limit)
	// macOS has been seen to return ETIMEDOUT, which no manual mentions.
	if err == unix.EINTR || err == unix.ETIMEDOUT {
		return 0, nil
	}
	if err != nil {
		return 0, os.NewSyscallError("kevent", err)
	}
	n := 0
	for i := range got {
		raw := &q.raw[i]
		ev := kevent{fd: int(raw.Ident), eof: raw.Flags&unix.EV_EOF != 0}
		switch {
		case q.waker.woke(raw):
			ev.filter = filterWake
		case raw.Filter == unix.EVFILT_READ:
			ev.filter = filterRead
		case raw.Filter == unix.EVFILT_WRITE:
			ev.filter = filterWrite
		default:
			continue
		}
		out[n] = ev
		n++
	}
	return n, nil
}

func (q *bsdQueue) wake() error {
	return q.waker.wake(q.fd)
}

func (q *bsdQueue) close() error {
	q.waker.close()
	return os.NewSyscallError("close", unix.Close(q.fd))
}
