package sys

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read, Write and Writev use raw system calls: MSG_DONTWAIT makes them return
// at once whatever the state of O_NONBLOCK (which a descriptor taken from
// somebody's net.Conn shares with its first owner), so Go's scheduler need
// not be told that a thread enters the kernel. MSG_NOSIGNAL spares the
// process a SIGPIPE for each connection that was reset.

func (kernel) Read(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (kernel) Write(fd int, b []byte) (int, error) { return send(fd, b, 0) }

// WriteLast says that there is more to come: FIN.
func (kernel) WriteLast(fd int, b []byte) (int, error) { return send(fd, b, unix.MSG_MORE) }

func send(fd int, b []byte, flags uintptr) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL|flags, 0, 0)
	if errno != 0 {
		return 0, sendError(errno)
	}
	return int(n), nil
}

func (kernel) Writev(fd int, bufs [][]byte) (int, error) {
	var iovs [IOVMax]unix.Iovec
	count := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		if count == len(iovs) {
			break
		}
		iovs[count].Base = unsafe.SliceData(b)
		iovs[count].SetLen(len(b))
		count++
	}
	msg := unix.Msghdr{Iov: &iovs[0]}
	msg.SetIovlen(count)
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	if errno != 0 {
		return 0, sendError(errno)
	}
	return int(n), nil
}

func (kernel) Accept(fd int) (int, netip.AddrPort, error) {
	var rsa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	// A raw call, for DupListener made the listener non-blocking.
	nfd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&rsa)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	// TCP_NODELAY is the listener's, see DupListener.
	return int(nfd), addrPort(&rsa), nil
}

func (kernel) Peer(fd int) (netip.AddrPort, error) {
	var rsa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	_, _, errno := unix.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&rsa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}, errno
	}
	return addrPort(&rsa), nil
}

// addrPort is invalid for any family but IPv4 and IPv6.
func addrPort(rsa *unix.RawSockaddrAny) netip.AddrPort {
	switch rsa.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(rsa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), networkOrder(sa.Port))
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(rsa))
		return netip.AddrPortFrom(inet6(sa.Addr, sa.Scope_id), networkOrder(sa.Port))
	}
	return netip.AddrPort{}
}

// networkOrder reads a port that the kernel wrote big-endian.
func networkOrder(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}
