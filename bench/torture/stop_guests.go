package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// gather brings everybody who is to be there when the server is told to end, in
// turns of every kind, so that none of them is told before all others.
func (e *leaving) gather() error {
	const talking, quiet, halves, pipelining, handshaking, crossing = 48, 16, 8, 8, 8, 8
	kinds := []struct {
		kind, id string
		n        int
		enter    func(g *guest) error
		part     func(g *guest) error
	}{
		{"a client that talks", "S1/talking", talking, e.opens, e.talks},
		{"a client that says nothing", "S1/quiet", quiet, e.opens, e.waits},
		{"a client in the middle of a message", "S1/messages", halves, e.beginsMessage, e.endsMessage},
		{"a client that has sent much", "S1/pipelined", pipelining, e.sendsMuch, e.hearsMuch},
		{"a client in its handshake", "S5/handshakes", handshaking, e.beginsHandshake, e.endsHandshake},
		{"a client that closes meanwhile", "F21/crossing", crossing, e.opens, e.crosses},
	}
	for i := range talking {
		for _, k := range kinds {
			if i%(talking/k.n) != 0 {
				continue
			}
			if err := e.enter(k.kind, k.id, k.enter, k.part); err != nil {
				return err
			}
		}
	}
	if e.o.Push != nil {
		if err := e.gatherPush(); err != nil {
			return err
		}
	}
	e.most = len(e.guests)
	if e.Rude {
		for range 2 {
			if err := e.enter("a client that answers no Close frame", "S4/mute", e.opens, e.mute); err != nil {
				return err
			}
			if err := e.enter("a client that reads nothing", "S4/mute", e.fills, func(*guest) error { <-e.over; return nil }); err != nil {
				return err
			}
		}
	} else if err := e.enter("a client that takes its time", "S1/quiet", e.opens, e.holds); err != nil {
		return err
	}
	if !e.AtOnce {
		e.begin(&e.stay, &guest{bench: &Bench{o: e.o}, kind: "a client that comes meanwhile", id: "S5/knocking"}, e.knocks)
	}
	time.Sleep(200 * time.Millisecond) // what was sent is read
	return nil
}

// enter opens a connection; part begins with the signal, but that of those who talk at once.
func (e *leaving) enter(kind, id string, opens, part func(g *guest) error) error {
	g := &guest{bench: &Bench{o: e.o}, kind: kind, id: id}
	if err := opens(g); err != nil {
		return fmt.Errorf("torture: %s cannot come: %w", kind, err)
	}
	group := &e.all
	if id == "S4/mute" || kind == "a client that takes its time" || kind == publisher {
		group = &e.stay
	}
	e.begin(group, g, part)
	return nil
}

func (e *leaving) opens(g *guest) (err error) {
	if g.c, err = g.bench.open(); err == nil {
		g.c.pongs = true
	}
	return err
}

// answered counts messages that the server has served.
func (e *leaving) answered(messages int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard += int64(messages)
}

// until is how long a client waits for what has to come before the end.
func (e *leaving) until() time.Duration {
	if e.isBegun() {
		return e.Window + e.Grace + e.o.Timeout
	}
	return e.o.Timeout
}

// talks says a word and waits for its answer, until it is told to go. A word that
// was on its way when the Close frame came may have none; one that had time to
// arrive must have it.
func (e *leaving) talks(g *guest) error {
	for n := 0; ; n++ {
		say, answer := e.o.dialect.word(g.bench.control("until the end") + fmt.Sprint(" ", n))
		sent, late := time.Now(), e.isOver()
		g.c.write(wireOf(say...).Bytes)
		if told, err := e.answerOrClose(g, answer, len(say), sent); told || err != nil {
			return err
		}
		if late {
			return &mismatch{"an answer when the process had ended", "the end"}
		}
		if event := g.c.next(30 * time.Millisecond); event.Kind != Silence {
			return e.farewell(g, event)
		}
	}
}

func (e *leaving) isOver() bool {
	select {
	case <-e.over:
		return true
	default:
		return false
	}
}

// answerOrClose takes the answer to so many messages, or the Close frame that crossed them.
func (e *leaving) answerOrClose(g *guest, answer expect, messages int, sent time.Time) (told bool, err error) {
	event := g.c.next(e.until())
	if answer.meets(event) {
		e.answered(messages)
		if e.isBegun() {
			g.served++
		}
		return false, nil
	}
	if waited := time.Since(sent); event.Kind == Close && waited > e.o.Delay {
		return true, &mismatch{fmt.Sprintf("%v, %v after a message that was never answered", event, waited.Round(time.Millisecond)), answer.String()}
	}
	return true, e.farewell(g, event)
}

// farewell judges the server's Close frame, answers it, and wants the end.
func (e *leaving) farewell(g *guest, event Event) error {
	if want := wantClose(e.Codes...); !want.meets(event) {
		return &mismatch{event.String(), want.String()}
	}
	e.mu.Lock()
	g.told = time.Now()
	e.told = append(e.told, g.told)
	e.mu.Unlock()
	g.c.write(wireOf(closing(event.Code, "")).Bytes)
	err := g.bench.fin(g.c)
	g.c.close()
	return err
}

func (e *leaving) waits(g *guest) error {
	<-e.begun
	return e.farewell(g, g.c.next(e.until()))
}

const halfMessage = "a message that had begun when the server was told to end"

// half is a message that is sent in two parts, what else is said, and the answer.
func (e *leaving) half() (message string, rest []part, answer expect) {
	say, answer := e.o.dialect.word(halfMessage)
	return string(say[0].(Frame).Payload), say[1:], answer
}

func (e *leaving) beginsMessage(g *guest) error {
	if err := e.opens(g); err != nil {
		return err
	}
	message, _, _ := e.half()
	return g.c.write(wireOf(more(text(message[:10]))).Bytes)
}

func (e *leaving) endsMessage(g *guest) error {
	<-e.begun
	if event := g.c.next(rand.N(e.Window/4 + 1)); event.Kind != Silence {
		return e.farewell(g, event)
	}
	message, rest, answer := e.half()
	g.c.write(wireOf(append([]part{cont(message[10:])}, rest...)...).Bytes)
	if told, err := e.answerOrClose(g, answer, 1+len(rest), time.Now()); told || err != nil {
		return err
	}
	return e.waits(g)
}

// Sent before the signal by one client, in one write, before it begins to read.
const pipelined, pipelinedSize = 64, 8 << 10

func pipelinedMessage(i int) []byte { return fmt.Appendf(nil, "%0*d", pipelinedSize, i) }

// pipelined is one of these words; a channel's name is short.
func (e *leaving) pipelined(i int) ([]part, expect) {
	message := pipelinedMessage(i)
	if e.o.Push != nil {
		message = message[pipelinedSize-100:]
	}
	return e.o.dialect.word(string(message))
}

func (e *leaving) sendsMuch(g *guest) error {
	if err := e.opens(g); err != nil {
		return err
	}
	g.c.tcp.SetReadBuffer(smallBuffer)
	g.c.pause()
	var w Wire
	for i := range pipelined {
		say, _ := e.pipelined(i)
		for _, p := range say {
			p.appendPart(&w)
		}
	}
	return g.c.write(w.Bytes)
}

// hearsMuch reads from the signal on: what the server has taken by then, in order
// and without a gap. How much that was, only its counters know.
func (e *leaving) hearsMuch(g *guest) error {
	<-e.begun
	g.c.resume()
	for i := range pipelined {
		event := g.c.next(e.until())
		if i > 0 && event.Kind == Close {
			return e.farewell(g, event)
		}
		say, want := e.pipelined(i)
		if !want.meets(event) {
			return &mismatch{fmt.Sprintf("%v%s for message %d of %d", event, want.differ(event), i+1, pipelined), want.String()}
		}
		e.answered(len(say))
	}
	return e.waits(g)
}

func (e *leaving) beginsHandshake(g *guest) (err error) {
	if g.c, err = g.bench.dial(); err != nil {
		return err
	}
	g.c.listen(false)
	return g.c.write(e.o.request().bytes()[:40])
}

// endsHandshake goes on with a handshake after the signal.
func (e *leaving) endsHandshake(g *guest) error {
	<-e.begun
	if event := g.c.next(rand.N(e.Window/2 + 1)); event.Kind != Silence {
		return e.refusal(g, event)
	}
	g.c.write(e.o.request().bytes()[40:])
	return e.served(g)
}

// patient is how long somebody who comes, or wants to, may be kept without a word.
func (e *leaving) patient() time.Duration { return max(e.o.Delay, e.Window/2) }

// served wants an answer to a handshake: the service that others have, or a refusal.
func (e *leaving) served(g *guest) error {
	event := g.c.next(e.patient())
	if event.Kind != Response || event.Status != 101 {
		return e.refusal(g, event)
	}
	if told, err := e.greeted(g); told || err != nil {
		return err
	}
	return e.talks(g)
}

// refusal is a response that says no, or an end.
func (e *leaving) refusal(g *guest, event Event) error {
	switch {
	case event.Kind == Response && event.Status >= 400:
		event = g.c.next(e.patient())
		fallthrough
	case event.Kind == EOF, event.Kind == Reset:
		if g.c.close(); event.Kind != EOF && event.Kind != Reset {
			return &mismatch{event.String() + " after a refusal", "FIN"}
		}
		return nil
	}
	return &mismatch{event.String(), "a response or an end"}
}

// crosses has a client close in the same moments as the server does.
func (e *leaving) crosses(g *guest) error {
	<-e.begun
	time.Sleep(rand.N(e.Window + 1))
	g.c.write(wireOf(closing(1000, "")).Bytes)
	if err := g.bench.expect(g.c, wantClose(append([]uint16{1000}, e.Codes...)...)); err != nil {
		return err
	}
	err := g.bench.fin(g.c)
	g.c.close()
	return err
}

// holds answers the Close frame when all others have left and the server's
// counters were read, so that they can be: then it ends.
func (e *leaving) holds(g *guest) error {
	<-e.begun
	if event := g.c.next(e.until()); !wantClose(e.Codes...).meets(event) {
		return &mismatch{event.String(), wantClose(e.Codes...).String()}
	}
	select {
	case <-e.counted:
	case <-e.over:
	}
	g.c.close()
	return nil
}

// mute takes the Close frame and does nothing.
func (e *leaving) mute(g *guest) error {
	<-e.begun
	event := g.c.next(e.until())
	<-e.over
	if want := wantClose(e.Codes...); !want.meets(event) {
		return &mismatch{event.String(), want.String()}
	}
	return nil
}

// fills has the server hold echoes for a client that does not read.
func (e *leaving) fills(g *guest) error {
	if err := e.opens(g); err != nil {
		return err
	}
	if e.o.Push != nil {
		if err := e.joins(g); err != nil {
			return err
		}
	}
	g.c.tcp.SetReadBuffer(smallBuffer)
	g.c.pause()
	if e.o.Push != nil {
		return nil // the events are what waits for it
	}
	g.c.limit = 200 * time.Millisecond // a server that stops reading is right, too
	message := wireOf(dataFrame(opBinary, noise(64<<10))).Bytes
	for range 128 {
		if g.c.write(message) != nil {
			break
		}
	}
	go func() { <-e.over; g.c.resume() }()
	return nil
}

// knocks has clients come until the server has ended.
func (e *leaving) knocks(g *guest) error {
	<-e.begun
	for {
		select {
		case <-e.over:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
		g.bench.forget()
		var err error
		if g.c, err = g.bench.dial(); err != nil {
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				return &mismatch{err.Error(), "a connection, or a refusal"}
			}
			continue
		}
		g.c.listen(false)
		g.c.write(e.o.request().bytes())
		if err := e.served(g); err != nil {
			return err
		}
	}
}
