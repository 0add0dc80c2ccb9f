package server

import (
	"net/netip"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/deflate"
	"github.com/roost-ws/roost/server/internal/engine"
	"github.com/roost-ws/roost/server/internal/wire"
)

// Conn is a WebSocket connection, or a stream. Its methods may be called by any goroutine,
// also after it was closed, unless they say otherwise.
type Conn struct {
	pipe  engine.Conn
	srv   *Server
	value any
	dec   wire.Decoder
	rare  *rare // what only the opening and closing handshakes need; nil in between, but for those with a context

	state   state
	calls   calls          // which callbacks are owed, and whatever else is a bit
	proto   int8           // index into Config.Subprotocols, or negative: none, or protoStream
	deflate deflate.Params // what was agreed on; does not change once the connection is open
	address uint32         // where the client's address is counted
	began   engine.Tick
	since   engine.Tick // open: when the Ping that was not answered yet was sent, 0 if none is out; then: when it began to close
}

// Send queues a message, which is Text (in UTF-8, which is not checked) or Binary, and sees to its sending; it does not wait for the
// client. payload may be used again at once; only the message that OnMessage
// was given stays as it is until that returns. What a callback sends on its own
// connection goes out in one write when it returns, and so does what others send
// on it meanwhile.
//
// It returns ErrClosed when the connection is closed or closing, and
// ErrSlowConsumer when the message found no room.
//
// With Config.Deflate, and a client that agreed to it, the message is compressed.
func (c *Conn) Send(op Opcode, payload []byte) error {
	if c.deflate.On() && len(payload) >= c.srv.cfg.Deflate.MinSize {
		return c.sendDeflated(op, payload)
	}
	return c.send(op, payload)
}

// SendUncompressed is Send for a message whose length must not tell how much of
// it repeats: one that holds a secret beside what somebody else chose.
func (c *Conn) SendUncompressed(op Opcode, payload []byte) error { return c.send(op, payload) }

func (c *Conn) send(op Opcode, payload []byte) error {
	if c.Streaming() {
		return c.sendChunk(payload)
	}
	var head [wire.ServerHeaderMax]byte
	n := wire.PutHeader(&head, op, len(payload))
	if err := c.pipe.Enqueue(head[:n], payload, false); err != nil {
		return c.sendError(err)
	}
	return nil
}

// SendPrepared is Send for a message that was encoded before. It is not copied.
func (c *Conn) SendPrepared(p *Prepared) error {
	if len(p.frame) == 0 {
		return nil // an empty segment would never leave the outbound queue
	}
	if p.chunk != c.Streaming() {
		return ErrStream
	}
	frame := p.frame
	if c.deflate.On() {
		frame = p.deflatedFor(c)
	}
	if c.deflate.TakesOver() && frame[0]&wire.BitCompressed != 0 {
		return c.sendForm(p, frame)
	}
	if err := c.pipe.EnqueueShared(frame); err != nil {
		return c.sendError(err)
	}
	return nil
}

func (c *Conn) sendError(err error) error {
	if err == engine.ErrOverflow {
		return ErrSlowConsumer
	}
	return err
}

// Ping sends a Ping with up to 125 bytes of payload. Pongs are not reported.
func (c *Conn) Ping(payload []byte) error {
	if len(payload) > ws.MaxControlFramePayloadSize {
		return ErrControlTooLong
	}
	if c.Streaming() {
		return ErrStream
	}
	return c.send(ws.OpPing, payload)
}

// control sends what the protocol demands: no limit stops it and no policy
// drops it. A client cannot make much of it wait, because whoever asks and does
// not listen is read no more.
func (c *Conn) control(op Opcode, payload []byte) {
	var head [wire.ServerHeaderMax]byte
	n := wire.PutHeader(&head, op, len(payload))
	c.pipe.Enqueue(head[:n], payload, true) // fails only when the connection is being closed
}

// Close begins the closing handshake: after what was sent before, a Close frame
// goes out, and nothing after it. Messages that still come are dropped. OnClose
// follows when the client has answered, or after Timeouts.Close. A code that may not stand
// in a Close frame is replaced by 1011, except 1005, which sends none.
func (c *Conn) Close(code StatusCode, reason string) error {
	if code != StatusNone && !wire.ValidCloseCode(code) {
		code = StatusInternalError
	}
	frame := wire.AppendClose(nil, code, reason)
	var taken func()
	if len(frame) > closeHead {
		taken = func() { c.srv.reasons.put(c, string(frame[closeHead:])) }
	}
	return c.pipe.EnqueueLast(c.lastWords(code, reason), uint16(code), taken)
}

// closeHead is what stands before the reason in a Close frame of ours.
const closeHead = 4

// Value returns what SetValue set. Both belong to the connection's callbacks;
// other goroutines may read a value that OnOpen set and nobody changes.
func (c *Conn) Value() any { return c.value }

// SetValue attaches a value of the application's to the connection.
func (c *Conn) SetValue(v any) { c.value = v }

// Waiting returns how many bytes Limits.Outbound counts now.
func (c *Conn) Waiting() int { return c.pipe.Queued() }

// RemoteAddr returns the client's address. It asks the kernel each time. The
// address is not valid for unix sockets, once the connection is broken or ended
// by both sides (often already in OnClose), and after OnClose has returned.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.pipe.Peer() }

// Subprotocol returns the subprotocol that was agreed on, or "".
func (c *Conn) Subprotocol() string {
	if c.proto < 0 {
		return ""
	}
	return c.srv.cfg.Subprotocols[c.proto]
}

// Loop returns the index of the loop that the connection belongs to, for Server.Post.
func (c *Conn) Loop() int { return c.pipe.Loop() }

// ID identifies the connection among all that its loop ever has.
func (c *Conn) ID() uint64 { return c.pipe.Token() }
