package torture

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/testcert"
)

// modelTLS is the TLS of the model: crypto/tls, or, by hand, records that break
// the rules that crypto/tls keeps to.
type modelTLS struct {
	config *tls.Config
	roots  *x509.CertPool
	byHand bool
	serial sync.Mutex // defect serial-handshakes

	mu   sync.Mutex
	last *tls.SessionState // defect any-ticket
}

func newModelTLS(t testing.TB, byHand bool) *modelTLS {
	t.Helper()
	cert := testcert.SelfSigned("localhost", "127.0.0.1")
	m := &modelTLS{config: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}, roots: testcert.Pool(cert), byHand: byHand}
	m.config.SetSessionTicketKeys([][32]byte{{1}}) // for all its clones
	return m
}

// encrypt does the TLS handshake; nil when there is none.
func (m *model) encrypt(tcp *net.TCPConn) modelStream {
	if m.has("serial-handshakes") {
		m.tls.serial.Lock()
		defer m.tls.serial.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	if !m.has("patient-tls") {
		tcp.SetDeadline(time.Now().Add(m.o.TLSTimeout))
	}
	below := &lossy{witness: &witness{TCPConn: tcp}, model: m}
	cfg := m.tls.config.Clone()
	m.change(cfg)
	if m.tls.byHand {
		cfg.SessionTicketsDisabled, cfg.KeyLogWriter = true, &below.keys
	}
	conn := tls.Server(below, cfg)
	err := conn.Handshake()
	var header tls.RecordHeaderError
	if errors.As(err, &header) {
		below.Write([]byte{typeAlert, 3, 3, 0, 2, 2, unexpectedMessage}) // crypto/tls leaves it to others
	}
	if err != nil {
		tcp.CloseWrite()
		drain(tcp)
		return nil
	}
	tcp.SetDeadline(time.Time{})
	if !m.tls.byHand {
		return modelSecured{conn, below}
	}
	r, err := takeOver(conn, below.witness, false)
	if err != nil {
		return nil
	}
	if m.has("invites-early-data") {
		ticket := append(make([]byte, 8), 0, 0, 1, 'x') // lifetime and age, no nonce, the ticket
		tcp.Write(r.out.seal(typeHandshake, message(newSessionTicket, append(ticket, 0, 8, 0, earlyData, 0, 4, 0, 0, 1, 0)), 0))
	}
	return &modelRecords{records: r, model: m}
}

// change plants the defects that a configuration can have.
func (m *model) change(cfg *tls.Config) {
	switch m.defect {
	case "no-tickets":
		cfg.SessionTicketsDisabled = true
	case "any-ticket":
		cfg.WrapSession = func(state tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
			m.tls.mu.Lock()
			defer m.tls.mu.Unlock()
			m.tls.last = s
			return []byte("a ticket"), nil
		}
		cfg.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) {
			m.tls.mu.Lock()
			defer m.tls.mu.Unlock()
			return m.tls.last, nil
		}
	case "own-names-only":
		cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName != "localhost" && hello.ServerName != "" {
				return nil, errors.New("no such name") // which sends internal_error
			}
			return &cfg.Certificates[0], nil
		}
	}
}

// end says close_notify, if nobody has, and lets the client read it.
func (m *model) end(tcp *net.TCPConn, over modelStream) {
	over.CloseWrite()
	drain(tcp)
}

// drain reads and throws away, so that no reset overtakes what was said.
func drain(tcp *net.TCPConn) {
	tcp.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	io.CopyN(io.Discard, tcp, 4<<20)
}

// lossy is the TCP connection below, with the defects that show there.
type lossy struct {
	*witness
	model  *model
	writes int
}

func (l *lossy) Read(b []byte) (int, error) {
	want := l.left
	if want == 0 {
		want = 5
	}
	n, err := l.witness.Read(b)
	cut := n > 0 && n < min(want, len(b))
	small := len(l.came) == 5 && l.head[3] == 0 && l.head[4] < 50
	if cut && l.model.has("whole-records") || small && l.model.has("whole-hello") {
		return 0, errBadRecord
	}
	return n, err
}

func (l *lossy) Write(b []byte) (int, error) {
	if l.writes++; l.model.has("loses-bytes") && l.writes%40 == 0 {
		l.witness.Write(b[:len(b)-1])
		return len(b), nil
	}
	if l.model.has("no-alert") && b[0] == typeAlert {
		return len(b), nil
	}
	return l.witness.Write(b)
}

// modelSecured is TLS as crypto/tls does it.
type modelSecured struct {
	*tls.Conn
	below *lossy
}

func (s modelSecured) CloseWrite() error {
	if !s.below.model.has("no-notify") {
		s.Conn.CloseWrite()
	}
	return s.below.CloseWrite()
}

// modelRecords is TLS with records made by hand.
type modelRecords struct {
	*records
	model   *model
	useless int   // messages without data in a row
	data    int   // records with data
	err     error // the last of Read
}

func (r *modelRecords) Read(b []byte) (int, error) {
	for len(r.plain) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		big := false
		if head, _ := r.from.Peek(5); len(head) == 5 {
			big = binary.BigEndian.Uint16(head[3:]) > 8<<10
		}
		kind, content, err := r.next()
		alert := byte(0)
		switch {
		case big && r.model.has("small-records"):
			alert = recordOverflow
		case errors.Is(err, errLongRecord):
			alert = recordOverflow
		case errors.Is(err, errBadRecord) && r.model.has("skips-bad"):
		case errors.Is(err, errBadRecord):
			alert = badRecordMAC
		case err != nil:
			r.err = err
		default:
			alert, r.err = r.judge(kind, content)
		}
		if alert != 0 {
			r.TCPConn.Write(r.out.seal(typeAlert, []byte{2, alert}, 0))
			r.err = alertError(alert)
		}
	}
	n := copy(b, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// judge takes what was in a record.
func (r *modelRecords) judge(kind byte, content []byte) (alert byte, err error) {
	m := r.model
	if kind == typeAlert || kind == typeHandshake || len(content) == 0 {
		r.useless++
	} else {
		r.useless = 0
	}
	switch {
	case len(content) > plainMax && !m.has("any-size"):
		return recordOverflow, nil
	case r.useless > 16 && !m.has("eats-updates") && !m.has("tires"):
		return unexpectedMessage, nil
	case kind == typeData && len(content) == 0 && m.has("empty-is-end"):
		return 0, io.EOF
	case kind == typeData:
		if r.data++; m.has("tires") && r.data > 20 {
			return 0, nil
		}
		if m.has("one-record") { // a buffer of one: what came with it is lost
			r.from.Discard(r.from.Buffered())
		}
		r.plain = content
	case kind == typeAlert && len(content) == 2 && content[1] == 0:
		if !m.has("reads-behind-notify") {
			return 0, io.EOF
		}
	case kind == typeAlert && !m.has("ignores-alerts"):
		return 0, io.EOF
	case kind == typeHandshake && r.in.secret != nil && bytes.HasPrefix(content, []byte{keyUpdate, 0, 0, 1}):
		if m.has("keeps-keys") {
			return 0, nil
		}
		r.in.update()
		if content[4] == 1 {
			r.TCPConn.Write(r.update(false))
		}
	case kind == typeHandshake && m.has("renegotiates"):
		r.TCPConn.Write(r.out.seal(typeHandshake, message(2, make([]byte, 70)), 0))
	case kind == typeHandshake || kind != typeAlert && !m.has("any-type"):
		return unexpectedMessage, nil
	}
	return 0, nil
}
