package poller

import (
	"testing"

	"golang.org/x/sys/unix"
)

// thread is the one that waits, so that a signal can be sent to it.
type thread struct{ id int }

func (th *thread) waiter() { th.id = unix.Gettid() }

// interrupt sends the signal that Go's runtime sends itself to preempt; a
// handler's return never restarts epoll_wait.
func (th *thread) interrupt(t *testing.T) {
	if err := unix.Tgkill(unix.Getpid(), th.id, unix.SIGURG); err != nil {
		t.Fatal(err)
	}
}
