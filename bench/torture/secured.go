package torture

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// alertError is a TLS alert that the server sent. RFC 8446, 6.
type alertError uint16

func (a alertError) Error() string { return fmt.Sprintf("alert %d", uint16(a)) }

// Alerts that a rule names. RFC 8446, 6.
const (
	unexpectedMessage     = 10
	badRecordMAC          = 20
	recordOverflow        = 22
	internalError         = 80
	unrecognizedName      = 112
	noApplicationProtocol = 120
)

// honest is how a client speaks TLS that means well: as browsers do for wss.
func (o *Options) honest() *tls.Config {
	return &tls.Config{
		RootCAs: o.Roots, InsecureSkipVerify: o.Insecure, ServerName: o.name, NextProtos: []string{"http/1.1"},
		DynamicRecordSizingDisabled: true, // what is cut on purpose must not be cut by chance
	}
}

// dialTLS opens a connection and does a TLS handshake of its own kind.
func (b *Bench) dialTLS(cfg *tls.Config, shape shape) (*Client, error) {
	c, err := b.keep(connect(b.o))
	if err != nil {
		return nil, err
	}
	return c, c.encrypt(cfg, b.o.Timeout, shape)
}

// version is a configuration for one version of TLS.
func (o *Options) version(v uint16) *tls.Config {
	cfg := o.honest()
	cfg.MinVersion, cfg.MaxVersion = v, v
	return cfg
}

// versionName is "1.2" or "1.3".
func versionName(v uint16) string { return strings.TrimPrefix(tls.VersionName(v), "TLS ") }

// encrypt does a TLS handshake. shape, if any, cuts what crypto/tls writes.
func (c *Client) encrypt(cfg *tls.Config, within time.Duration, shape shape) error {
	below := &cable{TCPConn: c.tcp, shape: shape}
	conn := tls.Client(below, cfg)
	if err := c.handshake(conn, within); err != nil {
		return err
	}
	c.conn = secured{conn, below}
	return nil
}

// handshake does the TLS handshake of a connection, whatever lies below it.
func (c *Client) handshake(conn *tls.Conn, within time.Duration) error {
	c.tcp.SetDeadline(time.Now().Add(within))
	err := alertOf(conn.Handshake())
	c.tcp.SetDeadline(time.Time{})
	if err != nil {
		c.log.note("no TLS: %v", err)
		if errors.As(err, new(alertError)) {
			c.tally.alerts.Add(1)
		}
		return fmt.Errorf("%w: %w", errNoTLS, err)
	}
	state := conn.ConnectionState()
	c.log.note("%s, %s, resumed: %v", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), state.DidResume)
	return nil
}

var errNoTLS = errors.New("no TLS")

// secured is TLS as crypto/tls does it.
type secured struct {
	*tls.Conn
	below *cable
}

// Read returns io.EOF behind a close_notify, and io.ErrUnexpectedEOF for an end
// without.
func (s secured) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err == io.EOF && s.below.ended {
		err = io.ErrUnexpectedEOF // crypto/tls forgives it
	}
	return n, alertOf(err)
}

// CloseWrite says close_notify, and ends the stream below.
func (s secured) CloseWrite() error {
	return errors.Join(s.Conn.CloseWrite(), s.below.CloseWrite())
}

// cable is the TCP connection below TLS. It knows whether its end was read, and
// may cut what is written.
type cable struct {
	*net.TCPConn
	ended  bool
	shape  shape
	writes int
}

// shape makes the writes of one: the nth, from 0. A nil one changes nothing.
type shape func(n int, b []byte) cut

// cut is pieces that are written one by one with a pause.
type cut struct {
	pieces [][]byte
	pause  time.Duration
}

func (c *cable) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.ended = c.ended || err == io.EOF
	return n, err
}

func (c *cable) Write(b []byte) (int, error) {
	if c.shape == nil {
		return c.TCPConn.Write(b)
	}
	now := c.shape(c.writes, b)
	c.writes++
	for i, p := range now.pieces {
		if i > 0 {
			time.Sleep(now.pause)
		}
		if _, err := c.TCPConn.Write(p); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// alertOf makes an alertError of crypto/tls's error for an alert that came.
func alertOf(err error) error {
	var remote *net.OpError
	var description uint16
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return err
	}
	if _, odd := fmt.Sscan(fmt.Sprintf("%d", remote.Err), &description); odd != nil {
		return err
	}
	return alertError(description)
}

// brokenTLS reports whether a Read failed because of what came: records that
// cannot be, or cannot be opened.
func brokenTLS(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "local error" || errors.As(err, new(tls.RecordHeaderError)) ||
		errors.Is(err, errBadRecord) || errors.Is(err, errLongRecord)
}

// refusal is the alert that a handshake ended in.
func refusal(err error) (alert uint16, ok bool) {
	var a alertError
	ok = errors.As(err, &a)
	return uint16(a), ok
}

// fin waits for the end of the TCP stream behind that of the TLS stream.
func (c *Client) fin(why string, strict bool) Event {
	if c.conn == stream(c.tcp) {
		c.log.note("FIN received")
		return Event{Kind: EOF}
	}
	c.log.note("%s", why)
	for b := make([]byte, 512); ; {
		n, err := c.tcp.Read(b)
		switch {
		case n > 0 && strict:
			return Event{Kind: Violation, Why: "bytes behind the end of the TLS stream"}
		case n > 0:
		case err != io.EOF:
			c.log.note("read: %v", err)
			return Event{Kind: Reset, Why: err.Error()}
		default:
			c.log.note("FIN received")
			return Event{Kind: EOF}
		}
	}
}
