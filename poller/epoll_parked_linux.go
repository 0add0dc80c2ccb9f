package poller

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// parkedEpoll sleeps in Go's own poller and not in the kernel: the epoll
// descriptor is itself pollable, so the waiting goroutine parks like one that
// reads from a socket and holds neither a thread nor a P. It is a candidate to
// be measured against epoll; one of the two will go.
type parkedEpoll struct {
	*epoll
	file    *os.File
	conn    syscall.RawConn
	timed   bool // a read deadline is set
	attempt func(fd uintptr) bool

	size  int // what attempt is to take, and what it took
	got   int
	errno unix.Errno
}

func openParkedEpoll() (backend, error) {
	e, err := openEpoll()
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(e.fd, true); err != nil {
		e.close()
		return nil, err
	}
	p := &parkedEpoll{epoll: e, file: os.NewFile(uintptr(e.fd), "epoll")}
	p.attempt = func(uintptr) bool {
		p.got, p.errno = p.poll(p.size)
		return p.got > 0 || p.errno != 0
	}
	p.conn, err = p.file.SyscallConn()
	return p, err
}

func (p *parkedEpoll) wait(events []Event, timeout time.Duration) (n int, woken bool, err error) {
	p.size = min(len(events), batchMax)
	if timeout == 0 {
		p.got, p.errno = p.poll(p.size)
	} else if err := p.park(timeout); err != nil {
		return 0, false, err
	}
	if p.errno != 0 {
		return 0, false, os.NewSyscallError("epoll_wait", p.errno)
	}
	n, woken = p.translate(events, p.got)
	return n, woken, nil
}

func (p *parkedEpoll) park(timeout time.Duration) error {
	if timeout > 0 {
		p.file.SetReadDeadline(time.Now().Add(timeout))
		p.timed = true
	} else if p.timed {
		p.file.SetReadDeadline(time.Time{})
		p.timed = false
	}
	err := p.conn.Read(p.attempt)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

func (p *parkedEpoll) close() error {
	unix.Close(p.wakefd)
	return p.file.Close()
}
