package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"github.com/roost-ws/roost/bench/testcert"
	"github.com/roost-ws/roost/server/internal/ktls"
)

// secureSite is a site that speaks TLS, and what its clients trust.
type secureSite struct {
	*site
	client *tls.Config
	ca     *testcert.Authority
}

func startTLS(t testing.TB, h Handler, cfg Config) *secureSite {
	t.Helper()
	ca := testcert.NewAuthority()
	if cfg.TLS == nil {
		cfg.TLS = new(tls.Config)
	}
	if cfg.TLS.GetCertificate == nil {
		cfg.TLS.Certificates = []tls.Certificate{ca.Issue("roost.test")}
	}
	return &secureSite{start(t, h, cfg), &tls.Config{RootCAs: ca.Pool(), ServerName: "roost.test"}, ca}
}

// connect does a TLS handshake.
func (s *secureSite) connect(cfg *tls.Config) *client {
	s.t.Helper()
	c := s.plain()
	conn := tls.Client(c.Conn, cfg)
	if err := conn.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	c.Conn = tlsConn{conn}
	c.r.Reset(c.Conn)
	return c
}

// open does both handshakes.
func (s *secureSite) open() *client { return s.connect(s.client).open("/") }

// plain is a connection on which no TLS was said yet.
func (s *secureSite) plain() *client {
	s.t.Helper()
	conn, err := net.DialTimeout(s.addr.Network(), s.addr.String(), patience)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	c := &client{Conn: conn, t: s.t, r: bufio.NewReader(conn)}
	return c
}

// alert reads a fatal alert of the handshake, and the end behind it.
func (c *client) alert(description byte) {
	c.t.Helper()
	var got [7]byte
	if _, err := io.ReadFull(c.r, got[:]); err != nil || got[0] != 21 || got[5] != 2 || got[6] != description {
		c.t.Errorf("got % x and %v, want alert %d", got, err, description)
		return
	}
	c.eof()
}

func (s *secureSite) hello() []byte {
	s.t.Helper()
	b := make(chan []byte, 1)
	go tls.Client(sink{b}, s.client).Handshake()
	return <-b
}

// sink takes the first Write of a connection, and ends it.
type sink struct{ first chan []byte }

func (s sink) Write(b []byte) (int, error) { s.first <- bytes.Clone(b); return 0, io.ErrClosedPipe }

func (sink) Read([]byte) (int, error)         { return 0, io.EOF }
func (sink) Close() error                     { return nil }
func (sink) LocalAddr() net.Addr              { return nil }
func (sink) RemoteAddr() net.Addr             { return nil }
func (sink) SetDeadline(time.Time) error      { return nil }
func (sink) SetReadDeadline(time.Time) error  { return nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }

// Both versions, and clients of other makers.
func TestTLS(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		s := startTLS(t, Handler{OnMessage: echo}, Config{Inline: inline})
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			cfg := s.client.Clone()
			cfg.MinVersion, cfg.MaxVersion = version, version
			c := s.connect(cfg).open("/")
			c.echo("hello")
			c.echo(strings.Repeat("long ", 50_000))
			c.goodbye()

			dialer := websocket.Dialer{TLSClientConfig: cfg}
			g, _, err := dialer.Dial("wss://"+s.addr.String(), nil)
			if err != nil {
				t.Fatal(err)
			}
			g.WriteMessage(websocket.TextMessage, []byte("gorilla"))
			if _, b, err := g.ReadMessage(); err != nil || string(b) != "gorilla" {
				t.Errorf("gorilla got %q, %v", b, err)
			}
			g.Close()

			transport := &http.Transport{TLSClientConfig: cfg}
			k, _, err := coder.Dial(t.Context(), "wss://"+s.addr.String(), &coder.DialOptions{HTTPClient: &http.Client{Transport: transport}})
			if err != nil {
				t.Fatal(err)
			}
			k.Write(t.Context(), coder.MessageText, []byte("coder"))
			if _, b, err := k.Read(t.Context()); err != nil || string(b) != "coder" {
				t.Errorf("coder got %q, %v", b, err)
			}
			k.Close(coder.StatusNormalClosure, "")
			transport.CloseIdleConnections()
		}
		if n := s.Stats().TLSHandshakes; n != 6 {
			t.Errorf("%d handshakes were counted", n)
		}
	})
}

// L1: clients that stop inside of a handshake, in any place, are cut by
// Timeouts.TLSHandshake, and hold up nobody: no more goroutines than
// Limits.TLSHandshakes allows, and others get through.
func TestTLSSlowHandshakes(t *testing.T) {
	watch(t)
	const most, stalled = 20, 300
	s := startTLS(t, Handler{OnMessage: echo}, Config{
		Limits: Limits{TLSHandshakes: most}, Timeouts: Timeouts{TLSHandshake: time.Second},
	})
	established := s.open()
	hello, before := s.hello(), runtime.NumGoroutine()
	var clients []*client
	for i := range stalled {
		c := s.plain()
		switch i % 3 {
		case 0:
			c.send(hello) // and nothing after the server's answer
		case 1:
			c.send(hello[:len(hello)/2])
		}
		clients = append(clients, c)
		if i%50 == 0 {
			established.echo("still here")
		}
	}
	// The coroutines that wait, those that compute, and the timers of the race
	// detector and of the test.
	if n := runtime.NumGoroutine() - before; n > most+2*4+10 {
		t.Errorf("%d stalled clients hold %d goroutines, want %d at most", stalled, n, most)
	}
	late := s.connect(s.client) // waits for its turn, and gets it
	late.open("/").echo("hello")
	for _, c := range clients {
		c.gone()
	}
	eventually(t, "all are forgotten", func() bool { return s.Stats().Connecting == 0 })
	if st := s.Stats(); st.TLSTimeouts != stalled {
		t.Errorf("%d timeouts were counted, want %d", st.TLSTimeouts, stalled)
	}
	established.echo("still here")
}

// M2: a record that does not end is a message that does not, whatever trickles.
func TestTLSTrickle(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		s := startTLS(t, Handler{OnMessage: echo}, Config{Inline: inline, Timeouts: Timeouts{Message: short}})
		c := s.open()
		conn := c.Conn.(tlsConn).NetConn()
		conn.Write([]byte("\x17\x03\x03\x40\x00"))
		stop := make(chan bool)
		var trickle sync.WaitGroup
		trickle.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(short / 20):
					conn.Write([]byte("x")) // fails in the end
				}
			}
		})
		c.gone()
		close(stop)
		trickle.Wait()
		if end := s.ended(0); end.Code != StatusAbnormal || s.Stats().TLSTimeouts != 1 {
			t.Errorf("the handler was told %v, and %d were counted", end, s.Stats().TLSTimeouts)
		}
		eventually(t, "nothing is held", func() bool { return s.Stats().Held == 0 })

		steady := s.open() // records that end are no such record, however long the upload
		for range 12 {
			steady.send(text(strings.Repeat("y", 20_000)))
			steady.expect(ws.OpText, strings.Repeat("y", 20_000))
			time.Sleep(short / 10)
		}
		steady.goodbye()
	})
}

// L1: a client of one byte at a time gets through.
func TestTLSBytewise(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		s := startTLS(t, Handler{OnMessage: echo}, Config{Inline: inline})
		c := s.plain()
		conn := tls.Client(bytewise{c.Conn}, s.client)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		c.Conn = conn
		c.r.Reset(conn)
		c.open("/").echo("one WebSocket frame in one record in many segments")
		c.goodbye()
	})
}

// bytewise writes single bytes.
type bytewise struct{ net.Conn }

func (c bytewise) Write(b []byte) (n int, err error) {
	for ; n < len(b) && err == nil; n++ {
		_, err = c.Conn.Write(b[n : n+1])
	}
	return n, err
}

// L2: handshakes are computed beside the loops: with all of them at work, or
// stuck in a callback of the configuration, connections are served.
func TestTLSHandshakesDoNotHoldLoops(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		release := make(chan struct{})
		free := sync.OnceFunc(func() { close(release) })
		defer free()
		var stuck atomic.Int32
		ca := testcert.NewAuthority()
		cert := ca.Issue("roost.test")
		var blocking atomic.Bool
		s := startTLS(t, Handler{OnMessage: echo}, Config{Inline: inline, TLS: &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if blocking.Load() {
					stuck.Add(1)
					<-release
				}
				return &cert, nil
			},
		}})
		s.client.RootCAs = ca.Pool()
		c := s.open()
		blocking.Store(true)
		hello := s.hello()
		for range 50 {
			s.plain().send(hello)
		}
		eventually(t, "all that compute are stuck", func() bool { return stuck.Load() >= 4 })
		for range 10 {
			c.echo("hello")
		}
		blocking.Store(false)
		free()
		s.open().echo("hello")
	})
}

// L3, H26: what is no ClientHello, or too big, gets an alert, or a word in
// plain HTTP, and the end of the stream; at a price that grows with its bytes.
func TestTLSBadHello(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		s := startTLS(t, Handler{}, Config{Inline: inline})
		record := func(n int, b ...byte) []byte { return append([]byte{22, 3, 1, byte(n >> 8), byte(n)}, b...) }
		tiny := record(1, 1)
		for _, x := range append([]byte{0, 0xf0, 0}, make([]byte, 16<<10)...) {
			tiny = append(tiny, record(1, x)...)
		}
		big := record(16384, 1, 0, 0xff, 0xff)
		for range 4 {
			big = append(append(big, make([]byte, 16384-4)...), record(16384, 0, 0, 0, 0)...)
		}
		const recordOverflow, unexpected = 22, 10
		for name, c := range map[string]struct {
			bytes       []byte
			description byte
		}{
			"64 KiB": {big, recordOverflow}, "16,384 records of a byte": {tiny, recordOverflow},
			"a record of 16,385 bytes": {record(16385), recordOverflow}, "application data": {[]byte{23, 3, 3, 0, 1, 0}, unexpected},
			"random": {[]byte{0x9c, 0x11, 0, 0xff}, unexpected}, "an empty record": {record(0), unexpected},
		} {
			client := s.plain()
			client.Write(c.bytes) // which may fail: the server need not take it all
			client.t = &named{t, name}
			client.alert(c.description)
		}
		c := s.plain()
		c.send([]byte("GET / HTTP/1.1\r\nHost: roost.test\r\n\r\n"))
		if res := c.response(); res.StatusCode != 400 || !strings.Contains(body(res), "TLS") {
			t.Errorf("plain HTTP got %v", res)
		}
		c.eof()

		old := s.client.Clone()
		old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		h2 := s.client.Clone()
		h2.NextProtos = []string{"h2"}
		for want, cfg := range map[string]*tls.Config{"protocol version": old, "no application protocol": h2} {
			c := s.plain()
			if err := tls.Client(c.Conn, cfg).Handshake(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want) // L11
			}
		}
		eventually(t, "all are gone", func() bool { return s.Stats().Conns == 0 })
		if n := s.Stats().TLSFailures; n != 9 {
			t.Errorf("%d failures were counted, want 9", n)
		}
	})
}

// named says in which of several cases a test failed.
type named struct {
	testing.TB
	name string
}

func (n *named) Errorf(format string, args ...any) {
	n.TB.Helper()
	n.TB.Errorf(n.name+": "+format, args...)
}

// L10: no client is invited to send early data, whatever ticket it holds.
// L6: a ticket resumes a session, but not past a change of whom the server trusts.
func TestTLSResumption(t *testing.T) {
	watch(t)
	ca, clients, others := testcert.NewAuthority(), testcert.NewAuthority(), testcert.NewAuthority()
	var trusted atomic.Pointer[testcert.Authority]
	trusted.Store(clients)
	base := &tls.Config{Certificates: []tls.Certificate{ca.Issue("roost.test")}, ClientAuth: tls.RequireAndVerifyClientCert}
	cfg := base.Clone()
	cfg.ClientCAs = clients.Pool()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if trusted.Load() == clients {
			return nil, nil
		}
		changed := base.Clone()
		changed.ClientCAs, changed.NextProtos = trusted.Load().Pool(), []string{"http/1.1"}
		return changed, nil
	}
	var subject atomic.Value
	s := startTLS(t, Handler{OnMessage: echo, OnOpen: func(c *Conn, r *Request) {
		subject.Store(r.TLS().PeerCertificates[0].Subject.CommonName)
	}}, Config{TLS: cfg})
	s.client.RootCAs = s.ca.Pool()
	s.client.Certificates = []tls.Certificate{clients.Issue("alice")}
	s.client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 3 {
		c := s.open()
		c.echo("which reads the ticket")
		if subject.Load() != "alice" {
			t.Errorf("the handler saw %v", subject.Load())
		}
		if state := c.Conn.(tlsConn).ConnectionState(); state.DidResume != (i > 0) {
			t.Errorf("connection %d: resumed %v", i, state.DidResume)
		}
		c.goodbye()
	}
	trusted.Store(others)
	conn := tls.Client(s.plain().Conn, s.client)
	conn.Handshake()
	if _, err := conn.Read(make([]byte, 1)); err == nil || conn.ConnectionState().DidResume {
		t.Errorf("a client that is no longer trusted got in with its ticket: %v", err)
	}
}

// L7: a stream that ends without close_notify, in the middle of anything, is
// over, and what was not whole is dropped; and nothing counts that comes behind
// a close_notify. The server says its own behind its Close frame.
func TestTLSEnds(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		s := startTLS(t, Handler{OnMessage: echo}, Config{Inline: inline})

		c := s.open()
		c.send(text("half")[:5])
		c.Conn.(tlsConn).NetConn().(*net.TCPConn).CloseWrite()
		if _, err := c.r.ReadByte(); err != io.EOF { // whether our close_notify was there crypto/tls does not say; the cases L7 of roost-torture do
			t.Errorf("got %v, want the end", err)
		}
		if end := s.ended(0); end.Code != StatusAbnormal {
			t.Errorf("cut in a frame: the handler was told %v", end)
		}

		c = s.open()
		c.Conn.(tlsConn).Conn.CloseWrite()
		c.Conn.(tlsConn).NetConn().Write([]byte("\x17\x03\x03\x00\x05later"))
		if _, err := c.r.ReadByte(); err != io.EOF {
			t.Errorf("got %v, want our close_notify", err)
		}
		c.Close()
		if end := s.ended(1); end.Code != StatusAbnormal {
			t.Errorf("close_notify without a Close frame: the handler was told %v", end)
		}

		c = s.open()
		c.send(text("one"), goodbye(1000, ""), text("two"))
		c.expect(ws.OpText, "one")
		c.expectClose(1000)
		c.Close()

		c = s.open() // a record that nobody sealed
		c.Conn.(tlsConn).NetConn().Write([]byte("\x17\x03\x03\x00\x20" + strings.Repeat("x", 32)))
		_, err := c.r.ReadByte()
		var alert *net.OpError
		if !errors.As(err, &alert) || !strings.Contains(err.Error(), "bad record MAC") {
			t.Errorf("got %v, want an alert", err)
		}
		if end := s.ended(3); end.Code != StatusAbnormal || end.Err == nil {
			t.Errorf("a record that nobody sealed: the handler was told %v", end)
		}
		c.Close()
		eventually(t, "all are gone", func() bool { return s.Stats().Conns == 0 })
	})
}

// L8: a client that reads slowly gets every byte, however little of a record the
// kernel takes at a time; one that does not read at all is closed.
func TestTLSSlowReader(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		s := startTLS(t, Handler{OnMessage: func(c *Conn, op Opcode, m []byte) {
			for i := range 60 {
				c.Send(op, []byte(numbered(i, 30_000)))
			}
		}}, Config{Inline: inline, Limits: Limits{Outbound: 4 << 20}})
		c := s.open()
		c.send(text("go"))
		time.Sleep(short)
		for i := range 60 {
			c.expect(ws.OpText, numbered(i, 30_000))
		}
		c.goodbye()

		s = startTLS(t, Handler{}, Config{Inline: inline, Limits: Limits{Outbound: 1 << 20}})
		deaf := s.open()
		eventually(t, "it is open", func() bool { return s.Stats().Open == 1 })
		conn := s.nth(0).conn
		var err error
		for i := 0; i < 1000 && err == nil; i++ {
			err = conn.Send(Text, make([]byte, 100_000))
		}
		if err != ErrSlowConsumer {
			t.Errorf("Send said %v", err)
		}
		if end := s.ended(0); end.Code != StatusTryAgainLater {
			t.Errorf("the slow consumer was closed with %v", end)
		}
		_ = deaf
	})
}

// Config says what is in force: no TLS in the kernel where the kernel has none,
// or where there is no TLS at all.
func TestTLSConfigInForce(t *testing.T) {
	watch(t)
	if plain := startIdle(t, Handler{}, Config{KernelTLS: true}); plain.Config().KernelTLS && !overTLS() {
		t.Error("a server without TLS leaves it to the kernel")
	}
	able := ktls.Available() == nil
	if got := startIdle(t, Handler{}, Config{TLS: suiteTLS().server, KernelTLS: true}).Config().KernelTLS; got != able {
		t.Errorf("TLS is left to the kernel: %v; the kernel can do it: %v", got, able)
	}
}
