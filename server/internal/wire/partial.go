package wire

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"
)

// partial is what a decoder remembers between two reads: half a header, a
// frame that is not all here, a message that has more fragments to come.
type partial struct {
	message                // the message that is open
	buf      *buffer       // its bytes so far, unmasked; nil when there are none
	held     *atomic.Int64 // where the memory of buf is counted; nil: nowhere
	counted  int64         // of it
	left     uint64        // bytes of the frame under way that have not come
	key      uint32        // its mask, turned to the next byte
	text     UTF8          // validates an open text message
	frame    ws.OpCode
	fin      bool
	inFrame  bool             // the header of a frame was read, its end was not
	shown    bool             // the last event's payload lies here
	nscratch uint8            // bytes in scratch
	scratch  [controlMax]byte // half a header; after it, half a control frame's payload
}

const _ = uint(controlMax - headerMax) // a header fits scratch

var partials = sync.Pool{New: func() any { return new(partial) }}

// open begins the frame with the header h.
func (p *partial) open(h ws.Header) {
	p.inFrame = true
	p.frame = h.OpCode
	p.fin = h.Fin
	p.left = uint64(h.Length)
	p.key = binary.LittleEndian.Uint32(h.Mask[:])
	if h.OpCode.IsControl() {
		return
	}
	if h.OpCode != ws.OpContinuation { // a message begins in a new partial: the rest is zero
		p.op, p.compressed = h.OpCode, h.Rsv1()
	}
	p.fragments++
	p.size += uint64(h.Length)
}

// fill takes what b has of the frame under way. ok says that an event is
// complete; without it, either the frame needs more, or it was a fragment and
// the next frame follows.
func (p *partial) fill(b []byte) (ev Event, n int, ok bool, err error) {
	n = int(min(uint64(len(b)), p.left))
	if p.frame.IsControl() {
		p.fillControl(b[:n])
	} else if bad := p.fillData(b[:n]); bad >= 0 {
		return ev, bad + 1, false, ErrInvalidUTF8
	}
	p.key = turn(p.key, n)
	p.left -= uint64(n)
	if p.left > 0 {
		return ev, n, false, nil
	}
	p.inFrame = false
	switch {
	case p.frame.IsControl():
		ev = Event{Op: p.frame, Payload: p.scratch[:p.nscratch:p.nscratch]}
		p.nscratch = 0
	case !p.fin:
		return ev, n, false, nil
	default:
		if p.validates() && !p.text.Complete() {
			return ev, n, false, ErrInvalidUTF8
		}
		ev = Event{Op: p.op, Compressed: p.compressed}
		if p.buf != nil {
			ev.Whole = p.buf.b[:len(p.buf.b):len(p.buf.b)]
			ev.Payload = ev.Whole[ServerHeaderMax:]
		}
		p.message = message{}
	}
	p.shown = true
	return ev, n, true, nil
}

func (p *partial) fillControl(b []byte) {
	at := p.scratch[p.nscratch:]
	copy(at, b)
	unmask(at[:len(b)], p.key)
	p.nscratch += uint8(len(b))
}

// fillData appends b, unmasked, to the message. It returns the index of the
// first byte of b that makes a text message invalid, or -1.
func (p *partial) fillData(b []byte) (bad int) {
	if len(b) == 0 {
		return -1
	}
	var all uint64
	if p.fin {
		all = p.size
	}
	p.buf = p.buf.grow(len(b), all)
	p.count(int64(p.buf.room()))
	had := len(p.buf.b)
	p.buf.b = append(p.buf.b, b...)
	fresh := p.buf.b[had:]
	seen := unmask(fresh, p.key)
	if !p.validates() || seen&highBits == 0 && p.text.Complete() {
		return -1
	}
	return p.text.Write(fresh)
}

// validates reports whether the open message is text whose bytes are here as
// they were sent: a compressed one is text only after inflation.
func (p *partial) validates() bool { return p.op == ws.OpText && !p.compressed }

// count notes that buf has n bytes.
func (p *partial) count(n int64) {
	if p.held != nil && n != p.counted {
		p.held.Add(n - p.counted)
		p.counted = n
	}
}

// release gives all memory back; p must not be used again.
func (p *partial) release() {
	p.count(0)
	p.buf.free()
	*p = partial{}
	partials.Put(p)
}
