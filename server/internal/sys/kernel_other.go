//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package sys

import (
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/roost-ws/roost/poller"
)

// A system without a poller cannot serve; the package compiles there so that
// a program can say so in its own words.

// FaultOf knows no error numbers here: every error ends its connection.
func FaultOf(err error) Fault {
	if err == nil {
		return None
	}
	return Peer
}

// TimedOut knows no error numbers either.
func TimedOut(error) bool { return false }

func (kernel) Accept(int) (int, netip.AddrPort, error) {
	return -1, netip.AddrPort{}, poller.ErrUnsupported
}

func (kernel) Read(int, []byte) (int, error)      { return 0, poller.ErrUnsupported }
func (kernel) Write(int, []byte) (int, error)     { return 0, poller.ErrUnsupported }
func (kernel) WriteLast(int, []byte) (int, error) { return 0, poller.ErrUnsupported }
func (kernel) Writev(int, [][]byte) (int, error)  { return 0, poller.ErrUnsupported }
func (kernel) SetAckTimeout(int, time.Duration)   {}
func (kernel) ShutdownWrite(int) error            { return poller.ErrUnsupported }
func (kernel) Close(int) error                    { return poller.ErrUnsupported }

func (kernel) Peer(int) (netip.AddrPort, error) {
	return netip.AddrPort{}, poller.ErrUnsupported
}

// Listen returns poller.ErrUnsupported.
func Listen(network, addr string) (fd int, bound net.Addr, err error) {
	return -1, nil, poller.ErrUnsupported
}

// NewListener returns poller.ErrUnsupported.
func NewListener(network, addr string) (net.Listener, error) {
	return nil, poller.ErrUnsupported
}

// DupListener returns poller.ErrUnsupported.
func DupListener(ln net.Listener) (fd int, err error) {
	return -1, poller.ErrUnsupported
}

// DupConn returns poller.ErrUnsupported.
func DupConn(c syscall.Conn) (fd int, err error) {
	return -1, poller.ErrUnsupported
}

// FileConn returns poller.ErrUnsupported.
func FileConn(fd int) (net.Conn, error) {
	return nil, poller.ErrUnsupported
}

// RaiseDescriptorLimit returns poller.ErrUnsupported.
func RaiseDescriptorLimit() (soft uint64, err error) {
	return 0, poller.ErrUnsupported
}
