package torture

import (
	"crypto/tls"
	"time"
)

// forge opens a connection of which the records are made by hand.
func (b *Bench) forge(version uint16) (*Client, *records, error) {
	c, err := b.keep(connect(b.o))
	if err != nil {
		return nil, nil, err
	}
	w := &witness{TCPConn: c.tcp}
	cfg := b.o.version(version)
	cfg.KeyLogWriter = &w.keys
	cfg.CipherSuites = forgeable
	conn := tls.Client(w, cfg)
	if err := c.handshake(conn, b.o.Timeout); err != nil {
		return nil, nil, err
	}
	r, err := takeOver(conn, w, true)
	if err != nil {
		return nil, nil, err
	}
	r.tell, r.wait = func(e Event) { c.deliver(e) }, c.wait
	c.conn = r
	return c, r, nil
}

// forgeable are the suites of TLS 1.2 that records can make.
var forgeable = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}

// openForged is forge with an opening handshake and a message that is echoed.
func (b *Bench) openForged(version uint16) (*Client, *records, error) {
	c, r, err := b.forge(version)
	if err != nil {
		return nil, nil, err
	}
	if err := b.upgrade(c, ""); err != nil {
		return nil, nil, err
	}
	control := b.control("records")
	c.write(wireOf(text(control)).Bytes)
	return c, r, b.expect(c, wantText(control))
}

// raw sends bytes below TLS, in one write.
func (c *Client) raw(b []byte) error {
	c.tcp.SetWriteDeadline(time.Now().Add(c.limit))
	n, err := c.tcp.Write(b)
	c.log.addBelow(b[:n])
	c.tally.writes.Add(1)
	c.tally.bytes.Add(int64(n))
	if err != nil {
		c.log.note("write: %v", err)
	}
	return err
}
