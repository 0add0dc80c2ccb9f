package poller

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// interest is what every descriptor is registered for. EPOLLHUP and EPOLLERR
// need not be asked for.
const interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// epoll is the backend of Linux. It sleeps in Go's own poller and not in the
// kernel: an epoll descriptor can itself be polled, so the goroutine that waits
// parks like one that reads from a socket and holds neither a thread nor a P.
type epoll struct {
	fd      int
	wakefd  int      // an eventfd; it is written, never read: see wake
	file    *os.File // fd, as Go's poller knows it
	conn    syscall.RawConn
	attempt func(fd uintptr) bool

	// What follows is only touched by the goroutine in wait.
	raw      [batchMax]unix.EpollEvent
	deadline time.Time // the read deadline that file has; zero: none
	size     int       // what attempt is to take
	got      int       // what it took
	tries    int       // how often attempt was called for one wait; once: the goroutine did not park
	busy     int       // waits in a row that did not park
	errno    unix.Errno
}

func openBackend() (backend, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	e := &epoll{fd: fd, wakefd: wakefd}
	err = unix.SetNonblock(fd, true) // or NewFile would not poll it
	if err == nil {
		err = e.control(unix.EPOLL_CTL_ADD, wakefd, unix.EPOLLIN|unix.EPOLLET, TokenReserved)
	}
	if err != nil {
		unix.Close(wakefd)
		unix.Close(fd)
		return nil, err
	}
	e.file = os.NewFile(uintptr(fd), "epoll")
	if e.conn, err = e.file.SyscallConn(); err != nil {
		e.close()
		return nil, err
	}
	e.attempt = func(uintptr) bool {
		e.tries++
		e.got, e.errno = e.poll(e.size)
		return e.got > 0 || e.errno != 0
	}
	return e, nil
}

func (e *epoll) add(fd int, token uint64) error {
	return e.control(unix.EPOLL_CTL_ADD, fd, interest, token)
}

func (e *epoll) remove(fd int) error {
	return e.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

func (e *epoll) control(op, fd int, events uint32, token uint64) error {
	// The eight bytes of the kernel's epoll_data are the fields Fd and Pad on
	// every architecture.
	ev := unix.EpollEvent{Events: events, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(e.fd),
		uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

func (e *epoll) wait(events []Event, timeout time.Duration) (n int, woken bool, err error) {
	e.size = min(len(events), batchMax)
	e.tries = 0
	defer e.relieve()
	if timeout == 0 {
		e.attempt(0)
	} else if err := e.park(timeout); err != nil {
		return 0, false, err
	}
	switch e.errno {
	case 0:
		n, woken = e.translate(events, e.got)
		return n, woken, nil
	case unix.EINTR:
		return 0, false, nil
	}
	return 0, false, os.NewSyscallError("epoll_wait", e.errno)
}

// park takes events, and sleeps as long as there are none. A deadline that is
// set is left alone when it is not too late: at worst the sleep ends early,
// which is cheaper than setting it anew for each.
func (e *epoll) park(timeout time.Duration) error {
	if timeout > 0 {
		now := time.Now()
		if want := now.Add(timeout); e.deadline.IsZero() || e.deadline.After(want) || e.deadline.Before(now) {
			if err := e.file.SetReadDeadline(want); err != nil {
				return err
			}
			e.deadline = want
		}
	}
	err := e.conn.Read(e.attempt)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.got, e.errno, e.deadline = 0, 0, time.Time{}
		return e.file.SetReadDeadline(e.deadline)
	}
	return err
}

// busyMax is how many waits in a row may find events before relieve looks
// after the others.
const busyMax = 16

// relieve has another thread look at Go's poller while this goroutine is busy.
func (e *epoll) relieve() {
	if e.tries > 1 {
		e.busy = 0
	} else if e.busy++; e.busy == busyMax {
		e.busy = 0
		attend()
	}
}

// attend has an idle thread look at Go's poller. The thread that waited there may
// be the one that runs the caller now; it leaves nobody in its place, and the
// goroutines of pollers would sleep on although there are events and idle
// processors, until the caller parks or the runtime's monitor looks, which sleeps
// itself when nobody makes system calls that it is told of. A goroutine that
// becomes ready wakes an idle thread, which ends up waiting there. One that has not
// run yet does for all.
func attend() {
	if attending.CompareAndSwap(false, true) {
		go attended()
	}
}

func attended() { attending.Store(false) }

var attending atomic.Bool // whether there is such a goroutine

// translate puts the first got entries of e.raw into events.
func (e *epoll) translate(events []Event, got int) (n int, woken bool) {
	for i := range got {
		raw := &e.raw[i]
		token := uint64(uint32(raw.Fd)) | uint64(uint32(raw.Pad))<<32
		if token == TokenReserved {
			woken = true
			continue
		}
		events[n] = Event{
			Token:    token,
			Readable: raw.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			Writable: raw.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			// An error may stand behind bytes that can still be read.
			Hangup: raw.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
		}
		n++
	}
	return n, woken
}

// poll takes what is there. It cannot sleep, so Go's scheduler need not be
// told of it, which is a good part of the price of a system call.
func (e *epoll) poll(size int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.fd),
		uintptr(unsafe.Pointer(&e.raw)), uintptr(size), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// wake adds to the eventfd's counter. Each write is an edge, whether or not
// the counter was read, so nobody reads it: there is no order of reading and
// clearing to get wrong. 2^64 wakes fit. What the caller does next may take long.
func (e *epoll) wake() error {
	one := uint64(1)
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(e.wakefd), uintptr(unsafe.Pointer(&one)), 8)
	if errno != 0 {
		return os.NewSyscallError("write", errno)
	}
	attend()
	return nil
}

func (e *epoll) close() error {
	err := os.NewSyscallError("close", unix.Close(e.wakefd))
	if err2 := e.file.Close(); err == nil {
		err = err2
	}
	return err
}
