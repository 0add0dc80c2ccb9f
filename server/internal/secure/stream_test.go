package secure

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/bench/testcert"
)

// nowhere is a Peer.
type nowhere struct{}

func (nowhere) Peer() netip.AddrPort { return netip.AddrPort{} }

// client is a tls.Conn over memory, with a goroutine for what blocks in it. All
// that it sends is cut into pieces before it gets to the stream.
type client struct {
	*tls.Conn
	up, down chan []byte // what it sends, what it is sent
	rest     []byte
	closed   chan struct{}
}

func (c *client) Read(b []byte) (int, error) { return c.Conn.Read(b) }

// wire is the net.Conn below a client.
type wire struct{ *client }

func (w wire) Read(b []byte) (int, error) {
	for len(w.rest) == 0 {
		select {
		case w.client.rest = <-w.down:
		case <-w.closed:
			return 0, io.EOF
		}
	}
	n := copy(b, w.rest)
	w.client.rest = w.rest[n:]
	return n, nil
}

func (w wire) Write(b []byte) (int, error) {
	select {
	case w.up <- bytes.Clone(b):
		return len(b), nil
	case <-w.closed:
		return 0, io.ErrClosedPipe
	}
}

func (w wire) Close() error                     { return nil }
func (w wire) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (w wire) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (w wire) SetDeadline(time.Time) error      { return nil }
func (w wire) SetReadDeadline(time.Time) error  { return nil }
func (w wire) SetWriteDeadline(time.Time) error { return nil }

func newClient(t testing.TB, cfg *tls.Config) *client {
	c := &client{up: make(chan []byte, 100), down: make(chan []byte, 100), closed: make(chan struct{})}
	c.Conn = tls.Client(wire{c}, cfg)
	t.Cleanup(func() { close(c.closed) })
	return c
}

// sent returns the next bytes that the client sends.
func (c *client) sent(t testing.TB) []byte {
	t.Helper()
	select {
	case b := <-c.up:
		return b
	case <-time.After(20 * time.Second):
		t.Fatal("the client says nothing")
		return nil
	}
}

// take sends the client what the stream wants to send.
func (c *client) take(s *Stream) {
	if b := s.Pending(); b != nil {
		c.down <- bytes.Clone(b)
		s.Sent(len(b))
	}
}

// configs are those of a server and of a client that trusts it. A key of
// Ed25519 signs in always the same number of bytes.
func configs(t testing.TB, version uint16) (server, client *tls.Config) {
	t.Helper()
	cert := testcert.SelfSignedEd25519("roost.test")
	return Config(&tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version}),
		&tls.Config{RootCAs: testcert.Pool(cert), ServerName: "roost.test", NextProtos: []string{"http/1.1"}}
}

// shake does a handshake, with what the client sends cut into pieces of size bytes.
func shake(t testing.TB, version uint16, size int) (*Stream, *client) {
	t.Helper()
	server, trusting := configs(t, version)
	c := newClient(t, trusting)
	errs := make(chan error, 1)
	go func() { errs <- c.Handshake() }()
	s, hello, done := new(Stream), new(Collector), false
	var raw []byte
	for !done {
		for piece := range pieces(c.sent(t), size) {
			if s.conn == nil {
				raw = append(raw, piece...)
				whole, err := hello.Add(piece, 16<<10)
				if err != nil {
					t.Fatal(err)
				}
				if !whole {
					continue
				}
				s.Begin(server, nowhere{}, raw)
				piece = nil
			}
			var err error
			if done, err = s.Step(piece); err != nil {
				t.Fatal(err)
			}
			c.take(s)
		}
	}
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	return s, c
}

func pieces(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(bytes.Clone(b[:n])) {
				return
			}
			b = b[n:]
		}
	}
}

// feed opens what was received, piece by piece, as turns do.
func feed(s *Stream, b []byte, size int) (plain []byte, err error) {
	for piece := range pieces(b, size) {
		scratch := NewScratch()
		for s.Receive(piece, scratch); ; {
			n, err := s.Open(scratch.Plain[:])
			plain = append(plain, scratch.Plain[:n]...)
			if err != nil {
				s.Unread()
				return plain, err
			}
			if n == 0 {
				break
			}
		}
		if left := s.Unread(); len(left) > 0 {
			return plain, errors.New("whole turns leave nothing")
		}
		clear(scratch.raw[:cap(scratch.raw)]) // it is somebody else's now
		scratch.Free()
	}
	return plain, nil
}

// L8, L9: however the bytes are cut, in the handshake and after it, the same
// comes out on both sides; and between two turns no buffer is held.
func TestEveryCut(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, size := range []int{1, 4, 5, 6, 100, 1 << 20} {
			s, c := shake(t, version, size)
			for _, text := range []string{"x", strings.Repeat("hello ", 50), strings.Repeat("0123456789", 2000)} {
				c.Write([]byte(text))
				var got []byte
				for len(got) < len(text) {
					plain, err := feed(s, c.sent(t), size)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, plain...)
				}
				if string(got) != text {
					t.Fatalf("version %x in pieces of %d: %d bytes came out wrong", version, size, len(text))
				}
				if n := s.held(); n > 0 {
					t.Errorf("version %x in pieces of %d: %d bytes of buffers are held between two turns", version, size, n)
				}
				if err := s.Seal(got); err != nil {
					t.Fatal(err)
				}
				c.take(s)
				back := make([]byte, len(text))
				if _, err := io.ReadFull(c, back); err != nil || string(back) != text {
					t.Fatalf("version %x: the client got something else, %v", version, err)
				}
			}
			c.CloseWrite()
			if _, err := feed(s, c.sent(t), size); err != io.EOF {
				t.Errorf("a close_notify gave %v", err)
			}
			s.Bye()
			c.take(s)
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the client saw %v instead of our close_notify", err)
			}
		}
	}
}

// A record that is not whole is kept, and costs what was received of it.
func TestPartialRecord(t *testing.T) {
	s, c := shake(t, tls.VersionTLS13, 1<<20)
	c.Write(make([]byte, 10000))
	b := c.sent(t)
	if plain, err := feed(s, b[:1000], 1<<20); err != nil || len(plain) > 0 {
		t.Fatalf("%d bytes of a record that is not whole, %v", len(plain), err)
	}
	if n := s.held(); n < 1000 || n > 1100 {
		t.Errorf("a record of which 1000 bytes have come holds %d bytes", n)
	}
	plain, err := feed(s, b[1000:], 1<<20)
	for len(plain) < 10000 && err == nil {
		var more []byte
		more, err = feed(s, c.sent(t), 1<<20)
		plain = append(plain, more...)
	}
	if err != nil || len(plain) != 10000 || s.held() != 0 {
		t.Errorf("%d bytes, %v, and %d held", len(plain), err, s.held())
	}
}

// A byte that was changed ends the stream with an alert.
func TestTampered(t *testing.T) {
	s, c := shake(t, tls.VersionTLS13, 1<<20)
	c.Write([]byte("hello"))
	b := c.sent(t)
	b[len(b)-1] ^= 1
	if plain, err := feed(s, b, 1<<20); err == nil || len(plain) > 0 {
		t.Fatalf("got %q and %v", plain, err)
	}
	c.take(s)
	if _, err := c.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
		t.Errorf("the client is told %v", err)
	}
	if s.Seal([]byte("more")) == nil {
		t.Error("a broken stream goes on")
	}
}

// A handshake that is given up ends, and whoever waits in it.
func TestAbandon(t *testing.T) {
	server, trusting := configs(t, tls.VersionTLS13)
	c := newClient(t, trusting)
	go c.Handshake()
	s := new(Stream)
	s.Begin(server, nowhere{}, c.sent(t))
	if done, err := s.Step(nil); done || err != nil {
		t.Fatal(done, err)
	}
	s.Abandon() // with the race detector or not, a coroutine that stayed would be found by the leak tests of server
	s.Abandon()
}

// A callback of the configuration that panics costs a handshake.
func TestPanicInCallback(t *testing.T) {
	server, trusting := configs(t, tls.VersionTLS13)
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("no") }
	c := newClient(t, trusting)
	go c.Handshake()
	s := new(Stream)
	s.Begin(server, nowhere{}, c.sent(t))
	done, err := s.Step(nil)
	var p *PanicError
	if !done || !errors.As(err, &p) || p.Value != "no" || len(p.Stack) == 0 {
		t.Errorf("got %v, %v", done, err)
	}
}

// A configuration of the user's that agrees on another protocol does not bring
// its frames here.
func TestOtherProtocol(t *testing.T) {
	server, trusting := configs(t, tls.VersionTLS13)
	other := server.Clone()
	other.NextProtos = []string{"h2"}
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return other, nil }
	trusting.NextProtos = []string{"h2"}
	c := newClient(t, trusting)
	go c.Handshake()
	s := new(Stream)
	s.Begin(server, nowhere{}, c.sent(t))
	done, err := s.Step(nil)
	c.take(s)
	for !done && err == nil {
		done, err = s.Step(c.sent(t))
	}
	if err != ErrProtocol {
		t.Errorf("got %v, want %v", err, ErrProtocol)
	}
}

// The memory that is lent is enough for the largest record, and crypto/tls is
// the one whose buffers are known. When this fails, look at the fields again.
func TestBuffersAreKnown(t *testing.T) {
	if !fields.known {
		t.Fatal("crypto/tls keeps its buffers elsewhere: idle connections hold them")
	}
	s, c := shake(t, tls.VersionTLS12, 1<<20)
	scratch := NewScratch()
	before := &scratch.raw[:1][0]
	c.Write(make([]byte, 16<<10))
	for got := 0; got < 16<<10; {
		s.Receive(c.sent(t), scratch)
		n, err := s.Open(scratch.Plain[:])
		if err != nil {
			t.Fatal(err)
		}
		got += n
		if raw := s.raw().Bytes(); cap(raw) > 0 && &raw[:1][0] != before && s.raw().Len() == 0 && n > 0 {
			at := cap(scratch.raw) - cap(raw)
			if at < 0 || &scratch.raw[:at+1][at] != &raw[:1][0] {
				t.Fatal("crypto/tls took memory of its own")
			}
		}
		s.Unread()
	}
}

// received is a connection that gives what was received before, a bit at a time.
type received struct {
	net.Conn
	b []byte
}

func (r *received) Read(b []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.b)
	r.b = r.b[n:]
	return n, nil
}

// A stream that comes back from net/http may hold plaintext that nobody has
// read, and records behind it. A turn that opens nothing leaves both as they are.
func TestBackWithPlaintext(t *testing.T) {
	s, c := shake(t, tls.VersionTLS13, 1<<20)
	text := strings.Repeat("0123456789", 300)
	var wire []byte
	for range 3 {
		c.Write([]byte(text))
		for len(c.up) > 0 { // a record each
			wire = append(wire, c.sent(t)...)
		}
	}
	scratch := NewScratch()
	s.Receive(nil, scratch)
	below := &received{b: wire}
	conn := s.Over(below)
	got := make([]byte, 100)
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatal(err)
	}
	got = append(got, s.Back(nowhere{})...) // of what was received before there is nothing left
	if s.raw().Len() == 0 {
		t.Fatal("nothing is behind the record that was read in part")
	}
	s.Receive(nil, scratch)
	s.Unread()
	clear(scratch.raw[:cap(scratch.raw)]) // it is somebody else's now
	s.Receive(nil, scratch)
	n, err := s.Open(scratch.Plain[:])
	got = append(got, scratch.Plain[:n]...)
	s.Unread()
	if err == nil {
		var plain []byte
		plain, err = feed(s, below.b, 1<<20)
		got = append(got, plain...)
	}
	if err != nil || string(got) != text+text+text {
		t.Errorf("%d bytes and %v, want %d", len(got), err, 3*len(text))
	}
	if n := s.held(); n > 0 {
		t.Errorf("%d bytes of buffers are held", n)
	}
}
