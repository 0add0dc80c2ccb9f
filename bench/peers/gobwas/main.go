// The gobwas/ws peer: the handshake on the bare connection, then one goroutine
// per connection with a buffered reader, and one write per reply.
package main

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/roost-ws/roost/bench/peers/internal/contract"
)

func main() {
	ln := contract.Listen()
	for {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}

func serve(conn net.Conn) {
	defer conn.Close()
	var path string
	u := ws.Upgrader{OnRequest: func(uri []byte) error { path = string(uri); return nil }}
	if _, err := u.Upgrade(conn); err != nil {
		return
	}
	switch path {
	case contract.SubPath:
		subscribers.add(conn)
		defer subscribers.remove(conn)
		read(conn, func(ws.OpCode, []byte) error { return nil })
	case contract.PubPath:
		read(conn, subscribers.publish)
	default:
		sleep := contract.Sleep(path)
		read(conn, func(op ws.OpCode, payload []byte) error {
			time.Sleep(sleep)
			return write(conn, op, payload)
		})
	}
}

// read hands every message to handle. Fragmented messages are joined.
func read(conn net.Conn, handle func(ws.OpCode, []byte) error) {
	br := bufio.NewReader(conn)
	var message []byte // grows to the largest message of this connection
	var op ws.OpCode
	for {
		h, err := ws.ReadHeader(br)
		if err != nil || h.Length > contract.MessageMax || ws.CheckHeader(h, ws.StateServerSide) != nil {
			return
		}
		start := len(message)
		message = append(message, make([]byte, h.Length)...)
		payload := message[start:]
		if _, err := io.ReadFull(br, payload); err != nil {
			return
		}
		ws.Cipher(payload, h.Mask, 0)
		switch {
		case h.OpCode.IsControl():
			if control(conn, h.OpCode, payload) != nil {
				return
			}
			message = message[:start]
			continue
		case h.OpCode != ws.OpContinuation:
			op = h.OpCode
		}
		if !h.Fin {
			continue
		}
		if handle(op, message) != nil {
			return
		}
		message = message[:0]
	}
}

func control(conn net.Conn, op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpPing:
		return write(conn, ws.OpPong, payload)
	case ws.OpClose:
		_ = write(conn, ws.OpClose, payload)
		return io.EOF
	}
	return nil
}

var frames = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func write(conn net.Conn, op ws.OpCode, payload []byte) error {
	buf := frames.Get().(*bytes.Buffer)
	buf.Reset()
	_ = ws.WriteFrame(buf, ws.NewFrame(op, true, payload))
	_, err := conn.Write(buf.Bytes())
	frames.Put(buf)
	return err
}

// hub is the set of subscribers; a published message is compiled once.
type hub struct {
	mu  sync.Mutex
	set map[net.Conn]struct{}
}

var subscribers = hub{set: map[net.Conn]struct{}{}}

func (h *hub) add(c net.Conn) {
	h.mu.Lock()
	h.set[c] = struct{}{}
	h.mu.Unlock()
}

func (h *hub) remove(c net.Conn) {
	h.mu.Lock()
	delete(h.set, c)
	h.mu.Unlock()
}

func (h *hub) publish(op ws.OpCode, payload []byte) error {
	frame := ws.MustCompileFrame(ws.NewFrame(op, true, payload))
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.set {
		_, _ = c.Write(frame)
	}
	return nil
}
