package secure

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"

	"github.com/roost-ws/roost/server/internal/ktls"
)

// ErrControl ends a connection that the kernel decrypts and on which something
// came that is neither data nor an alert: a KeyUpdate, which kernels before 6.14
// cannot follow, and which no client that browses sends.
var ErrControl = errors.New("tls: the kernel cannot go on after the client's handshake message")

// ledger is what must be known of a stream to hand it to the kernel.
type ledger struct {
	secrets  ktls.Secrets
	last     []byte // the last record of the handshake that was written
	done     bool   // the handshake is
	received uint64 // records since then, of application data by their outer type
	sent     uint64
	odd      bool // a record held no data: it may have changed a key
}

// Offloading returns a copy of a configuration whose streams can be handed to
// the kernel. Each handshake then has a configuration of its own, for its secrets.
func Offloading(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	choose := cfg.GetConfigForClient
	base := cfg.Clone()
	base.GetConfigForClient = nil
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		chosen := base
		if choose != nil {
			if own, err := choose(hello); err != nil {
				return nil, err
			} else if own != nil {
				chosen = own
			}
		}
		p, ok := hello.Conn.(*pipe)
		if !ok {
			return chosen, nil
		}
		p.book = new(ledger)
		chosen = chosen.Clone()
		chosen.KeyLogWriter = keyLog(chosen.KeyLogWriter, &p.book.secrets)
		return chosen, nil
	}
	return cfg
}

// keyLog is the writer for the secrets of one stream, beside the user's own.
func keyLog(users, ours io.Writer) io.Writer {
	if users == nil {
		return ours
	}
	return io.MultiWriter(users, ours)
}

// took notes the outer type of a record that crypto/tls took whole.
func (l *ledger) took(typ byte) {
	if l.done && ktls.ContentType(typ) == ktls.ApplicationData {
		l.received++
	}
}

// wrote notes whole records.
func (l *ledger) wrote(b []byte) {
	for n := ktls.RecordLen(b); n > 0 && n <= len(b); n = ktls.RecordLen(b) {
		if l.done {
			l.sent++
		} else {
			l.last = bytes.Clone(b[:n])
		}
		b = b[n:]
	}
}

// Offload hands the records of both directions to the kernel, which then gives
// plaintext on fd and takes it. It reports false when that cannot be done, or
// not now, and nothing has changed. After an error the connection cannot go on.
func (s *Stream) Offload(fd int) (done bool, err error) {
	p, l := &s.pipe, s.pipe.book
	if l == nil || len(p.in) > 0 || p.left > 0 || p.have > 0 || s.blind || s.Pending() != nil {
		return false, nil
	}
	state := s.conn.ConnectionState()
	p.book = nil // there is one try
	if l.odd || state.Version != tls.VersionTLS13 || !ktls.Offers(state.CipherSuite) || l.secrets.Client == nil || l.secrets.Server == nil {
		return false, nil
	}
	in, err := ktls.NewKey(state.CipherSuite, l.secrets.Client)
	if err != nil {
		return false, nil
	}
	out, err := ktls.NewKey(state.CipherSuite, l.secrets.Server)
	if err != nil {
		return false, nil
	}
	if out.Opens(l.last, 0) {
		l.sent++ // a session ticket went out with the handshake
	}
	if ktls.Attach(fd) != nil || ktls.SetKey(fd, ktls.Transmit, out, l.sent) != nil {
		return false, nil // what is attached and has no key is as before
	}
	if err := ktls.SetKey(fd, ktls.Receive, in, l.received); err != nil {
		return false, err
	}
	return true, nil
}

// Control takes what a read on an offloaded fd said EIO to, and returns what
// that means: io.EOF for the client's close_notify and for the end of the
// stream, the kernel's EAGAIN when there was nothing, or what ends the connection.
func Control(fd int) error {
	var b [512]byte
	n, typ, err := ktls.ReceiveRecord(fd, b[:])
	switch {
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	case typ == ktls.Alert && n == 2 && b[1] == 0:
		return io.EOF
	case typ == ktls.Alert && n == 2:
		return tls.AlertError(b[1])
	}
	// The client is told, if the socket has room: nobody waits for it.
	_ = ktls.SendRecord(fd, ktls.Alert, alert(10)[recordHead:]) // unexpected_message
	return ErrControl
}

// SayBye sends close_notify on an offloaded fd, if the socket has room.
func SayBye(fd int) { _ = ktls.SendRecord(fd, ktls.Alert, []byte{1, 0}) }
