package torture

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// parser reads what a server sends after its 101 response and is strict about
// it: it turns frames into events, and the first byte that RFC 6455 forbids a
// server to send into a Violation, after which it reads no more. Row F35.
type parser struct {
	b        []byte // of a frame not yet whole
	op       byte   // of the message whose fragments are coming; 0 outside
	message  []byte
	squeezed bool      // the message is compressed
	deflate  *inflater // nil: permessage-deflate was not agreed on
	closed   bool      // a Close frame was seen
	violated bool
}

// frameMax bounds what the parser holds of one frame: no case asks for more.
const frameMax = 64 << 20

// feed takes the next bytes and returns what they complete.
func (p *parser) feed(b []byte) (events []Event) {
	if p.violated {
		return nil
	}
	if len(p.b) > 0 {
		p.b = append(p.b, b...)
		b = p.b
	}
	for {
		e, n, whole := p.next(b)
		if n == 0 && !p.violated {
			break
		}
		b = b[n:]
		if whole {
			events = append(events, e)
		}
		if p.violated {
			return events
		}
	}
	if len(b) > 0 && len(p.b) > 0 && &b[0] == &p.b[0] {
		return events
	}
	p.b = append(p.b[:0], b...)
	if cap(p.b) > 1<<20 && len(p.b) == 0 {
		p.b = nil
	}
	return events
}

// end is called at the end of the stream: only whole frames and messages are allowed before it.
func (p *parser) end() (e Event, bad bool) {
	if p.violated || len(p.b) == 0 {
		return Event{}, false
	}
	return Event{Kind: Violation, Why: fmt.Sprintf("the stream ends inside a frame: [% x]", p.b[:min(len(p.b), 14)])}, true
}

func (p *parser) violation(format string, args ...any) (Event, int, bool) {
	p.violated = true
	return Event{Kind: Violation, Why: fmt.Sprintf(format, args...)}, 0, true
}

// next takes one frame off b; n == 0 means that b is too short. whole reports
// whether an event came of it: a fragment that is not the last has none.
func (p *parser) next(b []byte) (e Event, n int, whole bool) {
	if len(b) == 0 {
		return e, 0, false
	}
	if p.closed {
		return p.violation("bytes after the Close frame: [% x]", b[:min(len(b), 16)])
	}
	op, fin := b[0]&0x0f, b[0]&0x80 != 0
	// "RSV1 [...] MUST NOT set [...] on control frames and non-first fragments of a
	// data message." RFC 7692, 6.1.
	if rsv := b[0] & 0x70; rsv != 0 && (rsv != rsv1 || p.deflate == nil || op != opText && op != opBinary) {
		return p.violation("reserved bits set without an extension: %02x", b[0])
	}
	if op > opBinary && op < opClose || op > opPong {
		return p.violation("reserved opcode %x", op)
	}
	if len(b) < 2 {
		return e, 0, false
	}
	if b[1]&0x80 != 0 {
		return p.violation("a server's frame is masked: % x", b[:2])
	}
	size, head, why := lengthOf(b)
	if why != "" {
		return p.violation("%s", why)
	}
	if head == 0 {
		return e, 0, false
	}
	if op >= opClose && !fin {
		return p.violation("a fragmented control frame: % x", b[:2])
	}
	if op >= opClose && size > 125 {
		return p.violation("a control frame of %d bytes", size)
	}
	if size > frameMax {
		return p.violation("a frame of %d bytes", size)
	}
	n = head + int(size)
	if len(b) < n {
		return e, 0, false
	}
	p.squeezed = p.squeezed || b[0]&rsv1 != 0
	return p.frame(op, fin, b[head:n], n)
}

// lengthOf reads the payload length; head is 0 while b is too short for it.
func lengthOf(b []byte) (size uint64, head int, why string) {
	switch size = uint64(b[1] & 0x7f); size {
	case 126:
		if len(b) < 4 {
			return 0, 0, ""
		}
		size = uint64(binary.BigEndian.Uint16(b[2:]))
		if size < 126 {
			return 0, 0, fmt.Sprintf("length %d in sixteen bits is not minimal", size)
		}
		return size, 4, ""
	case 127:
		if len(b) < 10 {
			return 0, 0, ""
		}
		size = binary.BigEndian.Uint64(b[2:])
		if size>>63 != 0 {
			return 0, 0, "the most significant bit of a 64-bit length is set"
		}
		if size <= 0xffff {
			return 0, 0, fmt.Sprintf("length %d in sixty-four bits is not minimal", size)
		}
		return size, 10, ""
	}
	return size, 2, ""
}

// frame judges one whole frame of n bytes.
func (p *parser) frame(op byte, fin bool, payload []byte, n int) (Event, int, bool) {
	switch op {
	case opPing:
		return Event{Kind: Ping, Payload: clone(payload)}, n, true
	case opPong:
		return Event{Kind: Pong, Payload: clone(payload)}, n, true
	case opClose:
		p.closed = true
		return p.closeFrame(payload, n)
	case opCont:
		if p.op == 0 {
			return p.violation("a continuation frame without a message")
		}
	default:
		if p.op != 0 {
			return p.violation("a new message inside a fragmented one")
		}
		p.op = op
	}
	p.message = append(p.message, payload...)
	if !fin {
		return Event{}, n, false
	}
	if p.squeezed {
		message, err := p.deflate.inflate(p.message)
		if err != nil {
			return p.violation("a compressed message of %d bytes: %v", len(p.message), err)
		}
		p.message, p.squeezed = message, false
	}
	e := Event{Kind: Binary, Payload: p.message}
	if p.op == opText {
		e.Kind = Text
		if !utf8.Valid(p.message) {
			return p.violation("a text message is not UTF-8: %s", brief(p.message))
		}
	}
	if e.Payload == nil {
		e.Payload = []byte{}
	}
	p.op, p.message = 0, nil
	return e, n, true
}

func (p *parser) closeFrame(payload []byte, n int) (Event, int, bool) {
	if len(payload) == 0 {
		return Event{Kind: Close, Code: noCode}, n, true
	}
	if len(payload) == 1 {
		return p.violation("a Close frame with a payload of one byte")
	}
	code := binary.BigEndian.Uint16(payload)
	if !legalCode(code) {
		return p.violation("a Close frame with code %d", code)
	}
	if !utf8.Valid(payload[2:]) {
		return p.violation("the reason of a Close frame is not UTF-8: %s", brief(payload[2:]))
	}
	return Event{Kind: Close, Code: code, Payload: clone(payload[2:])}, n, true
}

// legalCode reports whether a status code may be on the wire: RFC 6455, 7.4, and
// what IANA's registry has added to it since (1012, 1013, 1014).
func legalCode(code uint16) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return false
}

func clone(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }
