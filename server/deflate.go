package server

import (
	"sync"
	"sync/atomic"

	"github.com/roost-ws/roost/server/internal/deflate"
	"github.com/roost-ws/roost/server/internal/handshake"
	"github.com/roost-ws/roost/server/internal/wire"
)

// Deflate says how messages are compressed for clients that offer it:
// permessage-deflate, RFC 7692. A connection costs no memory for it, unless
// ContextTakeover is set. What clients send compressed is bounded by
// Limits.Message before and after.
//
// What is compressed gives away by its length how much of it repeats: a message
// in which a secret stands beside what an attacker chose should not be. See
// Conn.SendUncompressed and PrepareUncompressed.
type Deflate struct {
	// Enabled accepts the offers of clients.
	Enabled bool
	// Level is the effort, from 1, the default, to 9.
	Level int
	// MinSize is the size in bytes from which on messages are compressed. Default
	// 256; negative: all.
	MinSize int
	// ContextTakeover lets short messages refer to those before them, for clients
	// that allow it: 1 KB of what was sent and 2 KB of what was received are kept for
	// each connection that has sent or received some. It halves short messages that
	// resemble each other. It does not go with the policy DropOldest: what is
	// dropped cannot be referred to.
	ContextTakeover bool
}

// deflateMin is the size below which there is little to save: what repeats must
// do so within the message.
const deflateMin = 256

// negotiate answers the extensions that a client offers.
func (s *Server) negotiate(h *handshake.Head) (answer string, agreed uint8) {
	params, answer := deflate.Negotiate(h.Values("Sec-WebSocket-Extensions"), s.cfg.Deflate.ContextTakeover)
	return answer, uint8(params)
}

// past is what is kept of the messages before, for as long as the connection lives.
type past struct {
	deflate.Context            // its half of what was received is the owner's
	sending         sync.Mutex // held from the compressing of a message until it is queued: the order must be one
}

// limits are those of the frames that the client may send.
func (c *Conn) limits() *wire.Limits {
	if c.deflate.On() {
		return &c.srv.deflated
	}
	return &c.srv.frames
}

// scratch is memory for one message on its way in or out. It is pooled, by
// pointer because a slice would cost an allocation.
type scratch struct{ b []byte }

// scratchMax is the largest memory that is kept for other messages: a message of
// a mebibyte fits, with what it may refer to and the room that inflating wants.
const scratchMax = 1<<20 + 4<<10

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) free() {
	if cap(s.b) > scratchMax {
		s.b = nil
	}
	scratches.Put(s)
}

// inflateTurn is how many bytes of inflated messages one connection may cost
// before others have their turn. What was read is no measure of that: it may be a
// thousandth of them.
const inflateTurn = 256 << 10

// inflate delivers a message that came compressed, and returns its size.
func (c *Conn) inflate(ev *wire.Event) (size int, err error) {
	s := scratches.Get().(*scratch)
	defer s.free()
	message, err := c.inflateInto(s, ev.Payload)
	if err != nil {
		return 0, err
	}
	// The decoder has left this to us: it saw compressed bytes.
	if ev.Op == Text && !wire.ValidUTF8(message) {
		return 0, wire.ErrInvalidUTF8
	}
	c.srv.loops[c.pipe.Loop()].inflated.Add(1)
	c.onMessage(ev.Op, message)
	return len(message), nil
}

// inflateMuch is the size of a payload from which on workers take turns: a
// thousand times as much would cost others a fraction of a millisecond.
const inflateMuch = 1 << 10

// inflateInto inflates into pooled memory. There are many more workers than
// processors, because callbacks may block. If all of them inflated bombs, each would
// have its memory for as long as all of them took, and every other callback
// would wait for a processor behind them.
func (c *Conn) inflateInto(s *scratch, payload []byte) (message []byte, err error) {
	if turns := c.srv.inflating; turns != nil && len(payload) >= inflateMuch {
		turns <- struct{}{}
		defer func() { <-turns }()
	}
	if c.deflate.TakesOver() {
		message, s.b, err = deflate.InflateAfter(&c.rare.past.Context, s.b[:0], payload, c.srv.cfg.Limits.Message, c.deflate)
		return message, err
	}
	s.b, err = deflate.Inflate(s.b[:0], payload, c.srv.cfg.Limits.Message)
	return s.b, err
}

// sendDeflated is Send for a message that is to be compressed.
func (c *Conn) sendDeflated(op Opcode, message []byte) error {
	s := scratches.Get().(*scratch)
	defer s.free()
	var ok bool
	if c.deflate.TakesOver() {
		x := c.rare.past
		x.sending.Lock()
		defer x.sending.Unlock()
		s.b, ok = c.srv.compressor.AppendAfter(&x.Context, s.b[:0], message, c.deflate)
	} else {
		s.b, ok = c.srv.compressor.Append(s.b[:0], message, c.deflate)
	}
	if !ok {
		return c.send(op, message)
	}
	c.countDeflated(len(message), len(s.b))
	var head [wire.ServerHeaderMax]byte
	n := wire.PutHeader(&head, op, len(s.b))
	head[0] |= wire.BitCompressed
	if err := c.pipe.Enqueue(head[:n], s.b, false); err != nil {
		return c.sendError(err)
	}
	if c.deflate.TakesOver() {
		c.rare.past.Sent(message, c.deflate)
	}
	return nil
}

// sendForm queues the compressed frame of a Prepared. It refers to nothing but
// itself, and what comes after it may refer to it.
func (c *Conn) sendForm(p *Prepared, frame []byte) error {
	x := c.rare.past
	x.sending.Lock()
	defer x.sending.Unlock()
	if err := c.pipe.EnqueueShared(frame); err != nil {
		return c.sendError(err)
	}
	x.Sent(p.Payload(), c.deflate)
	return nil
}

func (c *Conn) countDeflated(from, to int) {
	l := &c.srv.loops[c.pipe.Loop()]
	l.deflated.Add(1)
	l.deflatedFrom.Add(uint64(from))
	l.deflatedTo.Add(uint64(to))
}

// forms are the compressed frames of a Prepared, by Params. One for the largest
// window does for all, as long as the message fits into the others.
type forms struct {
	mu     sync.Mutex // held while a frame is made
	frames [deflate.Forms]atomic.Pointer[[]byte]
}

// deflatedFor returns the frame to send to a client that inflates.
func (p *Prepared) deflatedFor(c *Conn) []byte {
	if p.plain || p.size < c.srv.cfg.Deflate.MinSize {
		return p.frame
	}
	f := p.deflated.Load()
	if f == nil {
		f = new(forms)
		if !p.deflated.CompareAndSwap(nil, f) {
			f = p.deflated.Load()
		}
	}
	form := &f.frames[c.deflate.Form(p.size)]
	if frame := form.Load(); frame != nil {
		return *frame
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if frame := form.Load(); frame != nil {
		return *frame
	}
	frame := p.compress(c)
	form.Store(&frame)
	return frame
}

// compress makes a compressed frame, or returns the plain one when there is nothing to gain.
func (p *Prepared) compress(c *Conn) []byte {
	message := p.Payload()
	s := scratches.Get().(*scratch)
	defer s.free()
	payload, ok := c.srv.compressor.Append(s.b[:0], message, c.deflate)
	s.b = payload
	if !ok {
		return p.frame
	}
	c.countDeflated(len(message), len(payload))
	frame := make([]byte, 0, wire.HeaderSize(len(payload))+len(payload))
	frame = wire.AppendFrame(frame, Opcode(p.frame[0]&0x0f), payload)
	frame[0] |= wire.BitCompressed
	return frame
}
