package webhook

import (
	"sync"

	"github.com/roost-ws/roost/server/push"
)

// inbox is where notices wait for the Sender's goroutine. Its lock is held for
// an append, so that a loop of the server can leave a notice and go on.
type inbox struct {
	mu      sync.Mutex
	notices []push.Notice
	bytes   int
	closed  bool
	dropped uint64
}

// put takes n in, or drops it, and reports whether the goroutine is to be woken.
func (in *inbox) put(n push.Notice, limits *Limits) (wake bool) {
	size := noticeSize(&n)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed || size > limits.NoticeBytes || in.bytes+size > limits.InboxBytes {
		in.dropped++
		return false
	}
	in.notices = append(in.notices, n)
	in.bytes += size
	return len(in.notices) == 1
}

// take empties the inbox.
func (in *inbox) take() []push.Notice {
	in.mu.Lock()
	defer in.mu.Unlock()
	notices := in.notices
	in.notices, in.bytes = nil, 0
	return notices
}

// close drops what comes from now on.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
}

func (in *inbox) droppedSoFar() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.dropped
}
