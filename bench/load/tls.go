package load

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"iter"
	"net"
	"time"
)

// channel is the client's side of TLS on one connection, over memory: what the
// server sent goes in, plaintext and what is to be sent come out.
type channel struct {
	conn *tls.Conn
	in   []byte
	out  []byte
	wait func() bool             // during the handshake: waits for more of in
	next func() (struct{}, bool) // goes on with it
	stop func()                  // gives it up
	err  error                   // its own
}

// tlsConfig trusts the one certificate that the benchmark made.
func tlsConfig(cert []byte) (*tls.Config, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(cert) {
		return nil, errors.New("load: there is no certificate to trust")
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost", DynamicRecordSizingDisabled: true}, nil
}

// newChannel begins a handshake, of which the first words are in out.
func newChannel(cfg *tls.Config) *channel {
	ch := new(channel)
	ch.conn = tls.Client(ch, cfg)
	ch.next, ch.stop = iter.Pull(func(yield func(struct{}) bool) {
		ch.wait = func() bool { return yield(struct{}{}) }
		ch.err = ch.conn.Handshake()
	})
	ch.next()
	return ch
}

// shake goes on with the handshake after b was received.
func (ch *channel) shake(b []byte) (done bool, err error) {
	ch.in = b
	if _, more := ch.next(); more {
		return false, nil
	}
	ch.wait, ch.next, ch.stop = nil, nil, nil
	return true, ch.err
}

// open decrypts what was received into buf, as much as there is room for; 0
// bytes are all.
func (ch *channel) open(buf []byte) (n int, err error) {
	for len(buf)-n >= 16<<10 {
		m, err := ch.conn.Read(buf[n:])
		n += m
		if err == errEmpty {
			break
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// free ends a handshake that waits.
func (ch *channel) free() {
	if ch.stop != nil {
		ch.stop()
	}
}

// errEmpty is the error of a Read that would have to wait: crypto/tls does not
// remember one that is temporary.
var errEmpty net.Error = empty{}

type empty struct{}

func (empty) Error() string   { return "nothing was received" }
func (empty) Timeout() bool   { return true }
func (empty) Temporary() bool { return true }

// Read and the rest of a net.Conn are for crypto/tls.
func (ch *channel) Read(b []byte) (int, error) {
	for len(ch.in) == 0 && ch.wait != nil {
		if !ch.wait() {
			return 0, net.ErrClosed
		}
	}
	if len(ch.in) == 0 {
		return 0, errEmpty
	}
	n := copy(b, ch.in)
	ch.in = ch.in[n:]
	return n, nil
}

func (ch *channel) Write(b []byte) (int, error) {
	ch.out = append(ch.out, b...)
	return len(b), nil
}

func (ch *channel) Close() error                     { return nil }
func (ch *channel) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (ch *channel) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (ch *channel) SetDeadline(time.Time) error      { return nil }
func (ch *channel) SetReadDeadline(time.Time) error  { return nil }
func (ch *channel) SetWriteDeadline(time.Time) error { return nil }
