package server

import (
	"cmp"
	"time"
)

// early is how much before its time a deadline may be met: ticks are tenths of a second.
const early = 200 * time.Millisecond

// awaitEnd reads to the end of the stream, and checks when that comes: not
// before one moment, and not later than tardy after another.
func (cl *simClient) awaitEnd(what string, since time.Duration, least, most time.Duration) {
	cl.until(func() bool { return false })
	took := cl.r.w.Now() - since
	if cl.excused() || cl.status == 503 || cl.status == 429 {
		return
	}
	if took < least-early || took > most+cl.r.tardy {
		cl.fail("%s was ended after %v, want %v to %v", what, took, least, most)
	}
	cl.r.meet("deadline of " + what)
}

// never stands in for a deadline that is switched off.
const never = 24 * time.Hour

// silences are the earliest and the latest moment at which a client that is
// open and silent is closed.
func (cl *simClient) silences() (least, most time.Duration) {
	c := cl.r.srv.Config()
	least, most = never, never
	if c.PingInterval > 0 {
		least, most = c.PingInterval*3/4+c.PongTimeout, c.PingInterval+c.PongTimeout
	}
	if c.IdleTimeout > 0 {
		least, most = min(least, c.IdleTimeout), min(most, c.IdleTimeout)
	}
	return least, most
}

// mute connects and does not finish the opening handshake.
func (cl *simClient) mute() {
	if cl.r.patient {
		cl.polite()
		return
	}
	since := cl.r.w.Now()
	if !cl.dial() {
		return
	}
	if b := []byte(cl.request()); cl.d.IntN(2) == 0 {
		cl.write(b[:cl.d.IntN(len(b))])
	}
	limit := cl.r.srv.Config().Timeouts.Handshake
	cl.until(func() bool { return false })
	if cl.c.Aborted() {
		return
	}
	cl.awaitEnd("a mute client", since, limit, limit+10*time.Second) // it is accepted later when descriptors are short
}

// hardOfHearing stops answering: what it is sent meanwhile is no sign of life.
func (cl *simClient) hardOfHearing() {
	if least, _ := cl.silences(); cl.r.patient || least == never {
		cl.polite()
		return
	}
	if !cl.enter() {
		return
	}
	cl.talk()
	cl.until(func() bool { return len(cl.wants) == 0 || cl.last != nil || cl.r.gaps })
	cl.deaf = true
	least, most := cl.silences()
	cl.awaitEnd("a deaf client", cl.spoke, least, most)
}

// dawdler begins a message and does not end it.
func (cl *simClient) dawdler() {
	if cl.r.patient {
		cl.polite()
		return
	}
	if !cl.enter() {
		return
	}
	cl.talk()
	cl.deaf = true // a Pong would come in the middle of the message
	b := masked(fin|byte(Text), "never whole")
	cl.write(b[:1+cl.d.IntN(len(b)-1)])
	least, most := cl.silences()
	limit := cl.r.srv.Config().Timeouts.Message
	if cl.last == nil {
		cl.until(func() bool { return cl.last != nil })
		cl.c.CloseWrite() // our part: the rest is for the server
	}
	cl.awaitEnd("a dawdler", cl.spoke, min(least, limit), min(most, limit))
}

// stubborn says goodbye and does not end its stream.
func (cl *simClient) stubborn() {
	if cl.r.patient {
		cl.polite()
		return
	}
	if !cl.enter() {
		return
	}
	cl.talk()
	cl.quit = cl.write(goodbye(1000, ""))
	cl.until(func() bool { return cl.last != nil })
	c, limit := cl.c, cl.r.srv.Config().Timeouts.Close
	cl.r.w.Within(limit+cl.r.tardy, "the server closes a stubborn client", func() bool { return c.FD() < 0 })
	if cl.last != nil && cl.quit && !cl.excused() && cmp.Or(cl.last.code(), 0) != 1000 {
		cl.fail("the last frame is %v, want Close 1000", cl.last)
	}
}

const (
	blindEvery = 100 * time.Millisecond // between two messages for a client that reads nothing
	blindLeast = 200                    // bytes that are no control frames
)

// blind reads nothing while it is sent more than there is room for.
func (cl *simClient) blind() {
	if cl.r.patient {
		cl.polite()
		return
	}
	if !cl.enter() {
		return
	}
	r, c := cl.r, cl.c
	r.w.Within(time.Hour, "OnOpen", func() bool { return cl.peer() != nil || c.Ended() })
	p := cl.peer()
	if p == nil {
		return // it was slow enough without our help
	}
	for c.FD() >= 0 {
		r.app.push(simPush+100, p, 10_000)
		if r.w.Sleep(5 * time.Millisecond); p.c.pipe.Waiting() > 0 {
			break // not for somebody who is at work on it, but for the client
		}
	}
	// What the kernel had no memory for it may take when it is asked again; what
	// is sent then waits for the client in earnest.
	timeouts := r.srv.Config().Timeouts
	r.w.Sleep(timeouts.Stall + r.tardy)
	// Behind a Ping that waits it may be dropped, until that has gone.
	for range int((timeouts.Stall + r.tardy) / blindEvery) {
		if p.c.state != stateOpen || p.c.pipe.Waiting() >= blindLeast {
			break
		}
		r.app.push(simPush+100, p, 70_000)
		r.w.Sleep(blindEvery)
	}
	if p.c.state == stateOpen && p.c.pipe.Waiting() < blindLeast {
		return // all of it is dropped, and nothing waits for the client
	}
	r.w.Within(timeouts.Stall+r.tardy, "a client that reads nothing is given up", func() bool { return p.c.state != stateOpen })
	// Our last words have as long as any others, and then the client to answer.
	r.w.Within(timeouts.Stall+timeouts.Close+r.tardy, "a client that reads nothing is closed", func() bool { return c.FD() < 0 })
	r.meet("stall")
}

// peer is what the application knows of the client, nil before OnOpen.
func (cl *simClient) peer() *simPeer {
	for _, p := range cl.r.app.conns {
		if p.id == cl.id {
			return p
		}
	}
	return nil
}
