package torture

import (
	"fmt"
	"net/http"
	"strings"
)

// repeatCases: one key, twice at once. Row A14.
func repeatCases() []Case {
	return []Case{
		runDrill("A14/at-once", "-", "forty calls of one Idempotency-Key at once, on as many connections, each signed anew", "one event, and one answer for all", func(b *Bench) error {
			a, err := b.audience("A14/at-once")
			if err != nil {
				return err
			}
			var phones []*Client
			for range 40 {
				phone, err := b.phone()
				if err != nil {
					return err
				}
				phones = append(phones, phone)
			}
			key := "Idempotency-Key: " + a.channel
			for i, phone := range phones {
				p := b.push()
				phone.write(p.event("bent", "x", a.channel).with("n", fmt.Sprint(i)).sign(p.App).field(key).request(b.o).bytes())
			}
			for _, phone := range phones {
				if _, err := b.answer(phone, http.StatusOK, "{}"); err != nil {
					return err
				}
			}
			if err := a.hears("bent", "x"); err != nil {
				return err
			}
			return a.control(phones[0])
		}),
		runDrill("A14/again", "-", "a call that was served, and the same bytes of it again, with an Idempotency-Key and without", "with the key one event; without it two: a call can be replayed within the window", func(b *Bench) error {
			a, err := b.audience("A14/again")
			if err != nil {
				return err
			}
			phone, err := b.phone()
			if err != nil {
				return err
			}
			plain := b.push().publish("bent", "x", a.channel)
			for _, c := range []call{plain.field("Idempotency-Key: " + a.channel), plain} {
				for range 2 {
					if _, err := b.ask(phone, c, http.StatusOK, "{}"); err != nil {
						return err
					}
				}
			}
			for range 3 {
				if err := a.hears("bent", "x"); err != nil {
					return err
				}
			}
			return a.control(phone)
		}),
		runDrill("A14/other-call", "-", "another call of a key that was used", "response 422, and nothing of it published", func(b *Bench) error {
			a, err := b.audience("A14/other-call")
			if err != nil {
				return err
			}
			phone, err := b.phone()
			if err != nil {
				return err
			}
			key := "Idempotency-Key: " + a.channel
			if _, err := b.ask(phone, b.push().publish("first", "x", a.channel).field(key), http.StatusOK, "{}"); err != nil {
				return err
			}
			if err := a.hears("first", "x"); err != nil {
				return err
			}
			phone.write(b.push().publish("bent", "x", a.channel).field(key).request(b.o).bytes())
			if _, err := b.refusal(phone, http.StatusUnprocessableEntity, http.StatusConflict); err != nil {
				return err
			}
			return a.control(phone)
		}),
		runDrill("A14/failed-first", "-", "a call of a key that was refused, and one that is good", "the second is served", func(b *Bench) error {
			a, err := b.audience("A14/failed-first")
			if err != nil {
				return err
			}
			phone, err := b.phone()
			if err != nil {
				return err
			}
			key := "Idempotency-Key: " + a.channel
			phone.write(b.push().publish("bent", "x", "a b").field(key).request(b.o).bytes())
			if _, err := b.refusal(phone, http.StatusBadRequest); err != nil {
				return err
			}
			if _, err := b.ask(phone, b.push().publish("bent", "x", a.channel).field(key), http.StatusOK, "{}"); err != nil {
				return err
			}
			if err := a.hears("bent", "x"); err != nil {
				return err
			}
			return a.control(phone)
		}),
		runDrill("A14/not-signed", "-", "a call of a key that was used, by somebody who cannot sign", "response 401, not the answer", func(b *Bench) error {
			a, err := b.audience("A14/not-signed")
			if err != nil {
				return err
			}
			phone, err := b.phone()
			if err != nil {
				return err
			}
			c := b.push().publish("bent", "x", a.channel).field("Idempotency-Key: " + a.channel)
			if _, err := b.ask(phone, c, http.StatusOK, "{}"); err != nil {
				return err
			}
			if err := a.hears("bent", "x"); err != nil {
				return err
			}
			phone.write(c.with("auth_signature", strings.Repeat("0", 64)).request(b.o).bytes())
			if _, err := b.refusal(phone, http.StatusUnauthorized); err != nil {
				return err
			}
			return a.control(phone)
		}),
		servesCall("A14/key-255", "an Idempotency-Key of 255 bytes", func(p *pusher, channel string) call {
			return p.publish("bent", "x", channel).field("Idempotency-Key: " + channel + strings.Repeat("k", 255-len(channel)))
		}),
		refusesCall("A14/key-256", "an Idempotency-Key of 256 bytes", func(p *pusher, channel string) call {
			return p.publish("bent", "x", channel).field("Idempotency-Key: " + channel + strings.Repeat("k", 256-len(channel)))
		}, 400),
	}
}
