package load

import "encoding/binary"

// Opcodes of RFC 6455, 5.2.
const (
	opText   byte = 0x1
	opBinary byte = 0x2
	opClose  byte = 0x8
	opPing   byte = 0x9
	opPong   byte = 0xa
)

// headerMax is the longest frame header a server sends, in bytes.
const headerMax = 10

// appendHeader appends the header of an unfragmented, masked frame.
func appendHeader(dst []byte, op byte, size int, key [4]byte) []byte {
	const fin, masked = 0x80, 0x80
	switch {
	case size <= 125:
		dst = append(dst, fin|op, masked|byte(size))
	case size <= 0xffff:
		dst = append(dst, fin|op, masked|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(size))
	default:
		dst = append(dst, fin|op, masked|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(size))
	}
	return append(dst, key[:]...)
}

// appendControl appends a masked control frame.
func appendControl(dst []byte, op byte, payload []byte, key [4]byte) []byte {
	return appendMasked(appendHeader(dst, op, len(payload), key), string(payload), key)
}

// appendText appends a masked text message.
func appendText(dst []byte, text string, key [4]byte) []byte {
	return appendMasked(appendHeader(dst, opText, len(text), key), text, key)
}

func appendMasked(dst []byte, payload string, key [4]byte) []byte {
	for i := range len(payload) {
		dst = append(dst, payload[i]^key[i&3])
	}
	return dst
}

// header is a frame header from a server.
type header struct {
	op         byte
	compressed bool
	length     uint64
}

// parseHeader reads the header at the start of b; n == 0 means b is too short.
// fault says what no server may send, see RFC 6455, 5.1 and 5.2, or what the
// servers under test are told not to: they have no reason to fragment a reply.
// deflate says that messages may be compressed.
func parseHeader(b []byte, deflate bool) (h header, n int, fault string) {
	if len(b) < 2 {
		return h, 0, ""
	}
	h.op = b[0] & 0x0f
	h.compressed = deflate && b[0]&0x70 == bitCompressed && (h.op == opText || h.op == opBinary)
	switch {
	case b[0]&0x70 != 0 && !h.compressed:
		return h, 0, "reserved bits are set"
	case b[0]&0x80 == 0 || h.op == 0:
		return h, 0, "the reply is fragmented"
	case b[1]&0x80 != 0:
		return h, 0, "the frame is masked"
	case h.op > opBinary && h.op < opClose || h.op > opPong:
		return h, 0, "the opcode is reserved"
	}
	switch short := b[1]; {
	case short < 126:
		h.length, n = uint64(short), 2
	case h.op >= opClose:
		return h, 0, "a control frame is longer than 125 bytes"
	case short == 126:
		if len(b) < 4 {
			return h, 0, ""
		}
		h.length, n = uint64(binary.BigEndian.Uint16(b[2:])), 4
		if h.length < 126 {
			return h, 0, "the length is not minimal"
		}
	default:
		if len(b) < 10 {
			return h, 0, ""
		}
		h.length, n = binary.BigEndian.Uint64(b[2:]), 10
		if h.length <= 0xffff {
			return h, 0, "the length is not minimal"
		}
	}
	return h, n, ""
}
