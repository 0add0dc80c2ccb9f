package load

import (
	"bytes"
	"fmt"
	"time"
)

// state is where a connection is in its life.
type state uint8

const (
	connecting state = iota // connect(2) has not finished
	upgrading               // the opening handshake's response is not whole
	open                    // messages flow
	closing                 // our Close frame is sent
	gone                    // terminal; the descriptor is closed
)

// conn is one connection. Only its Session's goroutine touches it.
type conn struct {
	id      uint32
	fd      int
	state   state
	stalled bool            // never read from
	began   time.Duration   // when connect(2) was called
	out     []byte          // what the kernel refused
	waiting []time.Duration // open loop: due times of messages that wait for out
	collect []byte          // the handshake's response, or a control frame's payload

	// Unanswered messages are those in [base, next) whose sent time is not
	// zero; sent has a power of two of places, indexed by sequence number.
	base, next uint64
	sent       []time.Duration
	unanswered int
	early      uint64 // answered messages above base

	tls    *channel // nil without TLS
	caller *caller  // nil for a WebSocket connection

	decoder
}

// decoder is where in the server's stream of frames a connection is. It keeps
// no payload: what arrives is compared at once.
type decoder struct {
	head   [headerMax]byte
	have   int  // bytes of head so far
	inside bool // the header is whole; payload bytes follow
	h      header
	left   uint64 // payload bytes to come
	at     int    // payload bytes seen
	first  [SizeMin]byte
	lead   lead
	whole  bool // the payload is collected, and not compared as it comes
}

// fault is a failure found in what a server sent.
type fault struct {
	kind Kind
	text string
}

// sink is told what a connection's bytes mean, and says what must be wrong.
type sink interface {
	// begin is called for the header of a data frame.
	begin(c *conn, h header) *fault
	// accept is called when the lead is known; the rest is compared with it.
	accept(c *conn, l lead) *fault
	// message is called when a payload was whole and right.
	message(c *conn, l lead) *fault
	// text is called instead of both for a payload that begin had collected.
	text(c *conn, payload []byte) *fault
	// control is called for a whole control frame.
	control(c *conn, op byte, payload []byte) *fault
}

// feed consumes b. It returns the first fault, after which the stream makes no
// sense any more.
func (c *conn) feed(b []byte, p *pattern, to sink) *fault {
	for c.state != gone {
		if !c.inside {
			if len(b) == 0 {
				return nil
			}
			n := copy(c.head[c.have:], b)
			h, size, wrong := parseHeader(c.head[:c.have+n], p.deflate != nil)
			if wrong == "" && p.deflate != nil && h.op < opClose && !h.compressed && h.length >= mustCompress {
				wrong = "the reply is not compressed"
			}
			if wrong != "" {
				return &fault{Protocol, wrong}
			}
			if size == 0 {
				c.have += n
				return nil
			}
			b = b[size-c.have:]
			c.h, c.have, c.inside, c.left, c.at, c.whole = h, 0, true, h.length, 0, false
			if h.op < opClose && !h.compressed {
				if f := to.begin(c, h); f != nil {
					return f
				}
			}
		}
		n := min(c.left, uint64(len(b)))
		if f := c.payload(b[:n], p, to); f != nil {
			return f
		}
		b = b[n:]
		if c.left -= n; c.left > 0 {
			return nil
		}
		c.inside = false
		if f := c.finish(p, to); f != nil {
			return f
		}
	}
	return nil
}

// payload compares the next bytes of a payload.
func (c *conn) payload(b []byte, p *pattern, to sink) *fault {
	if c.h.op >= opClose || c.whole || c.h.compressed {
		c.collect = append(c.collect, b...)
		return nil
	}
	if c.at < SizeMin {
		n := copy(c.first[c.at:], b)
		c.at += n
		if c.at < SizeMin {
			return nil
		}
		b = b[n:]
		c.lead = parseLead(c.first[:])
		var again [SizeMin]byte
		if c.lead.put(again[:]); again != c.first {
			return &fault{Corrupt, fmt.Sprintf("connection %d, message %d: the first %d bytes are %x", c.id, c.base, SizeMin, c.first)}
		}
		if f := to.accept(c, c.lead); f != nil {
			return f
		}
	}
	from := c.lead.shift() + c.at - SizeMin
	want := p.plain[from : from+len(b)]
	if !bytes.Equal(b, want) {
		i := 0
		for b[i] == want[i] {
			i++
		}
		return &fault{Corrupt, fmt.Sprintf("connection %d, message %d: byte %d is %#x, want %#x", c.id, c.lead.seq, c.at+i, b[i], want[i])}
	}
	c.at += len(b)
	return nil
}

func (c *conn) finish(p *pattern, to sink) *fault {
	if c.h.compressed {
		if f := c.inflate(p, to); f != nil {
			return f
		}
	}
	if c.whole {
		f := to.text(c, c.collect)
		c.collect = c.collect[:0]
		return f
	}
	if c.h.op < opClose {
		return to.message(c, c.lead)
	}
	f := to.control(c, c.h.op, c.collect)
	c.collect = nil
	return f
}

// inflate compares a compressed message once it is whole.
func (c *conn) inflate(p *pattern, to sink) *fault {
	message, err := p.deflate.open(c.collect)
	c.collect = c.collect[:0]
	if err != nil {
		return &fault{Corrupt, fmt.Sprintf("connection %d, message %d: %v", c.id, c.base, err)}
	}
	c.h.compressed, c.h.length = false, uint64(len(message))
	if f := to.begin(c, c.h); f != nil {
		return f
	}
	return c.payload(message, p, to)
}

// send notes that message number next was sent, or was due, at t.
func (c *conn) send(t time.Duration) {
	if c.next-c.base == uint64(len(c.sent)) {
		c.grow()
	}
	c.sent[c.next&uint64(len(c.sent)-1)] = max(t, 1)
	c.next++
	c.unanswered++
}

func (c *conn) grow() {
	wider := make([]time.Duration, max(4, 2*len(c.sent)))
	for seq := c.base; seq < c.next; seq++ {
		wider[seq&uint64(len(wider)-1)] = c.sent[seq&uint64(len(c.sent)-1)]
	}
	c.sent = wider
}

// answer takes message seq off the unanswered ones and says when it was sent.
// overtaken is how many newer messages were answered before it.
func (c *conn) answer(seq uint64) (sent time.Duration, overtaken uint64, f *fault) {
	if seq >= c.next {
		return 0, 0, &fault{Stranger, fmt.Sprintf("connection %d got message %d before it was sent", c.id, seq)}
	}
	place := seq & uint64(len(c.sent)-1)
	if seq < c.base || c.sent[place] == 0 {
		return 0, 0, &fault{Duplicate, fmt.Sprintf("connection %d got message %d again", c.id, seq)}
	}
	sent = c.sent[place]
	c.sent[place] = 0
	c.unanswered--
	if seq != c.base {
		c.early++
		return sent, 0, nil
	}
	overtaken = c.early
	for c.base++; c.base < c.next && c.sent[c.base&uint64(len(c.sent)-1)] == 0; c.base++ {
		c.early--
	}
	return sent, overtaken, nil
}
