package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// tcpMaxUnackTime is TCP_MAXUNACKTIME of netinet/tcp.h, which x/sys does not have
// for every architecture.
const tcpMaxUnackTime = 68

// SetAckTimeout bounds for how long FreeBSD waits for an acknowledgement, in
// whole seconds.
func (kernel) SetAckTimeout(fd int, d time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, tcpMaxUnackTime, int((d+time.Second-1)/time.Second))
}
