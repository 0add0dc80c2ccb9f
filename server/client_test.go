package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/sys"
)

// client is a WebSocket client that writes any bytes it is told to, and reads
// strictly. It has no goroutine: nothing is read before somebody asks.
type client struct {
	net.Conn
	t    testing.TB
	r    *bufio.Reader
	deaf bool // to Pings

	skipped int // binary messages, by message
}

// narrow makes a client that takes less than narrowMax bytes which it does not
// read, with the help of tightKernel. A smaller window still would wait for a
// delayed acknowledgement all the time.
func narrow(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1000)
	})
}

// dialQuietly is for goroutines beside the test's own, which must not end it.
func dialQuietly(addr net.Addr) (net.Conn, error) {
	conn, err := net.DialTimeout(addr.Network(), addr.String(), patience)
	if err == nil && overTLS() {
		conn = tlsConn{tls.Client(conn, suiteTLS().client)}
	}
	return conn, err
}

const narrowMax = 300 << 10

// tightKernel gives the server's sockets a small send buffer of a fixed size;
// by itself TCP's grows to what a test cannot foresee.
type tightKernel struct{ sys.Kernel }

func (k tightKernel) Accept(fd int) (int, netip.AddrPort, error) {
	nfd, peer, err := k.Kernel.Accept(fd)
	if err == nil {
		err = syscall.SetsockoptInt(nfd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 32<<10)
	}
	return nfd, peer, err
}

// dialAddr connects; control may set options of the socket.
func dialAddr(t testing.TB, addr net.Addr, control func(string, string, syscall.RawConn) error) *client {
	t.Helper()
	d := net.Dialer{Timeout: patience, Control: control}
	conn, err := d.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	if overTLS() {
		secured := tls.Client(conn, suiteTLS().client)
		secured.Handshake() // if it fails, the first Read or Write says so
		conn = tlsConn{secured}
	}
	return &client{Conn: conn, t: t, r: bufio.NewReader(conn)}
}

// tutorialKey and its answer are those of RFC 6455, 1.3 and of every tutorial.
const (
	tutorialKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	tutorialAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// upgrade is a request head for a WebSocket, with further field lines.
func upgrade(target string, fields ...string) string {
	head := "GET " + target + " HTTP/1.1\r\nHost: roost.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + tutorialKey + "\r\nSec-WebSocket-Version: 13\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	return head + "\r\n"
}

// send writes all pieces as one.
func (c *client) send(pieces ...[]byte) {
	c.t.Helper()
	if _, err := c.Write(bytes.Join(pieces, nil)); err != nil {
		c.t.Fatal(err)
	}
}

// open does the opening handshake.
func (c *client) open(target string, fields ...string) *client {
	c.t.Helper()
	c.send([]byte(upgrade(target, fields...)))
	c.opened()
	return c
}

// opened reads the response of a handshake that is to succeed.
func (c *client) opened() *http.Response {
	c.t.Helper()
	res := c.response()
	if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Accept") != tutorialAccept {
		c.t.Fatalf("the handshake was answered with %s %v %s", res.Status, res.Header, body(res))
	}
	return res
}

// response reads an HTTP response, of which the body is still to be read.
func (c *client) response() *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return res
}

func body(res *http.Response) string {
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// refused reads the response of a handshake that is to fail, and the end behind it.
func (c *client) refused(status int) *http.Response {
	c.t.Helper()
	res := c.response()
	text := body(res)
	if res.StatusCode != status || !res.Close || res.ContentLength != int64(len(text)) {
		c.t.Fatalf("got %s %v %q, want %d with Connection: close and a length", res.Status, res.Header, text, status)
	}
	c.eof()
	return res
}

// frame reads one frame.
func (c *client) frame() frame {
	c.t.Helper()
	for {
		f, err := readFrame(c.r)
		if err != nil {
			c.t.Fatal(err)
		}
		if f.op != ws.OpPing || !c.deaf {
			return f
		}
	}
}

// expect reads one frame and says what it must be.
func (c *client) expect(op ws.OpCode, payload string) {
	c.t.Helper()
	if f := c.frame(); f.op != op || string(f.payload) != payload {
		c.t.Fatalf("got %v, want %v", f, frame{op, []byte(payload)})
	}
}

// expectClose reads a Close frame and the end behind it.
func (c *client) expectClose(code StatusCode) frame {
	c.t.Helper()
	f := c.frame()
	if f.op != ws.OpClose || f.code() != code {
		c.t.Fatalf("got %v, want a Close frame with %d", f, code)
	}
	c.eof()
	return f
}

// eof reads the end of the stream: a FIN, nothing before it, and no reset.
func (c *client) eof() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err != io.EOF {
		c.t.Fatalf("got byte %#x and error %v, want the end of the stream", b, err)
	}
}

// gone reads until the connection has ended in any way.
func (c *client) gone() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.r); isTimeout(err) {
		c.t.Fatal("the server keeps the connection")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// fin ends the client's stream and leaves it readable.
func (c *client) fin() {
	c.t.Helper()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		c.t.Fatalf("%T has no half to close", c.Conn)
	}
	if err := half.CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// reset ends the connection with a RST.
func (c *client) reset() {
	c.t.Helper()
	if err := errors.Join(bare(c.Conn).(*net.TCPConn).SetLinger(0), c.Close()); err != nil {
		c.t.Fatal(err)
	}
}

// goodbye does the closing handshake from the client's side.
func (c *client) goodbye() {
	c.t.Helper()
	c.send(goodbye(StatusNormal, "bye"))
	c.expectClose(StatusNormal)
	c.Close()
}

// echo sends a message and expects it back.
func (c *client) echo(message string) {
	c.t.Helper()
	c.send(text(message))
	c.expect(ws.OpText, message)
}

// numbered is a message of a length that says which one it is.
func numbered(i, length int) string {
	head := fmt.Sprintf("%08d ", i)
	return head + strings.Repeat(string(rune('a'+i%26)), max(0, length-len(head)))
}

// resolve makes an address of a text.
func resolve(t testing.TB, network, addr string) net.Addr {
	t.Helper()
	a, err := net.ResolveTCPAddr(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
