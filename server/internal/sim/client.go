package sim

import (
	"io"
	"syscall"
	"time"
	"unsafe"
)

// Client is the other end of a connection. A coroutine uses it like a blocking
// socket; outside of Run, where nothing can be waited for, what would block
// returns EAGAIN.
type Client struct{ s *socket }

// ConnBytes is what the simulation itself keeps on the heap for a quiet
// connection: to be subtracted when the memory of a server is measured. The
// table of descriptors grows in steps and may have up to a quarter more.
const ConnBytes = int(unsafe.Sizeof(socket{})) + int(unsafe.Sizeof(file(nil)))

// ID is the number of the client: 1, 2, 3 and so on.
func (c Client) ID() int { return int(c.s.client) }

// FD is the server's descriptor of the connection; -1 before accept and after close.
func (c Client) FD() int { return int(c.s.fd) }

// Write writes at least one byte of b, and maybe not all.
func (c Client) Write(b []byte) (int, error) {
	s, k := c.s, c.s.k
	if len(b) == 0 {
		return 0, nil
	}
	k.world.Until("client write", func() bool {
		return s.in.room() > 0 || s.flags&(clientShut|clientReset) != 0
	})
	switch {
	case s.flags&clientReset != 0:
		return 0, syscall.ECONNRESET
	case s.flags&clientShut != 0:
		return 0, syscall.EPIPE
	case s.in.room() <= 0:
		return 0, syscall.EAGAIN
	}
	n := k.limit(min(len(b), s.in.room()), 0, k.Faults.SplitWrite)
	if s.flags&(serverClosed|gone) == 0 {
		s.in.buf = append(s.in.buf, b[:n]...)
		s.in.late += int32(n)
	}
	s.later(func() { s.arrive(n) })
	k.world.Yield("client write")
	return n, nil
}

// Send writes all of b.
func (c Client) Send(b []byte) error {
	for len(b) > 0 {
		n, err := c.Write(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Read reads at least one byte, or the end of the stream (io.EOF).
func (c Client) Read(b []byte) (int, error) {
	s, k := c.s, c.s.k
	k.world.Until("client read", c.readable)
	switch n := min(s.out.arrived(), len(b)); {
	case n > 0:
		s.out.take(b[:n])
		c.acknowledge(n)
		k.world.Yield("client read")
		return n, nil
	case s.flags&clientReset != 0:
		return 0, syscall.ECONNRESET
	case s.flags&serverShut != 0:
		return 0, io.EOF
	}
	return 0, syscall.EAGAIN
}

func (c Client) readable() bool {
	return c.s.out.arrived() > 0 || c.s.flags&(clientReset|serverShut) != 0
}

// acknowledge tells the server's kernel that n bytes were read, by and by.
func (c Client) acknowledge(n int) {
	s, w := c.s, c.s.k.world
	wait := w.upTo(s.k.Faults.Latency)
	if wait == 0 {
		s.roomy()
		return
	}
	s.out.held += int32(n)
	w.at(w.now+wait, func() {
		s.out.held -= int32(n)
		s.roomy()
	})
}

// Wait waits until Read has something to return. It reports false when d has passed.
func (c Client) Wait(d time.Duration) bool {
	w := c.s.k.world
	return w.wait("client wait", w.now+d, c.readable)
}

// Buffered returns how many bytes wait to be read.
func (c Client) Buffered() int { return c.s.out.arrived() }

// Room returns how many bytes Write takes at once.
func (c Client) Room() int { return max(0, c.s.in.room()) }

// Ended reports whether the stream is over once the buffered bytes are read.
func (c Client) Ended() bool { return c.s.flags&(clientReset|serverShut) != 0 }

// Aborted reports whether the kernel dropped the connection before the server
// could accept it. No server is to blame for that.
func (c Client) Aborted() bool { return c.s.flags&aborted != 0 }

// CloseWrite sends FIN; the client can still read.
func (c Client) CloseWrite() {
	s := c.s
	if s.flags&(clientShut|clientReset) != 0 {
		return
	}
	s.flags |= clientShut
	s.later(s.finArrives)
	s.k.world.Yield("client shutdown")
}

// Close closes the client's end. Like a real one it resets the connection when
// bytes were not read.
func (c Client) Close() {
	s := c.s
	if s.flags&clientClosed != 0 {
		return
	}
	unread := len(s.out.buf) > 0
	s.out.buf, s.out.late = nil, 0
	s.flags |= clientClosed
	switch {
	case s.flags&clientReset != 0:
	case unread:
		s.flags |= clientShut
		s.later(func() { s.end(syscall.ECONNRESET) })
	case s.flags&clientShut == 0:
		s.flags |= clientShut
		s.later(s.finArrives)
	}
	s.k.world.Yield("client close")
}

// Reset ends the connection with a reset.
func (c Client) Reset() { c.abort(syscall.ECONNRESET) }

// Lose ends the connection as a path does that has carried nothing for too
// long: the server's kernel gives up, and nobody tells the client.
func (c Client) Lose() { c.abort(syscall.ETIMEDOUT) }

// Vanish has nothing more come from the client, and nobody tell the server: not
// even what it is sent from now on is acknowledged. The client must not be used any more.
func (c Client) Vanish() { c.s.flags |= vanished }

func (c Client) abort(fault syscall.Errno) {
	s := c.s
	s.out.buf, s.out.late = nil, 0
	s.flags |= clientShut | clientClosed | clientReset
	s.later(func() { s.end(fault) })
	s.k.world.Yield("client reset")
}
