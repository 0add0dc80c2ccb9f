package sys

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// SetAckTimeout sets TCP's user timeout (RFC 9293, 3.9.1.1), in milliseconds. Where that
// fails the socket is none of TCP, or its peer is gone already, and the first
// read will say so.
func (kernel) SetAckTimeout(fd int, d time.Duration) {
	ms := min(max(d.Milliseconds(), 1), math.MaxInt32) // 0 would stand for none
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ms))
}
