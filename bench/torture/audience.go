package torture

import (
	"fmt"
	"net/http"
)

// audience is a subscriber that hears what calls publish: of a call that is
// refused it must hear nothing, and of a good one at once.
type audience struct {
	b       *Bench
	c       *Client
	channel string // which nobody else has
}

// audience subscribes to a channel of the case's own.
func (b *Bench) audience(id string) (*audience, error) {
	c, err := b.open()
	if err != nil {
		return nil, err
	}
	a := &audience{b, c, channelName(b.control(id))}
	return a, b.joins(c, a.channel)
}

// stage is what most cases of calls begin with: somebody who listens, and a connection to
// make calls on.
func (b *Bench) stage(id string) (a *audience, phone *Client, err error) {
	if a, err = b.audience(id); err == nil {
		phone, err = b.phone()
	}
	return a, phone, err
}

// hears wants an event next.
func (a *audience) hears(name, data string) error {
	return a.b.expect(a.c, wantSaid(said{event: name, channel: a.channel}.exactly(data)))
}

// control makes a good call, which must be served, and be the next that is heard.
func (a *audience) control(phone *Client) error {
	data := a.b.control("good")
	if _, err := a.b.ask(phone, a.b.push().publish("good", data, a.channel), http.StatusOK, "{}"); err != nil {
		return fmt.Errorf("the control: %w", err)
	}
	if err := a.hears("good", data); err != nil {
		return fmt.Errorf("the control: %w", err)
	}
	return nil
}

// controlAfter makes the good call behind an answer: on the same connection, if
// that goes on.
func (a *audience) controlAfter(phone *Client, last Event) (err error) {
	if lists(last.Header.Get("Connection"), "close") {
		if err := a.b.hungUp(phone); err != nil {
			return err
		}
		if phone, err = a.b.phone(); err != nil {
			return err
		}
	}
	return a.control(phone)
}

// hungUp wants the end of a connection whose last response was announced as that.
func (b *Bench) hungUp(phone *Client) error {
	if e := phone.next(b.o.finWithin()); !e.proper() {
		return &mismatch{e.String() + " behind Connection: close", "FIN within " + b.o.finWithin().String()}
	}
	return nil
}

// bend makes a call of what is to be published.
type bend func(p *pusher, channel string) call

// beforeSigning is a bend of an event that is not signed yet.
func beforeSigning(change func(p *pusher, c call) call) bend {
	return func(p *pusher, channel string) call { return change(p, p.event("bent", "x", channel)) }
}

// afterSigning is a bend of an event whose signature does not know of it.
func afterSigning(change func(p *pusher, c call) call) bend {
	return func(p *pusher, channel string) call { return change(p, p.publish("bent", "x", channel)) }
}

// saying is a bend of what an event says, signed as it should be.
func saying(path string, text func(p *pusher, channel string) string) bend {
	return func(p *pusher, channel string) call { return p.post(path, text(p, channel)).sign(p.App) }
}

// refusesCall is a case of a call that gets one of the statuses, a sentence, and
// no other effect.
func refusesCall(id, name string, make bend, statuses ...int) Case {
	return runDrill(id, "-", name, fmt.Sprintf("response %v with a sentence, nothing published; then a good call is served", statuses), func(b *Bench) error {
		a, phone, err := b.stage(id)
		if err != nil {
			return err
		}
		phone.write(make(b.push(), a.channel).request(b.o).bytes())
		e, err := b.refusal(phone, statuses...)
		if err != nil {
			return err
		}
		return a.controlAfter(phone, e)
	})
}

// refusal wants a response with one of the statuses, and a text that says why.
func (b *Bench) refusal(phone *Client, statuses ...int) (e Event, err error) {
	e = phone.next(b.o.Timeout)
	for _, status := range statuses {
		if e.Kind == Response && e.Status == status {
			if len(e.Payload) == 0 {
				return e, &mismatch{e.String() + " without a word", "a sentence"}
			}
			return e, unreflected(e)
		}
	}
	return e, &mismatch{answered(e), fmt.Sprintf("response %v", statuses)}
}

// servesCall is a case of a call that is good, and heard. make publishes an event
// named bent with the data x.
func servesCall(id, name string, make bend) Case {
	return runDrill(id, "-", name, "response 200 {}, and the event is delivered", func(b *Bench) error {
		a, phone, err := b.stage(id)
		if err != nil {
			return err
		}
		if _, err := b.ask(phone, make(b.push(), a.channel), http.StatusOK, "{}"); err != nil {
			return err
		}
		if err := a.hears("bent", "x"); err != nil {
			return err
		}
		return a.control(phone)
	})
}

// calling is a case of several calls. A good one ends it, on the same connection.
func calling(id, name, want string, calls func(a *audience, phone *Client) error) Case {
	return runDrill(id, "-", name, want, func(b *Bench) error {
		a, phone, err := b.stage(id)
		if err != nil {
			return err
		}
		if err := calls(a, phone); err != nil {
			return err
		}
		return a.control(phone)
	})
}

// publish makes a good call, and hears its event.
func (a *audience) publish(phone *Client, c call, name, data string) error {
	if _, err := a.b.ask(phone, c, http.StatusOK, "{}"); err != nil {
		return err
	}
	return a.hears(name, data)
}

// refuse makes a call that gets one of the statuses.
func (a *audience) refuse(phone *Client, c call, statuses ...int) error {
	phone.write(c.request(a.b.o).bytes())
	_, err := a.b.refusal(phone, statuses...)
	return err
}
