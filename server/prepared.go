package server

import (
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
type Prepared struct{ frame []byte }

// Prepare encodes a message. It copies payload.
func Prepare(op Opcode, payload []byte) *Prepared {
	frame := make([]byte, 0, wire.HeaderSize(len(payload))+len(payload))
	return &Prepared{frame: wire.AppendFrame(frame, op, payload)}
}

// Len returns the size of the encoded message in bytes.
func (p *Prepared) Len() int { return len(p.frame) }
