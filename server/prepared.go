package server

import (
	"sync/atomic"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/wire"
)

// Opcode is the type of a message. RFC 6455, 5.2.
type Opcode = ws.OpCode

const (
	Text   Opcode = ws.OpText   // valid UTF-8
	Binary Opcode = ws.OpBinary // any bytes
)

// Prepared is a message that was encoded once, to be sent on many connections.
// It never changes and may be used by any goroutine. The zero Prepared holds no
// message, and sending it does nothing.
//
// It is compressed when the first connection gets it that wants it so, once for
// all of them: with the level and the MinSize of that connection's server.
type Prepared struct {
	frame    []byte
	size     int  // of the message, which the frame ends with; 0 for chunks
	plain    bool // never compressed
	chunk    bool // made by PrepareChunk
	deflated atomic.Pointer[forms]
}

// Prepare encodes a message. It copies payload.
func Prepare(op Opcode, payload []byte) *Prepared {
	frame := make([]byte, 0, wire.HeaderSize(len(payload))+len(payload))
	return &Prepared{frame: wire.AppendFrame(frame, op, payload), size: len(payload)}
}

// PrepareUncompressed is Prepare for a message that is to be sent as it is, for
// the reason that SendUncompressed has.
func PrepareUncompressed(op Opcode, payload []byte) *Prepared {
	p := Prepare(op, payload)
	p.plain = true
	return p
}

// Payload returns the message of what Prepare encoded. It must not be changed.
func (p *Prepared) Payload() []byte { return p.frame[len(p.frame)-p.size:] }

// Len returns the size of the encoded message in bytes, before compression.
func (p *Prepared) Len() int { return len(p.frame) }
