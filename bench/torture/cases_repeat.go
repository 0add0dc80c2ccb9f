package torture

import (
	"fmt"
	"net/http"
	"strings"
)

// repeatCases: one key, twice at once. Row A14.
func repeatCases() []Case {
	return []Case{
		calling("A14/at-once", "forty calls of one Idempotency-Key at once, on as many connections, each signed anew", "one event, and one answer for all", atOnce),
		calling("A14/again", "a call that was served, and the same bytes of it again, with an Idempotency-Key and without",
			"with the key one event; without it two: a call can be replayed within the window", callAgain),
		calling("A14/other-call", "another call of a key that was used", "response 422, and nothing of it published", func(a *audience, phone *Client) error {
			p := a.b.push()
			if err := a.publish(phone, a.keyed(p.publish("first", "x", a.channel)), "first", "x"); err != nil {
				return err
			}
			return a.refuse(phone, a.keyed(p.publish("bent", "x", a.channel)), http.StatusUnprocessableEntity, http.StatusConflict)
		}),
		calling("A14/failed-first", "a call of a key that was refused, and one that is good", "the second is served", func(a *audience, phone *Client) error {
			p := a.b.push()
			if err := a.refuse(phone, a.keyed(p.publish("bent", "x", "a b")), http.StatusBadRequest); err != nil {
				return err
			}
			return a.publish(phone, a.keyed(p.publish("bent", "x", a.channel)), "bent", "x")
		}),
		calling("A14/not-signed", "a call of a key that was used, by somebody who cannot sign", "response 401, not the answer", func(a *audience, phone *Client) error {
			c := a.keyed(a.b.push().publish("bent", "x", a.channel))
			if err := a.publish(phone, c, "bent", "x"); err != nil {
				return err
			}
			return a.refuse(phone, c.with("auth_signature", strings.Repeat("0", 64)), http.StatusUnauthorized)
		}),
		servesCall("A14/key-255", "an Idempotency-Key of 255 bytes", longKey(255)),
		refusesCall("A14/key-256", "an Idempotency-Key of 256 bytes", longKey(256), http.StatusBadRequest),
	}
}

// keyed gives a call a key that no other case has.
func (a *audience) keyed(c call) call { return c.field("Idempotency-Key: " + a.channel) }

func longKey(size int) bend {
	return func(p *pusher, channel string) call {
		return p.publish("bent", "x", channel).field("Idempotency-Key: " + channel + strings.Repeat("k", size-len(channel)))
	}
}

func atOnce(a *audience, phone *Client) error {
	phones := []*Client{phone}
	for len(phones) < 40 {
		another, err := a.b.phone()
		if err != nil {
			return err
		}
		phones = append(phones, another)
	}
	for i, phone := range phones {
		p := a.b.push()
		c := p.event("bent", "x", a.channel).with("n", fmt.Sprint(i)).sign(p.App)
		phone.write(a.keyed(c).request(a.b.o).bytes())
	}
	for _, phone := range phones {
		if _, err := a.b.answer(phone, http.StatusOK, "{}"); err != nil {
			return err
		}
	}
	return a.hears("bent", "x")
}

func callAgain(a *audience, phone *Client) error {
	plain := a.b.push().publish("bent", "x", a.channel)
	for _, c := range []call{a.keyed(plain), plain} {
		for range 2 {
			if _, err := a.b.ask(phone, c, http.StatusOK, "{}"); err != nil {
				return err
			}
		}
	}
	for range 3 {
		if err := a.hears("bent", "x"); err != nil {
			return err
		}
	}
	return nil
}
