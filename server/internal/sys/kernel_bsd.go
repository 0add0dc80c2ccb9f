//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package sys

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// These systems allow system calls only through their C library or promise
// nothing about their numbers, so everything goes through x/sys.

func (kernel) Read(fd int, b []byte) (int, error) {
	n, err := unix.Read(fd, b)
	return max(n, 0), err
}

func (kernel) Write(fd int, b []byte) (int, error) {
	n, err := unix.Write(fd, b)
	return max(n, 0), sendError(err)
}

// WriteLast is Write: these systems have no flag for it.
func (k kernel) WriteLast(fd int, b []byte) (int, error) { return k.Write(fd, b) }

// Writev allocates: x/sys has no writev for every one of these systems, and
// its sendmsg builds the vector itself.
func (kernel) Writev(fd int, bufs [][]byte) (int, error) {
	n, err := unix.SendmsgBuffers(fd, bufs[:min(len(bufs), IOVMax)], nil, nil, 0)
	return max(n, 0), sendError(err)
}

func (kernel) Accept(fd int) (int, netip.AddrPort, error) {
	nfd, sa, err := accept(fd)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	peer := addrPort(sa)
	if peer.IsValid() {
		setNoDelay(nfd)
	}
	return nfd, peer, nil
}

func (kernel) Peer(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getpeername(fd)
	if err == unix.EINVAL {
		err = unix.ENOTCONN // how macOS says that the peer is gone; EINVAL would be our bug
	}
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addrPort(sa), nil
}

// addrPort is invalid for any family but IPv4 and IPv6.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(inet6(sa.Addr, sa.ZoneId), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
