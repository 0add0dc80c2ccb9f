package server

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/engine"
	"github.com/roost-ws/roost/server/internal/secure"
	"github.com/roost-ws/roost/server/internal/wire"
)

// state is where a connection stands. RFC 6455, 4 and 7.
type state uint8

const (
	stateConnecting state = iota // the opening handshake is not finished
	stateOpen                    // messages flow both ways
	stateClosing                 // our Close frame is queued, the peer's has not come; data frames are dropped
	stateLingering               // all was said; what still comes is discarded until the stream ends
	stateClosed                  // the descriptor is closed, or no longer ours
)

var stateNames = [...]string{"connecting", "open", "closing", "lingering", "closed"}

func (s state) String() string { return stateNames[s] }

var moves = [...][]state{
	stateConnecting: {stateOpen, stateLingering, stateClosed},
	stateOpen:       {stateClosing, stateLingering, stateClosed},
	stateClosing:    {stateLingering, stateClosed},
	stateLingering:  {stateClosed},
	stateClosed:     {},
}

// setState is the only writer of c.state.
func (c *Conn) setState(to state) {
	if !slices.Contains(moves[c.state], to) {
		panic(fmt.Sprintf("server: connection moved %v -> %v", c.state, to))
	}
	c.srv.stats.states[c.state].Add(-1)
	c.srv.stats.states[to].Add(1)
	c.state = to
}

// calls says which callbacks a connection owes its application, and some things
// besides that are one bit.
type calls uint8

const (
	owesOpen       calls = 1 << iota // the handshake was answered on the loop; OnOpen waits for a worker
	owesClose                        // it was opened, and OnClose was not called
	counted                          // the client's address is counted
	overConns                        // turned away at the door: Limits.Conns was met
	overHandshakes                   // the same, Limits.Handshakes
	overAddress                      // the same, Limits.ConnsPerAddress
	adopted                          // Upgrade took it over from net/http, which does not get it back
	overHeld                         // turned away at the door: Limits.Held is nearly met

	turnedAway = overConns | overHandshakes | overAddress | overHeld
)

// rare is what a connection needs only while it opens or closes; and its context,
// if it has one. It then stays the same from open on, so that any goroutine may
// look for that.
type rare struct {
	past *past
	opening
	closing
}

func (c *Conn) rarely() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// Pipe implements engine.Session, as do the methods below.
func (c *Conn) Pipe() *engine.Conn { return &c.pipe }

// Start sets the deadline of the opening handshake.
func (c *Conn) Start() {
	c.began = c.pipe.Now()
	if c.calls&turnedAway != 0 {
		c.turnAway()
		return
	}
	c.pipe.SetDue(c.began + c.srv.ticks.handshake)
	if c.srv.cfg.Inline {
		c.pipe.Calls() // the loop may always call the application
	}
}

// Refused gives back what admit counted.
func (c *Conn) Refused() {
	c.setState(stateClosed)
	c.srv.forget(c)
}

// Data takes received bytes.
func (c *Conn) Data(in []byte) (used, calls int) {
	switch c.state {
	case stateConnecting:
		return c.collect(in)
	case stateOpen, stateClosing:
		if c.calls&owesOpen != 0 {
			c.callOwed()
			calls++
			if c.pipe.Asking() {
				c.heed() // OnOpen closed it: what is in this very buffer is not delivered
			}
		}
		if c.Streaming() {
			c.byStranger(in)
			return len(in), calls
		}
		used, n := c.decode(in)
		return used, calls + n
	}
	if c.calls&owesClose != 0 {
		c.onClose()
		calls++
	}
	c.discard(len(in))
	return len(in), calls
}

// decode handles the frames in in. It stops early when the client does not
// read what it is sent: whoever asks must also listen; and when what it sent is
// so much more than it seemed that others should have their turn.
func (c *Conn) decode(in []byte) (used, calls int) {
	if c.state != stateOpen && c.state != stateClosing {
		return len(in), 0 // OnOpen panicked
	}
	whole, limits, inflated := false, c.limits(), 0
	for {
		ev, n, ok, err := c.dec.Next(in[used:], limits)
		used += n
		if err != nil {
			c.failFor(err)
			return len(in), calls
		}
		if !ok {
			break
		}
		switch ev.Op {
		case ws.OpText, ws.OpBinary:
			whole = true
			if c.state == stateOpen {
				calls++
				n, err := c.deliver(&ev)
				if err != nil {
					c.failFor(err)
					return len(in), calls
				}
				inflated += n
				if c.pipe.Asking() {
					c.heed() // a Close from now on drops what follows in this very buffer
				}
			}
		case ws.OpPing:
			c.control(ws.OpPong, ev.Payload)
		case ws.OpClose:
			c.onCloseFrame(ev.Payload)
		}
		if c.state != stateOpen && c.state != stateClosing {
			return len(in), calls
		}
		if c.pipe.Pressed() && c.pipe.Pause() || inflated >= inflateTurn {
			c.dec.Next(nil, limits) // gives the last message's memory back
			c.progress(whole)
			return used, calls
		}
	}
	c.progress(whole)
	return used, calls
}

// progress minds the deadline of a message that has begun.
func (c *Conn) progress(whole bool) {
	switch {
	case !c.dec.Pending():
		c.began = 0
	case c.began == 0 || whole:
		c.began = c.pipe.Now()
		c.pipe.DueBy(c.began + c.srv.ticks.message)
	}
	if c.began != 0 {
		c.pipe.Alarm() // its part may have been the last straw
	}
}

// lendMin is the size from which on a message that is sent back is not copied
// first. Below it, one write of many copies is cheaper.
const lendMin = 4 << 10

// deliver hands a message to the application. inflated is its size if it came compressed.
func (c *Conn) deliver(ev *wire.Event) (inflated int, err error) {
	if ev.Compressed {
		return c.inflate(ev)
	}
	if len(ev.Payload) < lendMin || ev.Whole == nil {
		c.onMessage(ev.Op, ev.Payload)
		return 0, nil
	}
	c.pipe.Lend(ev.Whole, len(ev.Whole)-len(ev.Payload))
	c.onMessage(ev.Op, ev.Payload)
	c.pipe.Settle(c.dec.Pooled())
	return 0, nil
}

func (c *Conn) onMessage(op Opcode, message []byte) {
	c.srv.loops[c.pipe.Loop()].messages.Add(1)
	if h := c.srv.handler.OnMessage; h != nil {
		defer c.rescue()
		h(c, op, message)
	}
}

// Drained tells the application that its producers may go on, or gives the
// client time to answer, now that it was sent our last words.
func (c *Conn) Drained() {
	if c.state == stateClosing || c.state == stateLingering {
		c.left()
	}
	if c.calls&owesOpen != 0 {
		c.callOwed() // it was the response that waited, of which the application knows nothing
		return
	}
	if h := c.srv.handler.OnDrain; h != nil && c.state == stateOpen {
		defer c.rescue()
		h(c)
	}
}

// rescue ends the connection whose callback panics, and nothing else.
func (c *Conn) rescue() {
	p := recover()
	if p == nil {
		return
	}
	c.srv.panicked(p, debug.Stack())
	// When it was OnClose that panicked, the connection is ending already.
	if c.calls&owesClose != 0 && (c.state == stateOpen || c.state == stateClosing) {
		c.pipe.Settle(c.dec.Pooled()) // what ends here may have been sent where it lies, which fail gives back
		c.fail(&CloseError{Code: StatusInternalError, Reason: "internal error"})
	}
}

// Tick looks at every deadline of the connection's state and sets the next one.
func (c *Conn) Tick(now engine.Tick) {
	switch c.state {
	case stateConnecting:
		if due := c.began + c.srv.ticks.handshake; now < due {
			c.pipe.SetDue(due)
			return
		}
		c.srv.stats.HandshakeTimeouts.Add(1)
		c.pipe.NoCalls() // there is none to be owed
		c.pipe.Finish()
	case stateOpen:
		if due := c.keep(now); due != 0 {
			c.pipe.SetDue(due)
		}
	case stateClosing, stateLingering:
		if !c.overdue(now) {
			return
		}
		c.srv.stats.CloseTimeouts.Add(1)
		c.pipe.Finish()
	}
}

// Ended: the peer's stream has ended, or the connection is broken.
func (c *Conn) Ended(fault error) {
	told := c.failed(fault)
	switch {
	case fault == engine.ErrStopped:
		c.settle()
		c.remember(&CloseError{Code: c.srv.cfg.ShutdownCode, Reason: "server closed"})
		if c.state == stateOpen {
			c.pipe.EnqueueLast(c.lastWords(c.srv.cfg.ShutdownCode, "server closed"), uint16(c.srv.cfg.ShutdownCode), nil)
		}
		c.pipe.Finish()
	case c.state == stateConnecting && told:
		c.pipe.NoCalls() // there is none to be owed
		c.linger()
	case c.state == stateConnecting:
		c.pipe.NoCalls() // there is none to be owed
		c.pipe.Finish()
	case told:
		c.remember(&CloseError{Code: StatusAbnormal, Err: fault})
		if c.state != stateLingering {
			c.end()
		}
	case c.state == stateLingering:
		if fault != nil || c.pipe.Waiting() == 0 {
			c.pipe.Finish()
		}
	case fault != nil:
		c.remember(&CloseError{Code: StatusAbnormal, Err: fault})
		c.pipe.Finish()
	case c.Streaming():
		c.remember(&CloseError{Code: StatusGoingAway, Reason: "the client has left", Remote: true})
		c.end()
	default:
		// "If _The WebSocket Connection is Closed_ and no Close control frame was
		// received by the endpoint [...], the Close Code is 1006." RFC 6455, 7.1.5.
		c.remember(&CloseError{Code: StatusAbnormal, Err: errNoClose})
		c.end() // answers that the kernel has not taken yet still go out
	}
}

// failed reports whether the stream broke, and the client is being told why. A
// panic of the configuration's callbacks is the application's.
func (c *Conn) failed(fault error) bool {
	failure, ok := fault.(*engine.Failure)
	if !ok {
		return false
	}
	if p, ok := failure.Err.(*secure.PanicError); ok {
		c.srv.panicked(p.Value, p.Stack)
	}
	return true
}

// Farewell is the last call.
func (c *Conn) Farewell() {
	c.dec.Reset()
	if c.calls&owesClose != 0 {
		c.onClose()
	}
	if c.Streaming() {
		c.srv.stats.Streams.Add(-1)
	}
	c.setState(stateClosed)
	if !c.deflate.TakesOver() {
		c.rare = nil
	}
	c.srv.forget(c)
}

var _ engine.Session = (*Conn)(nil)

var errNoClose = errors.New("stream ended without a Close frame")

// unit measures what stands at the start of an outbound queue: a frame, the
// response of the opening handshake, or a chunk of a stream. Of these only data
// frames and chunks other than the last may be dropped.
func unit(b []byte) (n int, keep bool) {
	switch {
	case b[0] >= 0x80: // all frames of ours are final
		return wire.FrameLen(b), ws.OpCode(b[0] & 0x0f).IsControl()
	case b[0] == 'H':
		return responseLen(b), true
	}
	return wire.ChunkLen(b), b[0] == '0'
}
