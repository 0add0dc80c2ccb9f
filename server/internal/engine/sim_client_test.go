package engine

import (
	"io"
	"time"
)

// simClient is one client of the simulation. It believes nothing: every unit
// it gets must be for it, whole, in order, and there only once.
type simClient struct {
	r      *simRun
	id     uint32
	c      simConn
	slow   bool // reads little at a time, and seldom
	sent   uint32
	echoed uint32
	pushed map[uint32]uint32 // next sequence number by sender
	hello  bool              // answered
	last   bool              // the server said its last word
	taken  bool              // whoever took the descriptor from the engine spoke
	ended  error             // how the stream ended: io.EOF or ECONNRESET
	spoke  time.Duration     // when it last sent something
	buf    []byte
}

// How a client ends. The first ones are owed all answers.
const (
	endGently   = iota // waits for the answers, then says goodbye
	endHalf            // says goodbye at once and reads on
	endWrong           // breaks a rule, goes on talking, and wants to read why it is closed
	endDetached        // asks for what is not the engine's
	endSilent          // says nothing more, until the server loses patience
	endAbruptly        // closes, perhaps with bytes unread
	endReset
	endLost
	endMute // never says a word
	endings
)

func (r *simRun) client(id uint32) {
	cl := &simClient{r: r, id: id, pushed: make(map[uint32]uint32)}
	cl.slow = r.w.Rand.IntN(5) == 0
	ending := r.w.Rand.IntN(endings)
	if r.w.Rand.IntN(2) == 0 {
		ending = r.w.Rand.IntN(endSilent)
	}
	if ending == endMute {
		cl.mute()
		return
	}
	if !cl.connect() {
		return
	}
	if ending == endDetached && cl.c.tls != nil {
		ending = endGently // whoever takes the descriptor would have to take its TLS, too
	}
	units := r.w.Rand.IntN(r.units)
	for i := range units {
		if ending >= endAbruptly && i == units/2 {
			break
		}
		cl.say(kindEcho)
		r.think()
	}
	cl.end(ending)
	cl.c.Close()
}

// connect dials and says hello until it is answered.
func (cl *simClient) connect() bool {
	r := cl.r
	for {
		door := r.door()
		dialled, err := door.Dial()
		if err != nil {
			if !r.stopped {
				r.w.Fail("client %d: %v", cl.id, err)
			}
			return false
		}
		c := simConn{Client: dialled}
		if r.cfg.TLS != nil && door == r.listener {
			c = r.secured(dialled)
		}
		cl.c, cl.buf, cl.ended = c, nil, nil
		cl.write(appendUnit(nil, kindHello, cl.id, 0, r.w.Rand.IntN(50)))
		cl.until(func() bool { return cl.hello })
		if cl.hello {
			return true
		}
		c.Close()
		switch {
		case r.stopped || r.doomed[cl.id]:
			return false
		case !c.Aborted() && r.refusals+r.declined == 0:
			r.w.Fail("client %d: the connection ended without an answer: %v", cl.id, cl.ended)
		}
		r.w.Sleep(time.Second)
	}
}

func (cl *simClient) mute() {
	c, err := cl.r.door().Dial()
	if err != nil {
		return
	}
	cl.c = simConn{Client: c}
	if cl.r.w.Rand.IntN(2) == 0 {
		hello := appendUnit(nil, kindHello, cl.id, 0, 20)
		hello = hello[:1+cl.r.w.Rand.IntN(len(hello)-1)]
		if cl.r.cfg.TLS == nil {
			cl.write(hello)
		} else {
			c.Send(hello)
		}
	}
	for cl.r.cfg.TLS != nil && cl.ended == nil {
		_, cl.ended = c.Read(make([]byte, 100)) // an alert is no unit
	}
	cl.until(func() bool { return false })
	c.Close()
}

// say sends a unit. It reports false when the stream is over.
func (cl *simClient) say(kind byte) bool {
	filling := cl.r.w.Rand.IntN(cl.r.filling)
	ok := cl.write(appendUnit(nil, kind, cl.id, cl.sent, filling))
	if ok {
		cl.sent++
	}
	return ok
}

// write sends b, and reads while there is no room: a client that does not must
// not expect to be served. It reports false when the stream is over.
func (cl *simClient) write(b []byte) bool {
	w := cl.r.w
	for len(b) > 0 {
		if cl.ended != nil || cl.last {
			return false
		}
		c := cl.c
		w.Until("client talks", func() bool { return c.Room() > 0 || c.Buffered() > 0 || c.Ended() })
		if c.Buffered() > 0 || c.Ended() {
			cl.receive()
			continue
		}
		cl.spoke = w.Now()
		n, err := c.Write(b)
		if err != nil {
			cl.receive()
			return false
		}
		b = b[n:]
	}
	return true
}

// until reads until done or the end of the stream.
func (cl *simClient) until(done func() bool) {
	for !done() && cl.ended == nil {
		cl.receive()
	}
}

// receive reads once and checks what came.
func (cl *simClient) receive() {
	size := 1 + cl.r.w.Rand.IntN(8000)
	if cl.slow {
		size = 1 + size%40
		cl.r.w.Sleep(10 * time.Millisecond)
	}
	b := make([]byte, size)
	n, err := cl.c.Read(b)
	if err != nil {
		cl.ended = err
		return
	}
	cl.buf = append(cl.buf, b[:n]...)
	for {
		u, ok := cutUnit(cl.buf)
		if !ok {
			return
		}
		cl.check(u)
		cl.buf = cl.buf[len(u.whole):]
	}
}

func (cl *simClient) check(u unit) {
	w := cl.r.w
	if cl.last || cl.taken {
		w.Fail("client %d: a unit %c after the last", cl.id, u.kind)
	}
	gaps := cl.r.gaps || cl.r.doomed[cl.id]
	switch u.kind {
	case kindHello:
		if cl.hello || u.maker != cl.id {
			w.Fail("client %d: a hello for %d", cl.id, u.maker)
		}
		cl.hello = true
	case kindEcho:
		if u.maker != cl.id || u.seq < cl.echoed || u.seq > cl.echoed && !gaps || u.seq >= cl.sent+1 {
			w.Fail("client %d: echo %d of client %d, want %d of %d", cl.id, u.seq, u.maker, cl.echoed, cl.sent)
		}
		cl.echoed = u.seq + 1
	case kindPushed:
		next := cl.pushed[u.maker]
		if u.seq < next || u.seq > next && !gaps {
			w.Fail("client %d: push %d of sender %d, want %d", cl.id, u.seq, u.maker, next)
		}
		cl.pushed[u.maker] = u.seq + 1
	case kindLast:
		cl.last = true
		if silent := w.Now() - cl.spoke; u.seq == lastIdle && silent < cl.r.idleTime-cl.r.tardy {
			w.Fail("client %d: closed for silence, %v after it spoke", cl.id, silent)
		}
	case kindDetach:
		cl.taken = true
	default:
		w.Fail("client %d: a unit of kind %c", cl.id, u.kind)
	}
}

// end ends the connection, and checks that the client got what it is owed.
func (cl *simClient) end(how int) {
	over := func() bool { return cl.last }
	switch how {
	case endGently:
		cl.until(func() bool { return cl.last || cl.echoed == cl.sent })
	case endWrong:
		if cl.say(kindWrong) {
			cl.sent-- // no answer is owed to that, and nobody will read what follows as units
			cl.c.Write(make([]byte, 1+cl.r.w.Rand.IntN(3000)))
		}
		cl.until(over)
	case endDetached:
		if cl.say(kindDetach) {
			cl.sent--
		}
	case endSilent:
		cl.until(over)
	case endAbruptly:
		return
	case endReset:
		cl.c.Reset()
		return
	case endLost:
		cl.c.Lose()
		return
	}
	stubborn := how == endWrong && cl.r.w.Rand.IntN(3) == 0
	if how != endDetached && !stubborn {
		cl.c.CloseWrite()
	}
	cl.until(func() bool { return false })
	if stubborn { // the server does not wait for ever for the client's goodbye
		cl.r.w.Within(cl.r.lingerTime+cl.r.tardy, "the server closes", func() bool { return cl.c.FD() < 0 })
	}
	if cl.r.stopped || cl.r.doomed[cl.id] {
		return
	}
	w := cl.r.w
	if cl.echoed != cl.sent && !cl.r.gaps && !cl.last {
		w.Fail("client %d: %d of %d units were echoed; ended by %v", cl.id, cl.echoed, cl.sent, cl.ended)
	}
	if len(cl.buf) > 0 {
		w.Fail("client %d: the stream ends in the middle of a unit", cl.id)
	}
	if cl.ended != io.EOF && (!cl.last || cl.ended == errNoNotify) {
		w.Fail("client %d: %v instead of the end of the stream", cl.id, cl.ended)
	}
	if (how == endWrong || how == endSilent) && !cl.last || how == endDetached && !cl.taken && !cl.last {
		w.Fail("client %d: the last word is missing", cl.id)
	}
}
