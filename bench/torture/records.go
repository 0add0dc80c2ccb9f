package torture

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"strings"
	"sync"
)

// Types of records, and of the messages of a handshake. RFC 8446, 5.1 and 4.
const (
	typeChangeCipherSpec = 20
	typeAlert            = 21
	typeHandshake        = 22
	typeData             = 23

	clientHello      = 1
	newSessionTicket = 4
	keyUpdate        = 24
)

const (
	plainMax  = 16 << 10       // of a record. RFC 8446, 5.1
	sealedMax = plainMax + 256 // of one that is sealed. RFC 8446, 5.2
)

// records is TLS whose records are made by hand: crypto/tls does the handshake,
// and hands over its secrets. It can say what crypto/tls never would.
//
// It speaks TLS 1.3 with either AES suite, and TLS 1.2 with AES-128-GCM.
type records struct {
	*net.TCPConn
	from    *bufio.Reader
	in, out half
	plain   []byte      // opened, not read yet
	tell    func(Event) // of messages that are no data
	wait    func()      // before every record
	old     *handshake12

	mu      sync.Mutex
	tickets [][]byte // NewSessionTicket messages that came
}

// half is one direction.
type half struct {
	aead   cipher.AEAD
	iv     []byte // twelve bytes, four in TLS 1.2
	seq    uint64
	secret []byte // of TLS 1.3; nil in TLS 1.2
	hash   func() hash.Hash
	key    int // its size
}

// takeOver goes on with a connection where crypto/tls has done the handshake on
// w, which has the secrets. client says which side we are.
func takeOver(conn *tls.Conn, w *witness, client bool) (*records, error) {
	state := conn.ConnectionState()
	r := &records{TCPConn: w.TCPConn, from: bufio.NewReaderSize(w.TCPConn, 32<<10), tell: func(Event) {}, wait: func() {}}
	ours, theirs := "CLIENT", "SERVER"
	if !client {
		ours, theirs = theirs, ours
	}
	var err error
	switch {
	case state.Version == tls.VersionTLS13 && state.CipherSuite == tls.TLS_AES_128_GCM_SHA256:
		r.in, r.out = half{key: 16, hash: sha256.New}, half{key: 16, hash: sha256.New}
	case state.Version == tls.VersionTLS13 && state.CipherSuite == tls.TLS_AES_256_GCM_SHA384:
		r.in, r.out = half{key: 32, hash: sha512.New384}, half{key: 32, hash: sha512.New384}
	case state.Version == tls.VersionTLS12 && (state.CipherSuite == tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 || state.CipherSuite == tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256):
		r.old = w.derive(client)
		r.in, r.out = r.old.in, r.old.out
		return r, nil
	default:
		return nil, fmt.Errorf("records of %s cannot be made by hand", tls.CipherSuiteName(state.CipherSuite))
	}
	if r.out.secret, err = w.secret(ours + "_TRAFFIC_SECRET_0"); err == nil {
		r.in.secret, err = w.secret(theirs + "_TRAFFIC_SECRET_0")
	}
	if err != nil {
		return nil, err
	}
	r.in.rekey()
	r.out.rekey()
	return r, nil
}

// rekey makes the keys of the present secret. RFC 8446, 7.3.
func (h *half) rekey() {
	h.aead, h.iv, h.seq = gcm(h.expand("key", h.key)), h.expand("iv", 12), 0
}

// update goes on to the next secret. RFC 8446, 7.2.
func (h *half) update() {
	h.secret = h.expand("traffic upd", h.hash().Size())
	h.rekey()
}

// expand is HKDF-Expand-Label. RFC 8446, 7.1.
func (h *half) expand(label string, n int) []byte {
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label)))
	b, err := hkdf.Expand(h.hash, h.secret, string(append(append(info, label...), 0)), n)
	if err != nil {
		panic(err) // too long for the hash
	}
	return b
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // a key of another size
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // not AES
	}
	return aead
}

// nonce is that of the next record. RFC 8446, 5.3; in TLS 1.2 its second part
// is sent, and may be anything that does not repeat (RFC 5288, 3).
func (h *half) nonce() []byte {
	seq := binary.BigEndian.AppendUint64(nil, h.seq)
	if h.secret == nil {
		return append(bytes.Clone(h.iv), seq...)
	}
	n := bytes.Clone(h.iv)
	subtle.XORBytes(n[4:], n[4:], seq)
	return n
}

// seal makes a record of a type, with zeros behind its content where the
// version has them. No length is too much for it.
func (h *half) seal(kind byte, content []byte, zeros int) []byte {
	nonce := h.nonce()
	head := []byte{typeData, 3, 3, 0, 0}
	seq := h.seq
	h.seq++
	if h.secret != nil {
		inner := append(append(bytes.Clone(content), kind), make([]byte, zeros)...)
		binary.BigEndian.PutUint16(head[3:], uint16(len(inner)+h.aead.Overhead()))
		return h.aead.Seal(head, nonce, inner, bytes.Clone(head))
	}
	aad := binary.BigEndian.AppendUint64(nil, seq)
	aad = binary.BigEndian.AppendUint16(append(aad, kind, 3, 3), uint16(len(content)))
	head[0] = kind
	binary.BigEndian.PutUint16(head[3:], uint16(8+len(content)+h.aead.Overhead()))
	return h.aead.Seal(append(head, nonce[4:]...), nonce, content, aad)
}

// open undoes seal.
func (h *half) open(head, body []byte) (kind byte, content []byte, err error) {
	if h.secret == nil {
		if len(body) < 8+h.aead.Overhead() {
			return 0, nil, errBadRecord
		}
		aad := binary.BigEndian.AppendUint64(nil, h.seq)
		aad = binary.BigEndian.AppendUint16(append(aad, head[:3]...), uint16(len(body)-8-h.aead.Overhead()))
		h.seq++
		if content, err = h.aead.Open(nil, append(bytes.Clone(h.iv), body[:8]...), body[8:], aad); err != nil {
			return 0, nil, errors.Join(err, errBadRecord)
		}
		return head[0], content, nil
	}
	inner, err := h.aead.Open(nil, h.nonce(), body, head)
	h.seq++
	inner = bytes.TrimRight(inner, "\x00")
	if err != nil || len(inner) == 0 {
		return 0, nil, errors.Join(err, errBadRecord)
	}
	return inner[len(inner)-1], inner[:len(inner)-1], nil
}

var (
	errBadRecord  = errors.New("a TLS record that cannot be opened")
	errLongRecord = errors.New("a TLS record that is too long")
)

// Write sends data in records of the usual size.
func (r *records) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		some := b[:min(len(b), plainMax)]
		if _, err = r.TCPConn.Write(r.out.seal(typeData, some, 0)); err == nil {
			n, b = n+len(some), b[len(some):]
		}
	}
	return n, err
}

// notify is a close_notify.
func (r *records) notify() []byte { return r.out.seal(typeAlert, []byte{1, 0}, 0) }

// update is a KeyUpdate, which has the next record sealed with the next keys.
// RFC 8446, 4.6.3.
func (r *records) update(requested bool) []byte {
	message := []byte{keyUpdate, 0, 0, 1, 0}
	if requested {
		message[4] = 1
	}
	record := r.out.seal(typeHandshake, message, 0)
	r.out.update()
	return record
}

// CloseWrite says close_notify, and ends the stream below.
func (r *records) CloseWrite() error {
	_, err := r.TCPConn.Write(r.notify())
	return errors.Join(err, r.TCPConn.CloseWrite())
}

// Read returns data. Other errors than the connection's are an alertError,
// io.EOF for a close_notify and io.ErrUnexpectedEOF for an end without.
func (r *records) Read(b []byte) (int, error) {
	for len(r.plain) == 0 {
		kind, content, err := r.next()
		if err == nil {
			err = r.take(kind, content)
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(b, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// next reads and opens one record.
func (r *records) next() (kind byte, content []byte, err error) {
	r.wait()
	head := make([]byte, 5)
	if _, err := io.ReadFull(r.from, head); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint16(head[3:]))
	if n > sealedMax {
		return 0, nil, fmt.Errorf("%w: %d bytes", errLongRecord, n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r.from, body); err != nil {
		return 0, nil, err
	}
	return r.in.open(head, body)
}

// take judges what was in a record.
func (r *records) take(kind byte, content []byte) error {
	switch {
	case kind == typeData:
		r.plain = content
	case kind == typeAlert && len(content) == 2 && content[1] == 0:
		return io.EOF
	case kind == typeAlert && len(content) == 2 && content[0] == 1 && r.in.secret == nil: // a warning; TLS 1.3 has none
		r.tell(Event{Kind: TLSRecord, Code: typeAlert, Payload: content})
	case kind == typeAlert && len(content) == 2:
		return alertError(content[1])
	case kind == typeHandshake && r.in.secret != nil && len(content) > 4:
		return r.messages(content)
	default:
		r.tell(Event{Kind: TLSRecord, Code: uint16(kind), Payload: content})
	}
	return nil
}

// messages takes whole messages of a handshake that is over.
func (r *records) messages(b []byte) error {
	for len(b) >= 4 {
		n := 4 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		if n > len(b) {
			break
		}
		message := b[:n]
		b = b[n:]
		if message[0] == newSessionTicket {
			r.mu.Lock()
			r.tickets = append(r.tickets, message)
			r.mu.Unlock()
			continue
		}
		if message[0] == keyUpdate {
			r.in.update()
		}
		r.tell(Event{Kind: TLSRecord, Code: typeHandshake, Payload: message})
	}
	if len(b) > 0 {
		return fmt.Errorf("%w: %d bytes of a message", errBadRecord, len(b))
	}
	return nil
}

// witness is a TCP connection that crypto/tls does a handshake over: it gives
// it no byte beyond the record that it is in, and keeps what is needed to go on
// without it.
type witness struct {
	*net.TCPConn
	left       int // bytes of the present record, or of its head
	head       []byte
	sent, came []byte
	keys       strings.Builder // in the format of SSLKEYLOGFILE
}

func (w *witness) Read(b []byte) (int, error) {
	if w.left == 0 {
		w.head, w.left = w.head[:0], 5
	}
	n, err := w.TCPConn.Read(b[:min(len(b), w.left)])
	w.left -= n
	w.came = append(w.came, b[:n]...)
	if len(w.head) < 5 {
		w.head = append(w.head, b[:n]...)
		if len(w.head) == 5 {
			w.left = int(binary.BigEndian.Uint16(w.head[3:]))
		}
	}
	return n, err
}

func (w *witness) Write(b []byte) (int, error) {
	w.sent = append(w.sent, b...)
	return w.TCPConn.Write(b)
}

// secret finds one of the secrets.
func (w *witness) secret(label string) ([]byte, error) {
	for line := range strings.Lines(w.keys.String()) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == label {
			return hex.DecodeString(words[2])
		}
	}
	return nil, errors.New("no secret " + label)
}

// handshake12 is what is left of a handshake of TLS 1.2.
type handshake12 struct {
	in, out half
	finish  []byte // verify_data of the client's Finished
}

// derive makes the keys of TLS 1.2. RFC 5246, 6.3.
func (w *witness) derive(client bool) *handshake12 {
	master, _ := w.secret("CLIENT_RANDOM")
	ours, theirs := messagesOf(w.sent), messagesOf(w.came)
	if !client {
		ours, theirs = theirs, ours
	}
	random := func(hello []byte) []byte { return hello[6:38] } // behind type, length and version
	block := prf(master, "key expansion", append(bytes.Clone(random(theirs)), random(ours)...), 2*16+2*4)
	// The server's messages of a full handshake all come between the client's first and the others.
	first := 4 + int(ours[1])<<16 + int(ours[2])<<8 + int(ours[3])
	transcript := sha256.Sum256(bytes.Join([][]byte{ours[:first], theirs, ours[first:]}, nil))
	h := &handshake12{finish: prf(master, "client finished", transcript[:], 12)}
	h.out = half{aead: gcm(block[:16]), iv: block[32:36], seq: 1} // Finished was the first
	h.in = half{aead: gcm(block[16:32]), iv: block[36:40], seq: 1}
	if !client {
		h.in, h.out = h.out, h.in
	}
	return h
}

// messagesOf joins the messages of a handshake up to the first record that is
// of another type.
func messagesOf(b []byte) (all []byte) {
	for len(b) >= 5 && b[0] == typeHandshake {
		n := 5 + int(binary.BigEndian.Uint16(b[3:]))
		all = append(all, b[5:n]...)
		b = b[n:]
	}
	return all
}

// prf is that of TLS 1.2 with SHA-256. RFC 5246, 5.
func prf(secret []byte, label string, seed []byte, n int) (out []byte) {
	sum := func(b []byte) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write(b)
		return h.Sum(nil)
	}
	seed = append([]byte(label), seed...)
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(append(bytes.Clone(a), seed...))...)
	}
	return out[:n]
}
