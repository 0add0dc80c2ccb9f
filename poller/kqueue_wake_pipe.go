//go:build netbsd || openbsd

package poller

import (
	"os"

	"golang.org/x/sys/unix"
)

// waker wakes a kqueue with a byte in a pipe: not every release of these
// systems has user events.
type waker struct {
	r, w int
}

func (k *waker) open(kq int) error {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	k.r, k.w = p[0], p[1]
	var ev [1]unix.Kevent_t
	unix.SetKevent(&ev[0], k.r, unix.EVFILT_READ, unix.EV_ADD)
	if err := submit(kq, ev[:]); err != nil {
		k.close()
		return err
	}
	return nil
}

func (k *waker) wake(int) error {
	_, err := unix.Write(k.w, []byte{0})
	if err == unix.EAGAIN {
		return nil // the pipe is full of wakes
	}
	return os.NewSyscallError("write", err)
}

// woke empties the pipe. The Poller clears its own mark after that: in the
// other order a wake between the two would be swallowed.
func (k *waker) woke(raw *unix.Kevent_t) bool {
	if int(raw.Ident) != k.r {
		return false
	}
	var b [64]byte
	for {
		if n, err := unix.Read(k.r, b[:]); n < len(b) && err != unix.EINTR {
			return true
		}
	}
}

func (k *waker) close() {
	unix.Close(k.r)
	unix.Close(k.w)
}
