package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// SetAckTimeout bounds for how long macOS sends again what is not acknowledged,
// in whole seconds.
func (kernel) SetAckTimeout(fd int, d time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_RXT_CONNDROPTIME, int((d+time.Second-1)/time.Second))
}
