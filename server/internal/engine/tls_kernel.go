package engine

import (
	"errors"
	"io"
	"syscall"

	"github.com/roost-ws/roost/server/internal/secure"
	"github.com/roost-ws/roost/server/internal/sys"
)

// Offload lets the kernel speak the connection's TLS from the end of some turn
// on, if it can: Stream then returns nil. The owner calls it when nobody will
// ask for the stream any more.
func (c *Conn) Offload() {
	if c.flags&flagSecure != 0 && c.loop.e.KernelTLS {
		c.secured().leave = true
	}
}

// offload hands the stream to the kernel at a place where nothing of it is
// under way. The connection is a plain one from there on.
func (s *secured) offload() {
	c := s.c
	if s.halted() || s.mute || c.flags&(flagEnded|flagBroken|flagShut) != 0 {
		return
	}
	c.mu.Lock()
	sealed := c.out != nil && c.out.sealed > 0
	c.mu.Unlock()
	if sealed {
		return
	}
	done, err := s.stream.Offload(int(c.fd))
	if err != nil {
		s.fail(err)
		return
	}
	if done {
		c.loop.e.Counts.TLSOffloaded.Add(1)
		s.leaveToKernel()
	}
}

// leaveToKernel makes the connection a plain one.
func (s *secured) leaveToKernel() {
	c := s.c
	c.flags = c.flags&^flagSecure | flagKernel
	c.mu.Lock()
	c.session = s.Session
	c.mu.Unlock()
}

// control deals with an error of a read that the kernel decrypts. It reports
// true when reading goes on; otherwise err is what ends the stream, nil for a
// proper end.
func (c *Conn) control(err *error) (again bool) {
	if errors.Is(*err, syscall.EIO) {
		if *err = secure.Control(int(c.fd)); c.fault(*err) == sys.Again {
			return true
		}
	}
	if *err == io.EOF {
		*err = nil
	} else {
		c.loop.e.Counts.TLSFailures.Add(1)
	}
	return false
}

// fault is what an error of the connection's descriptor means. With TLS in the
// kernel a record that does not decrypt can look like a mistake of ours.
func (c *Conn) fault(err error) sys.Fault {
	fault := sys.FaultOf(err)
	if fault == sys.Peer && sys.TimedOut(err) {
		c.loop.e.Counts.Unacknowledged.Add(1)
	}
	if fault == sys.Bug && c.flags&flagKernel != 0 {
		return sys.Peer
	}
	return fault
}
