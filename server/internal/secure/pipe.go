package secure

import (
	"net"
	"sync"
	"time"
)

// recordHead is the length of the head of a record: type, version, length. RFC 8446, 5.1.
const recordHead = 5

// pipe is what crypto/tls takes for a connection: memory. A Read that finds
// nothing returns errAgain, which crypto/tls does not remember because it is
// temporary; a Write never fails, because crypto/tls would not forgive it.
type pipe struct {
	in   []byte // received, and not taken by crypto/tls yet
	out  *buffer
	sent int         // bytes of out that were sent
	wait func() bool // during the handshake: waits for more, false to give up
	conn net.Conn    // in place of the memory, see Stream.Over
	peer Peer
	left int              // bytes that are missing of the present record
	head [recordHead]byte // of a record whose head was cut
	have int              // bytes of head
	book *ledger          // nil when the kernel is not to take over
}

// again is the error of a Read that would have to wait.
type again struct{}

func (again) Error() string   { return "no record is there" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

var errAgain net.Error = again{}

// Read gives at most the rest of one record, so that crypto/tls's buffer holds
// no more than one and is as large as the largest.
func (p *pipe) Read(b []byte) (int, error) {
	for len(p.in) == 0 && p.wait != nil {
		if !p.wait() {
			return 0, errStopped
		}
	}
	if len(p.in) == 0 {
		if p.conn == nil {
			return 0, errAgain
		}
		n, err := p.conn.Read(b)
		p.track(b[:n])
		return n, err
	}
	b = b[:min(len(b), len(p.in))]
	if end := p.end(p.in); end < len(b) {
		b = b[:end]
	}
	n := copy(b, p.in)
	p.in = p.in[n:]
	p.track(b[:n])
	return n, nil
}

// end returns how many bytes of b belong to the present record, or to as much
// of its head as there is.
func (p *pipe) end(b []byte) int {
	if p.left > 0 {
		return p.left
	}
	n := recordHead - p.have
	if n > len(b) {
		return len(b)
	}
	head := p.head
	copy(head[p.have:], b)
	return n + int(head[3])<<8 + int(head[4])
}

// track notes that b was taken.
func (p *pipe) track(b []byte) {
	for len(b) > 0 {
		if p.left > 0 {
			n := min(p.left, len(b))
			p.left -= n
			b = b[n:]
		} else {
			n := copy(p.head[p.have:], b)
			b = b[n:]
			if p.have += n; p.have < recordHead {
				return
			}
			p.have = 0
			p.left = int(p.head[3])<<8 + int(p.head[4])
		}
		if p.left == 0 && p.book != nil {
			p.book.took(p.head[0])
		}
	}
}

// Write keeps b until it is sent.
func (p *pipe) Write(b []byte) (int, error) {
	if p.conn != nil {
		if p.out != nil { // from before
			if _, err := p.conn.Write(p.out.b[p.sent:]); err != nil {
				return 0, err
			}
			p.drop()
		}
		return p.conn.Write(b)
	}
	if p.book != nil {
		p.book.wrote(b)
	}
	if p.out == nil {
		p.out = buffers.Get().(*buffer)
	}
	p.out.b = append(p.out.b, b...)
	return len(b), nil
}

func (p *pipe) drop() {
	if p.out != nil {
		p.out.free()
	}
	p.out, p.sent = nil, 0
}

// Close and the other methods of a net.Conn are of use only with Stream.Over.
func (p *pipe) Close() error {
	if p.conn != nil {
		return p.conn.Close()
	}
	return nil
}

func (p *pipe) LocalAddr() net.Addr {
	if p.conn != nil {
		return p.conn.LocalAddr()
	}
	return &net.TCPAddr{}
}

func (p *pipe) RemoteAddr() net.Addr {
	if p.conn != nil {
		return p.conn.RemoteAddr()
	}
	if p.peer == nil {
		return &net.TCPAddr{}
	}
	return net.TCPAddrFromAddrPort(p.peer.Peer())
}

func (p *pipe) SetDeadline(t time.Time) error {
	if p.conn != nil {
		return p.conn.SetDeadline(t)
	}
	return nil
}

func (p *pipe) SetReadDeadline(t time.Time) error {
	if p.conn != nil {
		return p.conn.SetReadDeadline(t)
	}
	return nil
}

func (p *pipe) SetWriteDeadline(t time.Time) error {
	if p.conn != nil {
		return p.conn.SetWriteDeadline(t)
	}
	return nil
}

// buffer holds records on their way out.
type buffer struct{ b []byte }

// bufferMax is the largest buffer that is kept for its next user.
const bufferMax = 2 * SealMax

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, 4<<10)} }}

func (b *buffer) free() {
	if cap(b.b) <= bufferMax {
		b.b = b.b[:0]
		buffers.Put(b)
	}
}
