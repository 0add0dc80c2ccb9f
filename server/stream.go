package server

import (
	"errors"
	"net/http"

	"github.com/roost-ws/roost/server/internal/engine"
	"github.com/roost-ws/roost/server/internal/handshake"
	"github.com/roost-ws/roost/server/internal/wire"
)

// Stream answers a request with a body that goes on for as long as the
// connection is open, such as one of server-sent events.
type Stream struct {
	ContentType string
	Header      http.Header // further fields; those that say where the body ends are the server's
}

// ErrStream is returned for what a stream cannot do: it takes what PrepareChunk
// made, and WebSocket connections take what Prepare made.
var ErrStream = errors.New("server: a stream takes chunks, and a WebSocket connection takes messages")

// protoStream is in Conn.proto for a stream.
const protoStream = -2

// PrepareChunk is Prepare for streams: data is sent as it is. It copies data.
func PrepareChunk(data []byte) *Prepared {
	if len(data) == 0 {
		return &Prepared{chunk: true}
	}
	return &Prepared{frame: wire.AppendChunk(make([]byte, 0, wire.ChunkSize(len(data))), data), chunk: true}
}

// Streaming reports whether the connection is a stream, which Config.OnStream
// began, and no WebSocket connection. On a stream Send sends the payload as it is,
// whatever the opcode; Close ends the body, and its code is for OnClose alone.
func (c *Conn) Streaming() bool { return c.proto == protoStream }

// sendChunk is Send for a stream.
func (c *Conn) sendChunk(data []byte) error {
	if len(data) == 0 {
		return nil // which would end the body
	}
	if err := c.pipe.Enqueue(wire.AppendChunk(nil, data), nil, false); err != nil {
		return c.sendError(err)
	}
	return nil
}

// lastWords is the unit after which there is no other.
func (c *Conn) lastWords(code StatusCode, reason string) []byte {
	if c.Streaming() {
		return wire.LastChunk
	}
	return wire.AppendClose(nil, code, reason)
}

// stream answers a request with a stream or a refusal, if the application has one.
func (c *Conn) stream(req *Request) (answered bool, refusal *Refusal) {
	stream, refusal := c.onStream(req)
	if refusal != nil || stream == nil {
		return false, refusal
	}
	head := handshake.AppendStreamHead(nil, stream.ContentType, stream.Header)
	c.pipe.Enqueue(head, nil, true) // fails only when the connection is being closed
	c.proto = protoStream
	if d := c.srv.cfg.StreamAckTimeout; d > 0 {
		c.pipe.SetAckTimeout(d)
	}
	c.srv.stats.Streams.Add(1)
	return true, nil
}

func (c *Conn) onStream(r *Request) (stream *Stream, refusal *Refusal) {
	defer c.refusePanic(&refusal)
	stream, refusal = c.srv.cfg.OnStream(r)
	return stream, byApplication(refusal)
}

// byStranger takes what the client of a stream sends. It has said all there is
// to say, and another request on this connection would never be answered.
func (c *Conn) byStranger(in []byte) {
	if len(in) == 0 {
		return
	}
	if c.state == stateOpen {
		c.fail(&CloseError{Code: StatusProtocolError, Reason: "bytes behind the request for a stream"})
	}
	c.discard(len(in))
}

// streamDue is the first deadline of a stream.
func (c *Conn) streamDue() engine.Tick {
	if c.srv.ticks.streamPing == 0 {
		return 0
	}
	return c.pipe.Now() + c.spread(c.srv.ticks.streamPing)
}

// keepStream enforces the deadlines of a stream: a client that takes nothing. Of
// one that is gone without a word TCP tells, when a ping stays unacknowledged for
// Config.StreamAckTimeout.
func (c *Conn) keepStream(now engine.Tick) (due engine.Tick) {
	t := &c.srv.ticks
	if oldest := c.pipe.Oldest(); oldest != 0 {
		if now >= oldest+t.stall {
			c.slow()
			return 0
		}
		due = oldest + t.stall
	}
	if t.streamPing == 0 {
		return due
	}
	last := max(c.since, c.pipe.Heard())
	if next := last + c.spread(t.streamPing); now < next {
		return sooner(due, next)
	}
	c.since = now
	if due == 0 { // otherwise something is on its way already
		c.srv.stats.Pings.Add(1)
		c.pipe.Enqueue(wire.AppendChunk(nil, c.srv.cfg.StreamPing), nil, true) // fails only when the connection is being closed
	}
	return sooner(due, now+c.spread(t.streamPing))
}
