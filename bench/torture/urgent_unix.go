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
