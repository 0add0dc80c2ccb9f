package soak

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// Opcodes of RFC 6455, 11.8.
const (
	opText   byte = 0x1
	opBinary byte = 0x2
	opClose  byte = 0x8
	opPing   byte = 0x9
	opPong   byte = 0xa
)

// patience is how long an honest client waits for what must come. It is no
// measure of speed: a busy machine may need it.
const patience = 30 * time.Second

// frameMax bounds what a client takes, in bytes.
const frameMax = 1 << 20

// client is one WebSocket connection.
type client struct {
	net.Conn
	in   *bufio.Reader
	out  []byte // reused from frame to frame
	news int64  // the number of the last news it heard
}

// frame is what a server sent.
type frame struct {
	op      byte
	payload []byte
}

// open performs the opening handshake.
func open(addr, path string) (*client, error) {
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c := &client{Conn: nc, in: bufio.NewReaderSize(nc, 4<<10)}
	if err := c.upgrade(addr, path); err != nil {
		nc.Close()
		return nil, fmt.Errorf("opening handshake: %w", err)
	}
	return c, nil
}

func (c *client) upgrade(host, path string) error {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(request(host, path)); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(res.Status)
	}
	return nil
}

func request(host, path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", path, host)
}

// appendFrame appends a masked frame that is whole.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	const fin, masked = 0x80, 0x80
	switch n := len(payload); {
	case n <= 125:
		b = append(b, fin|op, masked|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, fin|op, masked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, fin|op, masked|127), uint64(n))
	}
	key := [4]byte{}
	binary.LittleEndian.PutUint32(key[:], rand.Uint32())
	b = append(b, key[:]...)
	for i, p := range payload {
		b = append(b, p^key[i&3])
	}
	return b
}

// send sends one frame.
func (c *client) send(op byte, payload []byte) error {
	c.out = appendFrame(c.out[:0], op, payload)
	c.SetWriteDeadline(time.Now().Add(patience))
	_, err := c.Write(c.out)
	return err
}

// receive returns the next frame but Pings, which it answers. The payload is
// the caller's.
func (c *client) receive() (frame, error) {
	for {
		c.SetReadDeadline(time.Now().Add(patience))
		f, err := c.next()
		if err != nil || f.op != opPing {
			return f, err
		}
		if err := c.send(opPong, f.payload); err != nil {
			return f, err
		}
	}
}

func (c *client) next() (f frame, err error) {
	var head [10]byte
	if _, err = io.ReadFull(c.in, head[:2]); err != nil {
		return f, err
	}
	if head[0]&0xf0 != 0x80 || head[1]&0x80 != 0 {
		return f, fmt.Errorf("a frame that begins with % x, which no server may send here", head[:2])
	}
	size := uint64(head[1])
	switch size {
	case 126:
		_, err = io.ReadFull(c.in, head[2:4])
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		_, err = io.ReadFull(c.in, head[2:10])
		size = binary.BigEndian.Uint64(head[2:])
	}
	if err != nil {
		return f, err
	}
	if size > frameMax {
		return f, fmt.Errorf("a frame of %d bytes", size)
	}
	f = frame{op: head[0] & 0x0f, payload: make([]byte, size)}
	_, err = io.ReadFull(c.in, f.payload)
	return f, err
}

// leave closes the connection as RFC 6455, 7.1 wants it, and reports anything
// but an echo of the Close frame and the end of the stream after it.
func (c *client) leave() error {
	defer c.Close()
	if err := c.send(opClose, []byte{0x03, 0xe8}); err != nil {
		return fmt.Errorf("leaving: %w", err)
	}
	for {
		f, err := c.receive()
		if err != nil {
			return fmt.Errorf("leaving: %w", err)
		}
		if f.op != opClose {
			continue // what was under way
		}
		if string(f.payload) != "\x03\xe8" {
			return fmt.Errorf("leaving: the Close frame was answered with % x", f.payload)
		}
		if _, err := c.in.ReadByte(); err != io.EOF {
			return fmt.Errorf("leaving: after the Close frame: %v", err)
		}
		return nil
	}
}

// reset ends the connection with RST.
func (c *client) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only for a closed socket
	}
	c.Close()
}
