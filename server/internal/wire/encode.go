package wire

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// ServerHeaderMax is the size of the longest header a server writes.
const ServerHeaderMax = 10

// BitCompressed is RSV1: set in a header's first byte, it says that the message
// is compressed. RFC 7692, 6.
const BitCompressed = 0x40

// HeaderSize is the size of the server header for a payload of n bytes.
func HeaderSize(n int) int {
	switch {
	case n < length16:
		return 2
	case n <= 0xffff:
		return 4
	}
	return 10
}

// PutHeader writes the header of a final, unmasked frame and returns its size.
func PutHeader(b *[ServerHeaderMax]byte, op ws.OpCode, n int) int {
	b[0] = bitFin | byte(op)
	switch {
	case n < length16:
		b[1] = byte(n)
		return 2
	case n <= 0xffff:
		b[1] = length16
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		return 4
	}
	b[1] = length64
	binary.BigEndian.PutUint64(b[2:], uint64(n))
	return 10
}

// AppendHeader appends the header of a final, unmasked frame with n bytes of payload.
func AppendHeader(dst []byte, op ws.OpCode, n int) []byte {
	switch {
	case n < length16:
		return append(dst, bitFin|byte(op), byte(n))
	case n <= 0xffff:
		return append(dst, bitFin|byte(op), length16, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, bitFin|byte(op), length64), uint64(n))
}

// AppendFrame appends a final, unmasked frame.
func AppendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// FrameLen is the whole length of the server frame that b begins with, header
// included; 0 when b is too short to tell. It trusts b: the frame is ours.
func FrameLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case length16:
		if len(b) < 4 {
			return 0
		}
		return 4 + int(binary.BigEndian.Uint16(b[2:]))
	case length64:
		if len(b) < 10 {
			return 0
		}
		return 10 + int(binary.BigEndian.Uint64(b[2:]))
	}
	return 2 + int(b[1])
}
