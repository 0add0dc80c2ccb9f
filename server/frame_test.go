package server

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/gobwas/ws"
)

// frame is what a server sent.
type frame struct {
	op      ws.OpCode
	payload []byte
}

func (f frame) String() string {
	if f.op == ws.OpClose && len(f.payload) >= 2 {
		return fmt.Sprintf("close %d %s", binary.BigEndian.Uint16(f.payload), f.payload[2:])
	}
	if len(f.payload) > 64 {
		return fmt.Sprintf("op %d, %d bytes", f.op, len(f.payload))
	}
	return fmt.Sprintf("op %d %q", f.op, f.payload)
}

// code returns the status code of a Close frame, 1005 when it has none and 0 for other frames.
func (f frame) code() StatusCode {
	switch {
	case f.op != ws.OpClose:
		return 0
	case len(f.payload) == 0:
		return StatusNone
	}
	return StatusCode(binary.BigEndian.Uint16(f.payload))
}

// readFrame reads one frame and insists on all that RFC 6455 says of frames
// from a server, and on what this server is known for: it never fragments.
func readFrame(r *bufio.Reader) (f frame, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return f, err
	}
	f.op = ws.OpCode(head[0] & 0x0f)
	length := uint64(head[1] & 0x7f)
	switch {
	case head[0]&0xf0 != 0x80:
		return f, fmt.Errorf("frame begins with %#x: fragmented, or reserved bits", head[0])
	case f.op.IsReserved() || f.op == ws.OpContinuation:
		return f, fmt.Errorf("frame with opcode %d", f.op)
	case head[1]&0x80 != 0:
		return f, fmt.Errorf("a server masks no frame: RFC 6455, 5.1")
	case f.op.IsControl() && length > 125:
		return f, fmt.Errorf("a control frame of %d or more bytes", length)
	}
	switch length {
	case 126:
		_, err = io.ReadFull(r, head[:2])
		if length = uint64(binary.BigEndian.Uint16(head[:])); err == nil && length < 126 {
			return f, fmt.Errorf("length %d in two bytes", length)
		}
	case 127:
		_, err = io.ReadFull(r, head[:8])
		if length = binary.BigEndian.Uint64(head[:]); err == nil && (length < 1<<16 || length > 1<<31) {
			return f, fmt.Errorf("length %d in eight bytes", length)
		}
	}
	if err != nil {
		return f, fmt.Errorf("inside a frame header: %w", err)
	}
	f.payload = make([]byte, length)
	if n, err := io.ReadFull(r, f.payload); err != nil {
		return f, fmt.Errorf("after %d of %d bytes of a frame: %w", n, length, err)
	}
	if f.op == ws.OpClose && length == 1 {
		return f, fmt.Errorf("a Close frame with half a status code")
	}
	return f, nil
}

// maskKey is the key of every frame that the tests send, that of RFC 6455, 5.7.
const maskKey = "\x37\xfa\x21\x3d"

// masked is a client's frame; first is its first byte.
func masked(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, maskKey...)
	for i := range len(payload) {
		b = append(b, payload[i]^maskKey[i%4])
	}
	return b
}

const fin = 0x80

func text(s string) []byte { return masked(fin|byte(ws.OpText), s) }
func ping(s string) []byte { return masked(fin|byte(ws.OpPing), s) }
func pong(s string) []byte { return masked(fin|byte(ws.OpPong), s) }

func goodbye(code StatusCode, reason string) []byte {
	return masked(fin|byte(ws.OpClose), string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}
