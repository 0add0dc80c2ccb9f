package wire

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/gobwas/ws"
)

// Decoder turns the bytes of one connection into messages and control frames.
// The zero value is ready. It is one pointer: between messages it is nil, and
// what a partial frame or a fragmented message needs lives in a pooled object
// behind it.
type Decoder struct {
	p *partial
}

// Limits bounds what a peer may make the decoder hold.
type Limits struct {
	Message   int  // bytes of one message, all its fragments together
	Fragments int  // frames of one message
	Deflate   bool // RSV1 is allowed on the first frame of a data message

	// Held counts the pooled memory of all decoders that share it; nil: nobody does.
	Held *atomic.Int64
}

// Event is a whole message (OpText, OpBinary) or a control frame (OpPing,
// OpPong, OpClose). Its payload is unmasked. It lies in the bytes given to
// Next when the frame lay whole there, else in pooled memory, and is valid
// until the next call of Next or Reset.
type Event struct {
	Op         ws.OpCode
	Payload    []byte
	Compressed bool // RSV1 was set: the payload is to be inflated, and text is not validated yet
	// Whole is Payload with the room in front of it that is free to be
	// overwritten: where the frame lay whole in the bytes given to Next, its own
	// header. A server header always fits, so an echo needs no copy. nil means that
	// there is no such room.
	Whole []byte
}

// Next decodes the next event of in and returns how many bytes it used. When
// ok is false, all of in was used and more is needed. Call it until then even
// when nothing is left of in: it is the next call that gives the last event's
// pooled memory back.
//
// An error is an *Error and final; n then counts the bytes up to and including
// the one that proves it, and all memory was given back.
func (d *Decoder) Next(in []byte, lim *Limits) (ev Event, n int, ok bool, err error) {
	// The way of nearly every frame: an unfragmented message of less than
	// 64 KiB that lies whole in the buffer. Everything else, and every
	// suspicion, is left to the general way.
	if d.p != nil || len(in) < 6 || in[0] != bitFin|byte(ws.OpText) && in[0] != bitFin|byte(ws.OpBinary) {
		return d.next(in, lim)
	}
	head, length := 6, int(in[1])-bitMask
	if length == length16 {
		head, length = 8, int(binary.BigEndian.Uint16(in[2:]))
		if length < length16 { // not minimal
			return d.next(in, lim)
		}
	} else if length < 0 || length > length16 { // not masked, or long
		return d.next(in, lim)
	}
	end := head + length
	if length > lim.Message || end > len(in) {
		return d.next(in, lim)
	}
	payload := in[head:end:end]
	seen := unmask(payload, binary.LittleEndian.Uint32(in[head-4:]))
	op := ws.OpCode(in[0] & bitsOpcode)
	if seen&highBits != 0 && op == ws.OpText {
		if bad := firstInvalid(payload); bad > 0 {
			return Event{}, head + bad, false, ErrInvalidUTF8
		}
	}
	return Event{Op: op, Payload: payload, Whole: in[:end:end]}, end, true, nil
}

// next is Next for every case.
func (d *Decoder) next(in []byte, lim *Limits) (ev Event, n int, ok bool, err error) {
	d.forget()
	if len(in) == 0 {
		return Event{}, 0, false, nil
	}
	for {
		if d.p == nil || !d.p.inFrame {
			h, used, whole, err := d.header(in[n:], lim)
			n += used
			if err != nil {
				d.Reset()
				return Event{}, n, false, err
			}
			if !whole {
				return Event{}, n, false, nil
			}
			if h.Fin && h.OpCode != ws.OpContinuation && uint64(len(in)-n) >= uint64(h.Length) {
				return d.inPlace(in, n, h, used)
			}
			d.hold(lim).open(h)
		}
		ev, used, ok, err := d.p.fill(in[n:])
		n += used
		if err != nil {
			d.Reset()
			return Event{}, n, false, err
		}
		if ok || n == len(in) {
			return ev, n, ok, nil
		}
	}
}

// header reads the header of the next frame, which may have begun in an
// earlier piece. n counts the bytes of in that it used.
func (d *Decoder) header(in []byte, lim *Limits) (h ws.Header, n int, whole bool, err error) {
	if d.p == nil || d.p.nscratch == 0 {
		var m message
		if d.p != nil {
			m = d.p.message
		}
		if h, n, err = parseHeader(in, m, lim); n > 0 {
			return h, n, err == nil, err
		}
		p := d.hold(lim)
		p.nscratch = uint8(copy(p.scratch[:headerMax], in))
		return h, len(in), false, nil
	}
	p := d.p
	had := int(p.nscratch)
	all := had + copy(p.scratch[had:headerMax], in)
	if h, n, err = parseHeader(p.scratch[:all], p.message, lim); n == 0 {
		p.nscratch = uint8(all)
		return h, all - had, false, nil
	}
	p.nscratch = 0
	return h, n - had, err == nil, err
}

// inPlace makes an event of the frame whose payload begins at in[at] and lies
// whole in in. used is what the header took of in.
func (d *Decoder) inPlace(in []byte, at int, h ws.Header, used int) (ev Event, n int, ok bool, err error) {
	end := at + int(h.Length)
	payload := in[at:end:end]
	seen := unmask(payload, binary.LittleEndian.Uint32(h.Mask[:]))
	if h.OpCode == ws.OpText && !h.Rsv1() && seen&highBits != 0 {
		if bad := firstInvalid(payload); bad > 0 {
			d.Reset()
			return Event{}, at + bad, false, ErrInvalidUTF8
		}
	}
	if d.p != nil && d.p.op == ws.OpContinuation {
		d.Reset() // it held half the header and nothing else
	}
	ev = Event{Op: h.OpCode, Payload: payload, Compressed: h.Rsv1()}
	if size := HeaderSize(len(payload)) + maskSize; used == size { // it did not begin in an earlier piece
		ev.Whole = in[at-size : end : end]
	}
	return ev, end, true, nil
}

// hold returns the partial, a new one when there is none.
func (d *Decoder) hold(lim *Limits) *partial {
	if d.p == nil {
		d.p = partials.Get().(*partial)
		d.p.held = lim.Held
	}
	return d.p
}

// Held is how much pooled memory the decoder has, in bytes.
func (d *Decoder) Held() int {
	if d.p == nil {
		return 0
	}
	return int(d.p.counted)
}

// forget gives the memory of the last event back. A control frame may have
// come between fragments; the message it interrupted stays.
func (d *Decoder) forget() {
	if d.p == nil || !d.p.shown {
		return
	}
	d.p.shown = false
	if d.p.op == ws.OpContinuation {
		d.Reset()
	}
}

// Pending reports whether a frame or a fragmented message has begun and not ended.
func (d *Decoder) Pending() bool {
	return d.p != nil && (!d.p.shown || d.p.op != ws.OpContinuation)
}

// Pooled reports whether the last event lies in pooled memory, which the next
// call of Next gives back.
func (d *Decoder) Pooled() bool { return d.p != nil && d.p.shown }

// Reset forgets everything and gives pooled memory back.
func (d *Decoder) Reset() {
	if d.p != nil {
		d.p.release()
		d.p = nil
	}
}
