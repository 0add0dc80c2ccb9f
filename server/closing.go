package server

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/engine"
	"github.com/roost-ws/roost/server/internal/wire"
)

// lingerMax is how many bytes are read and thrown away behind the end of a
// connection. A socket that is closed with unread bytes is reset, and the reset
// can overtake our last words. RFC 9112, 9.6.
const lingerMax = 1 << 20

// closing is what a connection needs on its way out.
type closing struct {
	err       *CloseError // what OnClose will be told
	discarded int         // bytes read while lingering
	left      bool        // the last words had to wait, and have left
}

// reasons keeps what Conn.Close was told for OnClose. Most connections are never
// closed by the application, and one has no room to spare for it.
type reasons struct {
	count atomic.Int32 // of what is in of
	mu    sync.Mutex
	of    map[*Conn]string
}

func (r *reasons) put(c *Conn, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = make(map[*Conn]string)
	}
	r.of[c] = reason
	r.count.Store(int32(len(r.of)))
}

func (r *reasons) take(c *Conn) string {
	if r.count.Load() == 0 {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	reason := r.of[c]
	delete(r.of, c)
	r.count.Store(int32(len(r.of)))
	return reason
}

// remember keeps the first account of how the connection ended.
func (c *Conn) remember(err *CloseError) {
	if r := c.rarely(); r.err == nil {
		r.err = err
	}
}

// fail closes the connection with a Close frame of ours and no wait for the
// peer's. RFC 6455, 7.1.7.
func (c *Conn) fail(err *CloseError) {
	c.settle() // if the application's own was queued, it came first
	c.remember(err)
	c.pipe.EnqueueLast(c.lastWords(err.Code, err.Reason), uint16(err.Code), nil) // fails when a Close is queued already
	c.end()
}

// failFor fails the connection for a frame that breaks the rules.
func (c *Conn) failFor(err error) {
	var broken *wire.Error
	if !errors.As(err, &broken) {
		panic(err) // wire makes no others
	}
	c.fail(&CloseError{Code: broken.Code, Reason: broken.Reason})
}

// onCloseFrame answers the peer's Close frame, or takes it as the answer to ours.
func (c *Conn) onCloseFrame(payload []byte) {
	code, reason, err := wire.ParseClose(payload)
	if err != nil {
		c.failFor(err)
		return
	}
	c.settle() // if our own was queued, it came first
	c.remember(&CloseError{Code: code, Reason: reason, Remote: true})
	// "When sending a Close frame in response, the endpoint typically echos the
	// status code it received." RFC 6455, 5.5.1.
	c.pipe.EnqueueLast(wire.AppendClose(nil, code, ""), uint16(code), nil)
	c.end()
}

// end lingers, and has the application told: at once if it may be called here.
func (c *Conn) end() {
	c.pipe.Seal()
	if c.calls&owesClose != 0 {
		if c.pipe.Calling() {
			c.onClose()
		} else {
			c.pipe.NeedCalls()
		}
	}
	c.linger()
}

// onClose makes the last call into the application.
func (c *Conn) onClose() {
	if c.calls&owesOpen != 0 {
		c.callOwed()
	}
	c.settle()
	c.remember(&CloseError{Code: StatusAbnormal})
	err := c.rare.err
	c.calls &^= owesClose
	c.pipe.NoCalls()
	c.srv.stats.countClose(err.Code)
	if h := c.srv.handler.OnClose; h != nil {
		defer c.rescue()
		h(c, err)
	}
}

// linger ends our side of the stream once all is sent, and waits for the end
// of the peer's.
func (c *Conn) linger() {
	c.setState(stateLingering)
	c.dec.Reset()
	c.pipe.ShutdownWrite()
	c.await()
}

// await sets the deadline of a closing or lingering connection.
func (c *Conn) await() {
	c.since = c.pipe.Now()
	c.pipe.SetDue(c.since + c.srv.ticks.close)
}

// left begins the time for an answer, once, when our last words had to wait and
// have left.
func (c *Conn) left() {
	if r := c.rarely(); !r.left && c.pipe.Waiting() == 0 {
		r.left = true // what TLS still has to say is no reason for more time
		c.await()
	}
}

// overdue reports whether a closing or lingering connection has had its time;
// otherwise it sets the next deadline. Until our last words have left they may
// take as long as any others.
func (c *Conn) overdue(now engine.Tick) bool {
	t := &c.srv.ticks
	due := c.since + t.close // the deadline may have been an earlier state's, already on its way here
	if oldest := c.pipe.Oldest(); oldest != 0 && now >= due {
		if now >= oldest+t.stall {
			return true
		}
		c.since = now
		due = min(now+t.close, oldest+t.stall)
	}
	c.pipe.SetDue(due)
	return now >= due
}

// discard counts what came after the end.
func (c *Conn) discard(n int) {
	r := c.rarely()
	if r.discarded += n; r.discarded > lingerMax {
		c.pipe.Finish()
	}
}

// Asked looks at what other goroutines did: queued a Close frame, met the limit
// of the outbound queue, or began to shut the server down.
func (c *Conn) Asked() {
	if floor := c.pipe.Floor(); floor > 0 && c.pipe.Waiting()+c.pipe.Stowed()+c.dec.Held() >= floor {
		c.shed()
		return
	}
	leaving := c.srv.closing.Load()
	switch c.state {
	case stateConnecting:
		if leaving {
			c.sendOff(refuseClosing)
		}
	case stateOpen:
		if leaving {
			c.Close(c.srv.cfg.ShutdownCode, "server is shutting down") // fails when a Close is queued already
		}
		c.heed()
	}
}

// heed looks at what was asked of an open connection.
func (c *Conn) heed() {
	if c.state == stateOpen && c.pipe.Overflowed() {
		c.slow()
		return
	}
	c.settle()
	if c.Streaming() && c.state == stateClosing {
		c.end() // nobody answers the end of a stream
	}
}

// settle moves the connection to closing if the application queued a Close frame.
func (c *Conn) settle() {
	if code, sealed := c.pipe.Sealed(); sealed && c.state == stateOpen {
		c.remember(&CloseError{Code: StatusCode(code), Reason: c.srv.reasons.take(c)})
		c.setState(stateClosing)
		c.await()
	}
}

// slow closes the connection of a client that does not take what it is sent.
// Messages that were not begun are dropped, so that it may learn why.
func (c *Conn) slow() {
	c.srv.stats.SlowConsumers.Add(1)
	c.pipe.Purge()
	c.fail(&CloseError{Code: StatusTryAgainLater, Reason: "slow consumer", Err: ErrSlowConsumer})
}

// shed closes the connection to get back what it makes the server hold. A
// client that could still be told why is told; the others are cut, because what
// they were being sent would have to be kept until they take it.
func (c *Conn) shed() {
	c.srv.stats.Shed.Add(1)
	why := &CloseError{Code: StatusTryAgainLater, Reason: "server is short of memory", Err: ErrOverload}
	c.pipe.Purge()
	if c.state == stateOpen && c.pipe.Waiting() == 0 {
		c.fail(why)
		c.pipe.Deafen()
		return
	}
	c.settle()
	c.remember(why)
	c.dec.Reset()
	if c.calls&owesClose == 0 {
		c.pipe.NoCalls() // none is owed, and nobody has to wait for a worker
	}
	c.pipe.Finish()
	c.pipe.Deafen()
}

// pingAfter is the silence after which this connection is sent a Ping: between
// three quarters and all of Config.PingInterval, by slot, so that clients that
// came together do not stay together.
func (c *Conn) pingAfter() engine.Tick { return c.spread(c.srv.ticks.ping) }

func (c *Conn) spread(every engine.Tick) engine.Tick {
	hash := uint32(c.pipe.Token()) * 0x9e3779b1 >> 20 // 12 bits
	return every - engine.Tick(uint64(every/4)*uint64(hash)>>12)
}

// firstDue is the first deadline of an open connection.
func (c *Conn) firstDue() engine.Tick {
	if c.Streaming() {
		return c.streamDue()
	}
	now, t := c.pipe.Now(), &c.srv.ticks
	var due engine.Tick
	if t.ping != 0 {
		due = now + c.pingAfter()
	}
	if t.idle != 0 {
		due = sooner(due, now+t.idle)
	}
	return due
}

// keep enforces the deadlines of an open connection: a peer that takes nothing,
// a message that does not end, silence. Only received bytes refresh liveness.
// It returns the next deadline, or 0 when it closed the connection or there is none.
func (c *Conn) keep(now engine.Tick) (due engine.Tick) {
	if c.Streaming() {
		return c.keepStream(now)
	}
	t := &c.srv.ticks
	heard := c.pipe.Heard()
	if oldest := c.pipe.Oldest(); oldest != 0 {
		if now >= oldest+t.stall {
			c.slow()
			return 0
		}
		due = oldest + t.stall
	}
	if c.began != 0 {
		if now >= c.began+t.message {
			c.srv.stats.MessageTimeouts.Add(1)
			c.fail(&CloseError{Code: StatusPolicy, Reason: "message took too long", Err: ErrTimeout})
			return 0
		}
		due = sooner(due, c.began+t.message)
	}
	if t.idle != 0 {
		if now >= heard+t.idle {
			c.srv.stats.IdleTimeouts.Add(1)
			c.fail(&CloseError{Code: c.srv.cfg.IdleCode, Reason: "idle", Err: ErrTimeout})
			return 0
		}
		due = sooner(due, heard+t.idle)
	}
	if t.ping == 0 {
		return due
	}
	if heard >= c.since { // before the Ping there was silence, so this came after it
		c.since = 0
	}
	if c.since == 0 && now >= heard+c.pingAfter() {
		c.since = now
		c.srv.stats.Pings.Add(1)
		c.control(ws.OpPing, nil)
	}
	if c.since == 0 {
		return sooner(due, heard+c.pingAfter())
	}
	if t.pong == 0 {
		c.since = 0 // nobody waits for the answer
		return sooner(due, now+c.pingAfter())
	}
	if now >= c.since+t.pong {
		c.srv.stats.PongTimeouts.Add(1)
		c.remember(&CloseError{Code: StatusAbnormal, Reason: "no answer to a ping", Err: ErrTimeout})
		c.pipe.Finish()
		return 0
	}
	// An answer is noticed at the next look, which must not delay the next Ping.
	return sooner(due, min(c.since+t.pong, now+c.pingAfter()))
}

// sooner is the smaller of two deadlines, of which 0 is none.
func sooner(a, b engine.Tick) engine.Tick {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
