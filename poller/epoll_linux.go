package poller

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// interest is what every descriptor is registered for. EPOLLHUP and EPOLLERR
// need not be asked for.
const interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// epoll is the backend of Linux.
type epoll struct {
	fd     int
	wakefd int                       // an eventfd; it is written, never read: see wake
	raw    [batchMax]unix.EpollEvent // only the goroutine in wait touches it
}

func openBackend() (backend, error) {
	return openEpoll()
}

func openEpoll() (*epoll, error) {
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
	if err := e.control(unix.EPOLL_CTL_ADD, wakefd, unix.EPOLLIN|unix.EPOLLET, TokenReserved); err != nil {
		e.close()
		return nil, err
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
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(e.fd, op, fd, &ev))
}

func (e *epoll) wait(events []Event, timeout time.Duration) (n int, woken bool, err error) {
	got, err := e.take(min(len(events), batchMax), timeout)
	if err != nil {
		return 0, false, err
	}
	n, woken = e.translate(events, got)
	return n, woken, nil
}

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

// take waits until the kernel has put at least one and at most size events
// into e.raw, or until the timeout has passed.
func (e *epoll) take(size int, timeout time.Duration) (int, error) {
	// A call that cannot sleep need not tell Go's scheduler, which is a good
	// part of the price of a system call.
	n, errno := e.poll(size)
	if n == 0 && errno == 0 && timeout != 0 {
		n, errno = e.sleep(size, timeout)
	}
	switch errno {
	case 0:
		return n, nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_wait", errno)
}

func (e *epoll) poll(size int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.fd),
		uintptr(unsafe.Pointer(&e.raw)), uintptr(size), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func (e *epoll) sleep(size int, timeout time.Duration) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.fd),
		uintptr(unsafe.Pointer(&e.raw)), uintptr(size), uintptr(milliseconds(timeout)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// milliseconds rounds up, because a wait that ends before its deadline has to
// be repeated, and it cuts off at what the kernel takes (24 days).
func milliseconds(timeout time.Duration) int {
	if timeout < 0 {
		return -1
	}
	const most = 1<<31 - 1
	if timeout > most*time.Millisecond {
		return most
	}
	return int((timeout + time.Millisecond - 1) / time.Millisecond)
}

// wake adds to the eventfd's counter. Each write is an edge, whether or not
// the counter was read, so nobody reads it: there is no order of reading and
// clearing to get wrong. 2^64 wakes fit.
func (e *epoll) wake() error {
	one := uint64(1)
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(e.wakefd), uintptr(unsafe.Pointer(&one)), 8)
	if errno != 0 {
		return os.NewSyscallError("write", errno)
	}
	return nil
}

func (e *epoll) close() error {
	err := unix.Close(e.wakefd)
	if err2 := unix.Close(e.fd); err == nil {
		err = err2
	}
	return os.NewSyscallError("close", err)
}
