// Package secure runs crypto/tls over bytes instead of a connection: what the
// client sent goes in, plaintext and records to send come out, and nothing ever
// waits. Whoever uses it does the reading and writing, and keeps to one
// goroutine at a time. It knows nothing of loops, deadlines and WebSocket.
package secure

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"runtime/debug"
)

const (
	// RoomMin is the room that Open needs to decrypt a record. RFC 8446, 5.1.
	RoomMin = 16 << 10
	// SealMax is how much plaintext should be sealed before the records are sent.
	SealMax = 64 << 10
)

// ErrProtocol: the handshake agreed on an application protocol that is not HTTP/1.1.
var ErrProtocol = errors.New("tls: the connection is not for HTTP/1.1")

// Stream is the server's side of one TLS connection.
type Stream struct {
	conn  *tls.Conn
	pipe  pipe
	shake *handshake // until it is done
	part  int        // bytes kept of a record that is not whole
	blind bool       // crypto/tls may hold whole records although nothing is in the pipe
}

// handshake is crypto/tls's own, as a coroutine that stops where it would read
// and there is nothing: its errors are sticky, so it must never see one.
type handshake struct {
	next func() (struct{}, bool)
	stop func()
	err  error
}

// PanicError is what Step returns when a callback of the configuration panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("tls: panic in the handshake: %v", e.Value) }

// Peer tells the address of the other side. It may be asked by any goroutine.
type Peer interface{ Peer() netip.AddrPort }

// Config returns a copy of a user's configuration as the streams of a server
// use it. What a later change of the original is to do, its GetCertificate and
// GetConfigForClient do.
func Config(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.NextProtos = []string{"http/1.1"}
	// Growing records help pages, of which the first bytes can be used before
	// the last have come; a message is handled when it is whole.
	cfg.DynamicRecordSizingDisabled = true
	return cfg
}

// Begin makes the stream of a client, which hello, a whole ClientHello and
// perhaps more, is from. The handshake does nothing before Step.
func (s *Stream) Begin(cfg *tls.Config, peer Peer, hello []byte) {
	s.pipe.peer = peer
	s.pipe.in = hello
	s.conn = tls.Server(&s.pipe, cfg)
	h := new(handshake)
	h.next, h.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if p := recover(); p != nil {
				h.err = &PanicError{p, debug.Stack()}
			}
		}()
		s.pipe.wait = func() bool { return yield(struct{}{}) }
		h.err = s.conn.Handshake()
	})
	s.shake = h
}

// Step goes on with the handshake as far as the bytes received reach: those
// that are left from before and more. It reports whether the handshake is done;
// an error is final, and an alert that tells the client of it is in Pending.
func (s *Stream) Step(more []byte) (done bool, err error) {
	if len(more) > 0 {
		s.pipe.in = append(s.pipe.in, more...)
	}
	h := s.shake
	if _, more := h.next(); more {
		s.pipe.in = nil // it was all taken
		return false, nil
	}
	s.shake, s.pipe.wait = nil, nil
	if h.err != nil {
		return true, h.err
	}
	if s.pipe.book != nil {
		s.pipe.book.done = true
	}
	switch s.conn.ConnectionState().NegotiatedProtocol {
	case "", "http/1.1":
		return true, nil
	}
	return true, ErrProtocol // a configuration of the user's own making
}

// Abandon ends a handshake that is not done, and whoever waits in it.
func (s *Stream) Abandon() {
	if s.shake != nil {
		s.shake.stop()
		s.shake, s.pipe.wait = nil, nil
	}
}

// Kept returns how many bytes the stream keeps between two turns: of a record
// that is not whole, and of those that are pending.
func (s *Stream) Kept() int { return s.part + len(s.Pending()) }

// Torn returns how many bytes there are of a record that is not whole.
func (s *Stream) Torn() int { return s.part }

// Alert makes the stream one that says nothing but what is wrong, before there
// was a handshake.
func (s *Stream) Alert(record []byte) { s.pipe.Write(record) }

// Receive has Open work on b, with the memory of scratch, until Unread.
func (s *Stream) Receive(b []byte, scratch *Scratch) {
	s.pipe.in = b
	s.lend(scratch)
}

// Unread ends Receive, and returns what Open has not used. Between two turns
// the stream holds no buffer.
func (s *Stream) Unread() []byte {
	b := s.pipe.in
	s.pipe.in = nil
	s.release()
	return b
}

// Open decrypts what was received into b, as far as there are whole records and
// room for them. It returns io.EOF behind the client's close_notify; other errors are
// final too, and an alert that tells the client of them is in Pending. It may
// return both bytes and an error.
func (s *Stream) Open(b []byte) (n int, err error) {
	for len(b)-n >= RoomMin && (len(s.pipe.in) > 0 || s.blind) {
		m, err := s.read(b[n:])
		n += m
		if err == errAgain {
			s.blind = false
		} else if err != nil {
			return n, err
		}
	}
	return n, nil
}

// read is crypto/tls's Read, with an eye on what it takes.
func (s *Stream) read(b []byte) (n int, err error) {
	l := s.pipe.book
	if l == nil {
		return s.conn.Read(b)
	}
	before := l.received
	n, err = s.conn.Read(b)
	// One record of data makes one Read: whatever else there was is not data.
	if took := l.received - before; took > 1 || took == 1 && n == 0 {
		l.odd = true
	}
	return n, err
}

// Seal encrypts b, at most SealMax bytes, into Pending.
func (s *Stream) Seal(b []byte) error {
	_, err := s.conn.Write(b)
	return err
}

// Bye says that nothing follows what was sealed: it adds a close_notify to Pending.
func (s *Stream) Bye() {
	s.conn.CloseWrite() // fails when the stream has failed before
}

// Pending returns the records that are to be sent.
func (s *Stream) Pending() []byte {
	if s.pipe.out == nil {
		return nil
	}
	return s.pipe.out.b[s.pipe.sent:]
}

// Sent says that the first n bytes of Pending were sent.
func (s *Stream) Sent(n int) {
	if s.pipe.sent += n; s.pipe.sent == len(s.pipe.out.b) {
		s.pipe.drop()
	}
}

// Drop forgets what is pending.
func (s *Stream) Drop() { s.pipe.drop() }

// State describes the connection. The handshake must be done.
func (s *Stream) State() tls.ConnectionState { return s.conn.ConnectionState() }

// Over, in place of Unread, goes on with the stream as a connection over conn,
// which reads and writes like any other: for net/http. What was received and not
// opened yet is read first. Neither Open nor Seal may be called before Back.
func (s *Stream) Over(conn net.Conn) net.Conn {
	s.pipe.in = bytes.Clone(s.Unread())
	s.pipe.conn = conn
	return s.conn
}

// Back ends Over, when nobody uses the connection any more. It returns what was
// received before and was not read, for Receive.
func (s *Stream) Back(peer Peer) (received []byte) {
	s.pipe.conn, s.pipe.peer, s.pipe.book = nil, peer, nil
	s.blind = true
	return s.Unread()
}

var errStopped = errors.New("tls: the handshake was given up")
