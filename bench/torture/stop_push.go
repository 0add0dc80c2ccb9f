package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// accepted is an event that a backend was told would be delivered.
type accepted struct {
	from string
	n    int
	at   time.Time // when it was told
}

const publisher = "a backend that publishes"

// gatherPush brings those that only a server of the Pusher Channels protocol has:
// subscribers, and backends that call its API for them until it is over.
func (e *leaving) gatherPush() error {
	const subscribers, publishers, calls = 16, 3, 4
	e.channel = (&Bench{o: e.o}).channel("until-the-end")
	for range subscribers {
		if err := e.enter("a subscriber", "S6/delivered", e.subscribes, e.hears); err != nil {
			return err
		}
	}
	for i := range publishers {
		part := func(g *guest) error { return e.publishes(g, fmt.Sprint("p", i)) }
		if err := e.enter(publisher, "S6/calls", e.dials, part); err != nil {
			return err
		}
	}
	for i := range calls {
		part := func(g *guest) error { return e.endsCall(g, fmt.Sprint("half", i)) }
		begins := func(g *guest) error { return e.beginsCall(g, fmt.Sprint("half", i)) }
		if err := e.enter("a call that has begun", "S6/calls", begins, part); err != nil {
			return err
		}
	}
	return nil
}

// greeted takes what a server says first, or the Close frame that it says in its place.
func (e *leaving) greeted(g *guest) (told bool, err error) {
	if e.o.Push == nil {
		return false, nil
	}
	event := g.c.next(e.patient())
	if event.Kind == Close {
		return true, e.farewell(g, event)
	}
	if wrong := established.wrong(event); wrong != "" {
		return false, &mismatch{wrong, established.String()}
	}
	return false, nil
}

func (e *leaving) joins(g *guest) error {
	err := g.bench.joins(g.c, e.channel)
	if err == nil {
		e.answered(1)
	}
	return err
}

func (e *leaving) subscribes(g *guest) error {
	if err := e.opens(g); err != nil {
		return err
	}
	g.news = &hearing{channel: e.channel}
	return e.joins(g)
}

// hears takes events until it is told to go. Whether it had all of them is judged
// when all is over.
func (e *leaving) hears(g *guest) error {
	for {
		event := g.c.next(e.until())
		if event.Kind == Close {
			return e.farewell(g, event)
		}
		if err := g.news.take(event); err != nil {
			return err
		}
	}
}

func (e *leaving) dials(g *guest) (err error) {
	g.c, err = g.bench.phone()
	return err
}

// eventSize has what is on its way to all subscribers fill more than one write.
const eventSize = 2 << 10

func (e *leaving) event(from string, n int) call {
	return e.o.dialect.(*pusher).publish("numbered", stamped(from, n, eventSize), e.channel)
}

func (e *leaving) accept(from string, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.accepted = append(e.accepted, accepted{from, n, time.Now()})
}

// publishes publishes without a pause that matters until the server is over. What
// was refused once goes on under another name for each event, since whether one
// without an answer was published nobody knows.
func (e *leaving) publishes(g *guest, name string) error {
	from, n := name, 0
	for late := 0; !e.isOver(); time.Sleep(15 * time.Millisecond) {
		begun := e.isBegun()
		if g.c == nil {
			g.bench.forget()
			if err := e.dials(g); err != nil {
				var silent net.Error
				if errors.As(err, &silent) && silent.Timeout() {
					return &mismatch{err.Error(), "a connection, or a refusal"}
				}
				continue // the listener is gone
			}
		}
		g.c.write(e.event(from, n).request(e.o).bytes())
		event := g.c.next(e.o.Timeout)
		switch {
		case event.Kind == Response && event.Status == http.StatusOK:
			e.accept(from, n)
			n++
			continue
		case !begun && !e.isBegun():
			return &mismatch{answered(event), "response 200"}
		case event.Kind == Response && event.Status == http.StatusServiceUnavailable, event.Kind == EOF, event.Kind == Reset:
		default:
			return &mismatch{answered(event) + " for a call that came late", "response 503, or an end"}
		}
		late++
		g.c, from, n = nil, fmt.Sprint(name, "-", late), 0
	}
	return nil
}

// beginsCall has the server ask for the body of a call: it serves the call then.
func (e *leaving) beginsCall(g *guest, from string) error {
	if err := e.dials(g); err != nil {
		return err
	}
	r := e.event(from, 0).request(e.o)
	g.body, r.body = r.body, nil
	g.c.write(r.with("Expect: 100-continue").bytes())
	_, err := g.bench.answer(g.c, http.StatusContinue, "")
	return err
}

func (e *leaving) endsCall(g *guest, from string) error {
	<-e.begun
	time.Sleep(rand.N(e.Window/4 + 1)) // most subscribers are told later
	g.c.write(g.body)
	if _, err := g.bench.answer(g.c, http.StatusOK, ""); err != nil {
		return err
	}
	e.accept(from, 0)
	return nil
}

func (e *leaving) isBegun() bool {
	select {
	case <-e.begun:
		return true
	default:
		return false
	}
}

// judgeDelivery holds what subscribers have heard against what backends were told.
// What was accepted before the signal reaches everybody. Of what was accepted later
// only those can be sure who were told a while after it: an answer to a backend and
// a Close frame to a client come on two ways.
func (e *leaving) judgeDelivery() {
	if e.o.Push != nil && len(e.accepted) == 0 {
		e.fault(&guest{bench: new(Bench), id: "S6/calls", kind: publisher, err: &mismatch{"no event accepted", "many"}})
	}
	for _, g := range e.guests {
		if g.news == nil || g.err != nil {
			continue
		}
		for _, a := range e.accepted {
			if a.at.After(e.signalled) && g.told.Sub(a.at) < e.Window/4 || g.news.next[a.from] > a.n {
				continue
			}
			g.err = &mismatch{
				fmt.Sprintf("%d events of %s", g.news.next[a.from], a.from),
				fmt.Sprintf("event %d, too, which was accepted %v after the signal, and %v before the Close frame came",
					a.n, a.at.Sub(e.signalled).Round(time.Millisecond), g.told.Sub(a.at).Round(time.Millisecond)),
			}
			break
		}
		first := len(g.news.order)
		for _, next := range g.news.next {
			first -= next
		}
		if first != 0 && g.err == nil { // it was there before the first event
			g.err = &mismatch{"events without the first ones", "all of them"}
		}
		if g.err != nil {
			e.fault(g)
		}
	}
}
