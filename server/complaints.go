package server

import (
	"sync"
	"time"
)

// complaintsMax is how many log lines that clients can provoke are written in a second.
const complaintsMax = 10

// complaints rations log lines that clients can provoke.
type complaints struct {
	mu         sync.Mutex // guards below
	until      time.Duration
	written    int
	suppressed int
}

// allow reports whether a line may be written now, and how many were not since the last one.
func (c *complaints) allow(now time.Duration) (suppressed int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now >= c.until {
		c.until, c.written = now+time.Second, 0
	}
	if c.written == complaintsMax {
		c.suppressed++
		return 0, false
	}
	c.written++
	suppressed, c.suppressed = c.suppressed, 0
	return suppressed, true
}
