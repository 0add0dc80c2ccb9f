//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sys

import (
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

func (kernel) ShutdownWrite(fd int) error {
	return unix.Shutdown(fd, unix.SHUT_WR)
}

// Close does not repeat an interrupted close: the descriptor is gone by then.
func (kernel) Close(fd int) error {
	return unix.Close(fd)
}

// sendError names the lack of kernel memory on a send as what it is for the
// sender: no room now.
func sendError(err error) error {
	if err == unix.ENOBUFS || err == unix.ENOMEM {
		return unix.EAGAIN
	}
	return err
}

// setNoDelay switches Nagle's algorithm off. Where that fails the peer is
// gone already, and the first read will say so.
func setNoDelay(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// inet6 unmaps IPv4 addresses, so that one client has one address whichever
// listener it came through.
func inet6(b [16]byte, zone uint32) netip.Addr {
	addr := netip.AddrFrom16(b).Unmap()
	if zone != 0 && addr.Is6() {
		addr = addr.WithZone(strconv.FormatUint(uint64(zone), 10))
	}
	return addr
}
