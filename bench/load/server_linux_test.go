package load

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// message is what a test server got from a client.
type message struct {
	conn    int // in the order of accept
	n       int // number on its connection, from 0
	op      byte
	payload []byte
}

// answer is what a test server does with a message; send writes raw bytes to
// the connection, or ends it when there are none, and may be called later and
// from any goroutine.
type answer func(m message, send func(b []byte))

// echo answers as a right server does.
func echo(m message, send func([]byte)) { send(serverFrame(m.op, m.payload)) }

// serve starts a server with goroutines and blocking reads, as different from
// the code under test as can be. Its handshake follows RFC 6455, 4.2.2.
func serve(t *testing.T, a answer) string {
	t.Helper()
	return serveHandshake(t, a, accepted)
}

func accepted(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
}

// serveTLS is serve with the TLS that net has.
func serveTLS(t *testing.T, a answer, cert tls.Certificate) string {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, ln, a, accepted)
}

func serveHandshake(t *testing.T, a answer, respond func(key string) string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, ln, a, respond)
}

func serveOn(t *testing.T, ln net.Listener, a answer, respond func(key string) string) string {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for i := 0; ; i++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			all.Go(func() {
				defer c.Close()
				serveConn(c, i, a, respond)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return ln.Addr().String()
}

func serveConn(c net.Conn, i int, a answer, respond func(key string) string) {
	br := bufio.NewReaderSize(c, 1<<20)
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	if _, err := io.WriteString(c, respond(r.Header.Get("Sec-WebSocket-Key"))); err != nil {
		return
	}
	send := func(b []byte) {
		if b == nil {
			c.Close()
		}
		_, _ = c.Write(b)
	}
	for n := 0; ; n++ {
		op, payload, err := readClientFrame(br)
		if err != nil {
			return
		}
		a(message{i, n, op, payload}, send)
	}
}

// serveReads echoes and tells how many frames each read(2) brought.
func serveReads(t *testing.T, tell func(frames int)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 1<<16)
		n, _ := c.Read(buf)
		if n == 0 {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
			handshakeAccept+"\r\n\r\n")
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			br := bufio.NewReader(bytes.NewReader(buf[:n]))
			var replies []byte
			frames := 0
			for {
				op, payload, err := readClientFrame(br)
				if err != nil {
					break
				}
				frames++
				replies = append(replies, serverFrame(op, payload)...)
			}
			tell(frames)
			_, _ = c.Write(replies)
		}
	})
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	return ln.Addr().String()
}

// readClientFrame reads one whole, masked frame.
func readClientFrame(br *bufio.Reader) (op byte, payload []byte, err error) {
	var h [2]byte
	if _, err = io.ReadFull(br, h[:]); err != nil {
		return 0, nil, err
	}
	if h[0]&0xf0 != 0x80 || h[1]&0x80 == 0 {
		return 0, nil, fmt.Errorf("header %x: not an unfragmented, masked frame", h)
	}
	size := uint64(h[1] & 0x7f)
	switch size {
	case 126:
		var b [2]byte
		_, err = io.ReadFull(br, b[:])
		size = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		_, err = io.ReadFull(br, b[:])
		size = binary.BigEndian.Uint64(b[:])
	}
	if err != nil {
		return 0, nil, err
	}
	var key [4]byte
	if _, err = io.ReadFull(br, key[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	if _, err = io.ReadFull(br, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return h[0] & 0x0f, payload, nil
}

// serverFrame is one unmasked, unfragmented frame.
func serverFrame(op byte, payload []byte) []byte {
	var b []byte
	switch n := len(payload); {
	case n < 126:
		b = []byte{0x80 | op, byte(n)}
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16([]byte{0x80 | op, 126}, uint16(n))
	default:
		b = binary.BigEndian.AppendUint64([]byte{0x80 | op, 127}, uint64(n))
	}
	return append(b, payload...)
}

// dial opens a session with so many connections.
func dial(t *testing.T, addr string, conns int) *Session {
	t.Helper()
	return dialWith(t, Dial{Addr: addr, Path: "/"}, conns)
}

func dialWith(t *testing.T, d Dial, conns int) *Session {
	t.Helper()
	s, err := NewSession(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	o, err := s.Connect(Connect{Count: conns, Concurrency: 8, Deadline: deadline}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.Opened != conns || o.Failures.Total() != 0 {
		t.Fatalf("opened %d of %d: %v", o.Opened, conns, o.Failures)
	}
	return s
}

func wantOnly(t *testing.T, f Failures, want Kind) {
	t.Helper()
	if f.Count[want] == 0 || len(f.Count) != 1 {
		t.Fatalf("failures %v, want only %q", f, want)
	}
	if !strings.Contains(f.String(), string(want)) {
		t.Fatalf("the sentence %q does not name the kind %q", f, want)
	}
}
