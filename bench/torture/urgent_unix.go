//go:build unix

package torture

import (
	"errors"
	"syscall"
)

// urgent sends one byte out of band (RFC 9293, 3.8.5).
func (c *Client) urgent(b byte) error {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) { sent = syscall.Sendto(int(fd), []byte{b}, syscall.MSG_OOB, nil) })
	c.log.note("one urgent byte sent: %02x", b)
	return errors.Join(err, sent)
}

// disturb sends the process two signals that nobody has asked for: they interrupt
// its system calls.
func (p *process) disturb() {
	syscall.Kill(p.pid, syscall.SIGURG)
	syscall.Kill(p.pid, syscall.SIGWINCH)
}

// stop has the process stand still, and goOn ends that.
func (p *process) stop() error { return syscall.Kill(p.pid, syscall.SIGSTOP) }

func (p *process) goOn() error { return syscall.Kill(p.pid, syscall.SIGCONT) }
