//go:build darwin || dragonfly || freebsd

package poller

import "golang.org/x/sys/unix"

// waker wakes a kqueue with a user event.
type waker struct{}

func (waker) open(kq int) error {
	return submit(kq, []unix.Kevent_t{{Filter: unix.EVFILT_USER, Flags: unix.EV_ADD | unix.EV_CLEAR}})
}

func (waker) wake(kq int) error {
	return submit(kq, []unix.Kevent_t{{Filter: unix.EVFILT_USER, Fflags: unix.NOTE_TRIGGER}})
}

func (waker) woke(raw *unix.Kevent_t) bool {
	return raw.Filter == unix.EVFILT_USER
}

func (waker) close() {}
