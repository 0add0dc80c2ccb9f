package torture

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// plainRecords reads what a server answers to what should be the beginning of
// TLS: records of which no key is known, or a word in HTTP.
type plainRecords struct {
	b        []byte // of a record not yet whole
	http     *responses
	violated bool
}

func (p *plainRecords) feed(b []byte) (events []Event) {
	p.b = append(p.b, b...)
	if p.http == nil && bytes.HasPrefix(p.b, []byte("HTTP/")) {
		p.http = new(responses)
		b = p.b
	}
	if p.http != nil {
		events, _, _ = p.http.feed(b)
		for i, e := range events {
			if e.Kind == Response {
				events[i] = Event{Kind: Alert, Why: e.String()}
			}
		}
		return events
	}
	for !p.violated && len(p.b) >= 5 {
		kind, n := p.b[0], 5+int(binary.BigEndian.Uint16(p.b[3:]))
		if kind < typeChangeCipherSpec || kind > typeData || p.b[1] != 3 || n > 5+sealedMax {
			p.violated = true
			return append(events, Event{Kind: Violation, Why: fmt.Sprintf("not a TLS record: [% x]", p.b[:5])})
		}
		if len(p.b) < n {
			break
		}
		e := Event{Kind: TLSRecord, Code: uint16(kind), Payload: bytes.Clone(p.b[5:n])}
		if kind == typeAlert && n == 7 {
			e = Event{Kind: Alert, Code: uint16(p.b[6])}
		}
		events = append(events, e)
		p.b = p.b[n:]
	}
	return events
}

func (p *plainRecords) end() (e Event, bad bool) {
	switch {
	case p.http != nil:
		return p.http.end()
	case p.violated || len(p.b) == 0:
		return Event{}, false
	}
	return Event{Kind: Violation, Why: fmt.Sprintf("the stream ends inside a record: [% x]", p.b[:min(len(p.b), 14)])}, true
}

// greet opens a TCP connection to a server that waits for a ClientHello.
func (b *Bench) greet() (*Client, error) {
	c, err := b.keep(connect(b.o))
	if err != nil {
		return nil, err
	}
	c.records = new(plainRecords)
	c.listen(false)
	return c, nil
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

// record is one that is not sealed.
func record(kind byte, content []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind, 3, 1}, uint16(len(content))), content...)
}

// sealedAs gives a record the version that all have from the ServerHello on.
func sealedAs(record []byte) []byte {
	record[2] = 3
	return record
}

// recordsOf cuts the content of a record into records of size bytes.
func recordsOf(whole []byte, size int) (all []byte) {
	for piece := range slices.Chunk(whole[5:], size) {
		all = append(all, record(whole[0], piece)...)
	}
	return all
}

// message is one of a handshake.
func message(kind byte, body []byte) []byte {
	n := len(body)
	return append([]byte{kind, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// helloOf is the ClientHello that crypto/tls sends, as one record.
func helloOf(cfg *tls.Config) []byte {
	var first firstWrite
	tls.Client(&first, cfg).Handshake() // which fails: nobody answers
	return first.b
}

// firstWrite keeps what is written first, and is at its end then.
type firstWrite struct {
	net.Conn
	b []byte
}

func (f *firstWrite) Read([]byte) (int, error) { return 0, io.EOF }

func (f *firstWrite) Write(b []byte) (int, error) {
	if f.b == nil {
		f.b = bytes.Clone(b)
	}
	return len(b), nil
}

// withExtensions changes the extensions of a ClientHello. RFC 8446, 4.1.2.
func withExtensions(hello []byte, change func(extensions []byte) []byte) []byte {
	body := hello[9:]
	at := 34                                          // behind version and random
	at += 1 + int(body[at])                           // session id
	at += 2 + int(binary.BigEndian.Uint16(body[at:])) // suites
	at += 1 + int(body[at])                           // compression
	extensions := change(bytes.Clone(body[at+2:]))    // their length is before them
	body = append(bytes.Clone(body[:at]), byte(len(extensions)>>8), byte(len(extensions)))
	return record(typeHandshake, message(clientHello, append(body, extensions...)))
}

// helloExtension is one, as it is sent.
func helloExtension(number uint16, content []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, number)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(content))), content...)
}

// Extensions. RFC 8446, 4.2; RFC 5746, 3.2.
const (
	earlyData         = 42
	renegotiationInfo = 0xff01
)

// versionName is "1.2" or "1.3".
func versionName(v uint16) string { return strings.TrimPrefix(tls.VersionName(v), "TLS ") }
