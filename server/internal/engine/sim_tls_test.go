package engine

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/testcert"
	"github.com/roost-ws/roost/server/internal/secure"
	"github.com/roost-ws/roost/server/internal/sim"
)

// simConn is a client's end of a connection, with TLS or without.
type simConn struct {
	sim.Client
	tls *tls.Conn
	raw *simWire
}

func (r *simRun) secured(c sim.Client) simConn {
	raw := &simWire{r: r, c: c}
	return simConn{c, tls.Client(raw, simTLS().client), raw}
}

func (c simConn) Write(b []byte) (int, error) {
	if c.tls == nil {
		return c.Client.Write(b)
	}
	return c.tls.Write(b)
}

func (c simConn) Read(b []byte) (int, error) {
	if c.tls == nil {
		return c.Client.Read(b)
	}
	return c.tls.Read(b)
}

func (c simConn) Buffered() int {
	if c.raw == nil {
		return c.Client.Buffered()
	}
	return len(c.raw.buf) + c.Client.Buffered()
}

func (c simConn) CloseWrite() {
	if c.tls != nil {
		c.tls.CloseWrite()
	}
	c.Client.CloseWrite()
}

// simWire is what a client's TLS reads from and writes to. While there is no
// room it reads, like the clients above it: who does not must not expect to be served.
type simWire struct {
	r   *simRun
	c   sim.Client
	buf []byte
	err error
}

// errNoNotify: the stream ends without a close_notify. crypto/tls takes an
// io.EOF between two records for the same as a close_notify.
var errNoNotify = errors.New("no close_notify")

func (w *simWire) fill() {
	b := make([]byte, 1+w.r.w.Rand.IntN(8000))
	n, err := w.c.Read(b)
	w.buf, w.err = append(w.buf, b[:n]...), err
}

func (w *simWire) Read(b []byte) (int, error) {
	for len(w.buf) == 0 {
		if w.err == io.EOF {
			return 0, errNoNotify
		}
		if w.err != nil {
			return 0, w.err
		}
		w.fill()
	}
	n := copy(b, w.buf)
	w.buf = w.buf[n:]
	return n, nil
}

func (w *simWire) Write(b []byte) (written int, err error) {
	for written < len(b) {
		w.r.w.Until("client talks TLS", func() bool { return w.c.Room() > 0 || w.c.Buffered() > 0 || w.c.Ended() })
		if w.err == nil && (w.c.Buffered() > 0 || w.c.Ended()) {
			w.fill()
			continue
		}
		n, err := w.c.Write(b[written:])
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}

func (w *simWire) Close() error                     { return nil }
func (w *simWire) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (w *simWire) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (w *simWire) SetDeadline(time.Time) error      { return nil }
func (w *simWire) SetReadDeadline(time.Time) error  { return nil }
func (w *simWire) SetWriteDeadline(time.Time) error { return nil }

// simTLS is made once: keys take time.
var simTLS = sync.OnceValue(func() (c struct{ server, client *tls.Config }) {
	cert := testcert.SelfSignedEd25519("roost.test")
	c.server = secure.Config(&tls.Config{
		Certificates: []tls.Certificate{cert},
		// A ticket is the one thing that comes unasked and is no unit.
		SessionTicketsDisabled: true,
		CurvePreferences:       []tls.CurveID{tls.X25519},
	})
	c.client = &tls.Config{RootCAs: testcert.Pool(cert), ServerName: "roost.test"}
	return c
})

// TestSimEngine with TLS: whatever the kernel takes and gives at a time, the
// same units come out on both sides, in order and once, and the stream ends
// with a close_notify.
func TestSimTLS(t *testing.T) {
	seeds := 500
	if weave != nil {
		seeds = 600
	}
	sim.Seeds(t, seeds, func(cfg sim.Config) error {
		cfg.Steps = 8_000_000 // records that are read byte by byte take many
		r := newSimRun(cfg)
		r.cfg.ReadBuffer = max(r.cfg.ReadBuffer, unitMax) // it would take millions of steps in small portions
		r.cfg.TLS = simTLS().server
		r.cfg.TLSTimeout, r.cfg.TLSHandshakes, r.cfg.ClientHello = r.openingTime, 1+r.w.Rand.IntN(10), 16<<10
		return r.run(1 + r.w.Rand.IntN(8))
	})
}

var _ io.ReadWriter = simConn{}
