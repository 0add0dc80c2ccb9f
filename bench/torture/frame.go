package torture

import "encoding/binary"

// Opcodes of RFC 6455, 11.8.
const (
	opCont   = 0x0
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xa
)

// Frame is one client frame. Each field can break a rule on purpose; the zero
// value of all but Op and Payload follows them.
type Frame struct {
	Op       byte    // four bits, reserved values included
	More     bool    // FIN is 0: another fragment follows
	RSV      byte    // 0x40, 0x20, 0x10, as they lie in the first byte
	Bare     bool    // not masked
	Mask     [4]byte // sent also when all zero, which is a legal key
	Wide     int     // the form of the length: 0 minimal, 2 sixteen bits, 8 sixty-four bits
	Lie      bool    // Announce is written for the length of Payload
	Announce uint64
	Payload  []byte
}

// Two keys of the examples: maskK is the RFC's own (5.7), mask0 leaves the payload readable.
var (
	maskK = [4]byte{0x37, 0xfa, 0x21, 0x3d}
	mask0 = [4]byte{}
)

// append adds the frame to b and reports where its header ends.
func (f Frame) append(b []byte) (out []byte, header int) {
	first := f.RSV | f.Op
	if !f.More {
		first |= 0x80
	}
	n := uint64(len(f.Payload))
	if f.Lie {
		n = f.Announce
	}
	masked := byte(0x80)
	if f.Bare {
		masked = 0
	}
	switch {
	case f.Wide == 8 || n > 0xffff:
		b = append(b, first, masked|127)
		b = binary.BigEndian.AppendUint64(b, n)
	case f.Wide == 2 || n > 125:
		b = append(b, first, masked|126)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b = append(b, first, masked|byte(n))
	}
	if f.Bare {
		return append(b, f.Payload...), len(b)
	}
	b = append(b, f.Mask[:]...)
	header = len(b)
	b = append(b, f.Payload...)
	for i := range f.Payload {
		b[header+i] ^= f.Mask[i&3]
	}
	return b, header
}

func (f Frame) appendPart(w *Wire) {
	w.mark()
	var header int
	w.Bytes, header = f.append(w.Bytes)
	w.Marks = append(w.Marks, header)
	w.mark()
}

func (f Frame) size() int { return 14 + len(f.Payload) }

// Raw is bytes that are sent as they are.
type Raw []byte

func (r Raw) appendPart(w *Wire) {
	w.mark()
	w.Bytes = append(w.Bytes, r...)
	w.mark()
}

func (r Raw) size() int { return len(r) }

// part is a piece of what a client sends: a Frame or Raw bytes.
type part interface {
	appendPart(w *Wire)
	size() int // about how many bytes it is
}

// Wire is what a client sends, and the offsets worth cutting at.
type Wire struct {
	Bytes []byte
	Marks []int // where a header begins or ends, a line ends, a fragment begins
}

func (w *Wire) mark() { w.Marks = append(w.Marks, len(w.Bytes)) }

func wireOf(parts ...part) Wire {
	size := 0
	for _, p := range parts {
		size += p.size()
	}
	w := Wire{Bytes: make([]byte, 0, size)}
	for _, p := range parts {
		p.appendPart(&w)
	}
	return w
}

func data(op byte, p string) Frame     { return Frame{Op: op, Mask: maskK, Payload: []byte(p)} }
func text(p string) Frame              { return data(opText, p) }
func binaryFrame(p string) Frame       { return data(opBinary, p) }
func cont(p string) Frame              { return data(opCont, p) }
func ping(p string) Frame              { return data(opPing, p) }
func pong(p string) Frame              { return data(opPong, p) }
func more(f Frame) Frame               { f.More = true; return f }
func masked(f Frame, m [4]byte) Frame  { f.Mask = m; return f }
func bare(f Frame) Frame               { f.Bare = true; return f }
func wide(f Frame, bytes int) Frame    { f.Wide = bytes; return f }
func reserved(f Frame, rsv byte) Frame { f.RSV = rsv; return f }

// announce makes the frame's header claim n bytes of payload, whatever follows.
func announce(f Frame, n uint64) Frame {
	f.Lie, f.Announce = true, n
	return f
}

// closing is a Close frame with a status code and a reason.
func closing(code uint16, reason string) Frame {
	return Frame{Op: opClose, Mask: maskK, Payload: append(binary.BigEndian.AppendUint16(nil, code), reason...)}
}

// header is the frame's header without its payload.
func header(f Frame) Raw {
	b, n := f.append(nil)
	return Raw(b[:n])
}

// fragmented cuts a message into fragments of size bytes, the last one shorter.
func fragmented(op byte, payload []byte, size int) []part {
	var parts []part
	for first := true; first || len(payload) > 0; first = false {
		n := min(size, len(payload))
		f := Frame{Op: opCont, Mask: maskK, Payload: payload[:n], More: n < len(payload)}
		if first {
			f.Op = op
		}
		parts = append(parts, f)
		payload = payload[n:]
	}
	return parts
}
