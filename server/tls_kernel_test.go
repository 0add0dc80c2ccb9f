package server

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/roost-ws/roost/server/internal/ktls"
)

// startKernelTLS skips the test where the kernel has no TLS, which make ktls
// has it do. told gets what OnOpen learned of the TLS.
func startKernelTLS(t *testing.T, cfg Config, told chan *tls.ConnectionState) *site {
	t.Helper()
	if err := ktls.Available(); errors.Is(err, ktls.ErrUnsupported) && os.Getenv("ROOST_REQUIRE_KTLS") == "" {
		t.Skipf("%v; make ktls runs this in a user-mode kernel that does", err)
	} else if err != nil {
		t.Fatal(err)
	}
	cfg.TLS, cfg.KernelTLS = suiteTLS().server, true
	h := Handler{OnMessage: echo}
	if told != nil {
		h.OnOpen = func(_ *Conn, r *Request) { told <- r.TLS() }
	}
	return start(t, h, cfg)
}

// kernelClient is a client of which the test knows the key.
type kernelClient struct {
	*client
	secrets ktls.Secrets
	suite   uint16
}

func dialKernelTLS(t *testing.T, st *site) *kernelClient {
	t.Helper()
	conn, err := net.Dial(st.addr.Network(), st.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	k := new(kernelClient)
	cfg := suiteTLS().client.Clone()
	cfg.KeyLogWriter = &k.secrets
	cfg.MinVersion = tls.VersionTLS13
	secured := tls.Client(conn, cfg)
	if err := secured.Handshake(); err != nil {
		t.Fatal(err)
	}
	k.suite = secured.ConnectionState().CipherSuite
	over := tlsConn{secured}
	k.client = &client{Conn: over, t: t, r: bufio.NewReader(over)}
	k.client.open("/")
	return k
}

// control sends a record of a type that crypto/tls would not let a client send,
// as the record number seq of its key.
func (k *kernelClient) control(typ ktls.ContentType, content []byte, seq uint64) {
	k.t.Helper()
	if k.suite != tls.TLS_AES_128_GCM_SHA256 {
		k.t.Fatalf("cipher suite %s", tls.CipherSuiteName(k.suite))
	}
	expand := func(label string, n int) []byte {
		info := binary.BigEndian.AppendUint16(nil, uint16(n))
		info = append(append(info, byte(len("tls13 ")+len(label))), "tls13 "+label...)
		b, err := hkdf.Expand(sha256.New, k.secrets.Client, string(append(info, 0)), n)
		if err != nil {
			k.t.Fatal(err)
		}
		return b
	}
	block, err := aes.NewCipher(expand("key", 16))
	if err != nil {
		k.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		k.t.Fatal(err)
	}
	nonce := expand("iv", 12)
	for i, b := range binary.BigEndian.AppendUint64(nil, seq) {
		nonce[4+i] ^= b
	}
	inner := append(bytes.Clone(content), byte(typ))
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(inner)+aead.Overhead()))
	if _, err := bare(k.Conn).Write(aead.Seal(head, nonce, inner, head)); err != nil {
		k.t.Fatal(err)
	}
}

// offloaded waits until the kernel has taken n connections over.
func offloaded(t *testing.T, st *site, n uint64) {
	t.Helper()
	for deadline := time.Now().Add(patience); st.Stats().TLSOffloaded != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are the kernel's, want %d", st.Stats().TLSOffloaded, n)
		}
	}
}

// What of the package's tests speaks TLS in make ktls speaks the kernel's.
func TestKernelSuiteIsTheKernels(t *testing.T) {
	watch(t)
	if os.Getenv("ROOST_REQUIRE_KTLS") == "" {
		return // make ktls asks for it
	}
	if !overKernelTLS() {
		t.Fatalf("%s is not set", kernelTLSEnv)
	}
	st := start(t, Handler{OnMessage: echo}, Config{})
	st.open().echo("over the suite's own connection")
	offloaded(t, st, 1)
}

// The kernel takes over behind the opening: OnOpen still sees the TLS, and
// messages of any size pass in both directions.
func TestKernelTakesOverTLS(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		told := make(chan *tls.ConnectionState, 1)
		st := startKernelTLS(t, Config{Inline: inline}, told)
		c := dialKernelTLS(t, st)
		if state := <-told; state == nil || state.Version != tls.VersionTLS13 {
			t.Errorf("OnOpen saw %+v", state)
		}
		offloaded(t, st, 1)
		for _, size := range []int{0, 1, 125, 16 << 10, 16<<10 + 1, 300 << 10} {
			c.echo(strings.Repeat("k", size))
		}
		c.send(goodbye(1000, ""))
		c.expectClose(1000)
		c.eof() // which crypto/tls says only after a close_notify
	})
}

// The client's close_notify is the end of its stream, whatever comes behind it.
func TestKernelTLSCloseNotify(t *testing.T) {
	watch(t)
	st := startKernelTLS(t, Config{}, nil)
	c := dialKernelTLS(t, st)
	c.echo("before")
	offloaded(t, st, 1)
	if err := c.Conn.(tlsConn).Conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if end := st.ended(0); end.Code != StatusAbnormal {
		t.Errorf("ended with %v", end)
	}
}

// A KeyUpdate cannot be followed: the connection is cut, with an alert, and
// its neighbour is not.
func TestKernelTLSKeyUpdate(t *testing.T) {
	watch(t)
	st := startKernelTLS(t, Config{}, nil)
	neighbour := dialKernelTLS(t, st)
	c := dialKernelTLS(t, st)
	c.echo("before")
	offloaded(t, st, 2)
	c.control(ktls.Handshake, []byte{24, 0, 0, 1, 0}, 2) // behind the request and a message
	if _, err := c.r.ReadByte(); err == nil || !strings.Contains(err.Error(), "unexpected message") {
		t.Errorf("the client got %v", err)
	}
	if st.Stats().TLSFailures != 1 {
		t.Errorf("%d failures counted", st.Stats().TLSFailures)
	}
	neighbour.echo("after")
}

// L8: records that were tampered with, are no records, or are too big cost
// their connection only.
func TestKernelTLSHostileRecords(t *testing.T) {
	watch(t)
	st := startKernelTLS(t, Config{}, nil)
	neighbour := dialKernelTLS(t, st)
	hostile := [][]byte{
		append([]byte{23, 3, 3, 0, 20}, make([]byte, 20)...),
		{23, 3, 3, 0xff, 0xff},
		{23, 3, 3, 0, 0},
		[]byte("GET / HTTP/1.1\r\n\r\n"),
		{23, 9, 9, 0, 20, 0},
		{21, 3, 3, 0, 2, 2, 10},
	}
	for i, b := range hostile {
		c := dialKernelTLS(t, st)
		c.echo("before")
		offloaded(t, st, uint64(i+2))
		if _, err := bare(c.Conn).Write(b); err != nil {
			t.Fatal(err)
		}
		st.ended(i + 1)
		neighbour.echo("after")
	}
}

// Clients of TLS 1.2 are served by the process.
func TestKernelTLSFallsBack(t *testing.T) {
	watch(t)
	st := startKernelTLS(t, Config{}, nil)
	conn, err := net.Dial(st.addr.Network(), st.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	cfg := suiteTLS().client.Clone()
	cfg.MaxVersion = tls.VersionTLS12
	over := tlsConn{tls.Client(conn, cfg)}
	c := &client{Conn: over, t: t, r: bufio.NewReader(over)}
	c.open("/")
	c.send(text("hello"))
	c.expect(ws.OpText, "hello")
	if n := st.Stats().TLSOffloaded; n != 0 {
		t.Errorf("%d connections are the kernel's", n)
	}
}
