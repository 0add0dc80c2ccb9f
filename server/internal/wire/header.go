package wire

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

const (
	bitFin  = 0x80
	bitRSV1 = BitCompressed
	bitMask = 0x80

	bitsRSV    = 0x70
	bitsRSV23  = 0x30
	bitsOpcode = 0x0f
	bitsLength = 0x7f

	length16 = 126 // the length follows in two bytes
	length64 = 127 // the length follows in eight bytes

	maskSize   = 4
	headerMax  = ServerHeaderMax + maskSize
	controlMax = 125 // bytes of a control frame's payload
)

// message is what is known of a message whose last fragment has not come.
type message struct {
	op         ws.OpCode // OpContinuation when no message is open
	compressed bool
	fragments  int    // frames so far
	size       uint64 // bytes announced by those frames
}

// parseHeader reads one client frame header from b, following m, the message
// that is open. n == 0 means b is too short and breaks no rule so far. With an
// error, n is the number of header bytes that prove it: 1, 2, 4 or 10.
func parseHeader(b []byte, m message, lim *Limits) (h ws.Header, n int, err error) {
	if len(b) < 1 {
		return h, 0, nil
	}
	h.Fin = b[0]&bitFin != 0
	h.Rsv = b[0] & bitsRSV >> 4
	h.OpCode = ws.OpCode(b[0] & bitsOpcode)
	if err := checkFirstByte(h, m, lim); err != nil {
		return h, 1, err
	}
	if len(b) < 2 {
		return h, 0, nil
	}
	// "The server MUST close the connection upon receiving a frame that is
	// not masked." RFC 6455, 5.1.
	if b[1]&bitMask == 0 {
		return h, 2, ErrUnmasked
	}
	h.Masked = true
	length, n, err := parseLength(b, h.OpCode.IsControl())
	if err != nil || n == 0 {
		return h, n, err
	}
	// Both are below 1<<63, so the sum cannot wrap.
	if h.OpCode.IsData() && m.size+length > uint64(max(lim.Message, 0)) {
		return h, n, ErrMessageTooBig
	}
	if len(b) < n+maskSize {
		return h, 0, nil
	}
	h.Length = int64(length)
	h.Mask = [4]byte(b[n:])
	return h, n + maskSize, nil
}

// checkFirstByte applies the rules that the first byte of a frame can break.
func checkFirstByte(h ws.Header, m message, lim *Limits) error {
	// "MUST be 0 unless an extension is negotiated that defines meanings for
	// non-zero values." RFC 6455, 5.2. Only RSV1 is ever negotiated, and
	// RFC 7692, 6.1 puts it on the first frame of a data message alone.
	first := h.OpCode == ws.OpText || h.OpCode == ws.OpBinary
	if h.Rsv2() || h.Rsv3() || h.Rsv1() && !(first && lim.Deflate) {
		return ErrReservedBits
	}
	switch {
	case h.OpCode.IsReserved():
		return ErrReservedOpcode
	case h.OpCode.IsControl():
		// "All control frames [...] MUST NOT be fragmented." RFC 6455, 5.5.
		if !h.Fin {
			return ErrControlFragmented
		}
	case first:
		// "The fragments of one message MUST NOT be interleaved between the
		// fragments of another message." RFC 6455, 5.4.
		if m.op != ws.OpContinuation {
			return ErrExpectedContinuation
		}
	case m.op == ws.OpContinuation:
		return ErrUnexpectedContinuation
	case m.fragments >= lim.Fragments:
		return ErrTooManyFragments
	}
	return nil
}

// parseLength reads the length that starts at b[1]; n is where it ends, 0 when
// b is too short.
func parseLength(b []byte, control bool) (length uint64, n int, err error) {
	short := b[1] & bitsLength
	// "All control frames MUST have a payload length of 125 bytes or less."
	// RFC 6455, 5.5. The longer encodings announce more, or are not minimal.
	if control && short > controlMax {
		return 0, 2, ErrControlTooLong
	}
	switch short {
	case length16:
		if len(b) < 4 {
			return 0, 0, nil
		}
		length = uint64(binary.BigEndian.Uint16(b[2:]))
		// "The minimal number of bytes MUST be used to encode the length."
		// RFC 6455, 5.2.
		if length < length16 {
			return 0, 4, ErrLengthNotMinimal
		}
		return length, 4, nil
	case length64:
		if len(b) < 10 {
			return 0, 0, nil
		}
		length = binary.BigEndian.Uint64(b[2:])
		// "The most significant bit MUST be 0." RFC 6455, 5.2.
		if length>>63 != 0 {
			return 0, 10, ErrLengthTopBit
		}
		if length <= 0xffff {
			return 0, 10, ErrLengthNotMinimal
		}
		return length, 10, nil
	}
	return uint64(short), 2, nil
}
