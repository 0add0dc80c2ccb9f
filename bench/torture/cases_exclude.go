package torture

import (
	"fmt"
	"net/http"
	"strings"
)

// excludeCases: the connection that is not to hear an event. Rows A9, A10.
func excludeCases() (all []Case) {
	for name, id := range map[string]string{
		"empty": `""`, "no-dot": `"12"`, "two-dots": `"1.2.3"`, "channel": `"1.2:private-x"`, "newline": `"1.2\n"`, "minus": `"-1.2"`, "plus": `"+1.2"`,
		"exponent": `"1e3.2"`, "hex": `"0x1.2"`, "space": `" 1.2"`, "no-first": `".2"`, "no-second": `"1."`, "unicode": `"١.٢"`, "nul": `"1.2\u0000"`,
		"number": `1.2`, "array": `["1.2"]`, "object": `{}`, "word": `"x"`,
	} {
		all = append(all, refusesCall("A9/socket-id-"+name, "a socket_id to exclude that is none: "+name, saying("events", func(_ *pusher, channel string) string {
			return strings.Replace(eventBody("bent", "x", channel), "{", `{"socket_id":`+id+`,`, 1)
		}), 400))
	}
	for name, id := range map[string]string{"nobody": "1.2", "largest": "9999999999.9999999999", "zeros": "0.0", "long": strings.Repeat("9", 10_000) + ".1"} {
		all = append(all, servesCall("A10/exclude-"+name, "a socket_id to exclude that is nobody's: "+name, saying("events", func(_ *pusher, channel string) string {
			return excluding(id, eventBody("bent", "x", channel))
		})))
	}
	for name, how := range map[string]struct {
		status int
		make   func(p *pusher, id, channel string) call
	}{
		"event": {200, func(p *pusher, id, channel string) call {
			return p.post("events", excluding(id, eventBody("bent", "x", channel)))
		}},
		"batch": {200, func(p *pusher, id, channel string) call {
			return p.post("batch_events", `{"batch":[`+excluding(id, eventBody("bent", "x", channel))+`]}`)
		}},
		"legacy": {202, func(p *pusher, id, channel string) call {
			return p.post("channels/"+channel+"/events", "x").with("name", "bent").with("socket_id", id)
		}},
	} {
		id := "A10/excluded-" + name
		all = append(all, runDrill(id, "-", "an event of which one of two subscribers is excluded: "+name, "the other hears it, and both the next", func(b *Bench) error {
			return b.excludes(id, how.status, how.make)
		}))
	}
	return all
}

// excluding says in an event who is not to hear it.
func excluding(id, event string) string {
	return strings.Replace(event, "{", `{"socket_id":`+quoteJSON(id)+`,`, 1)
}

func (b *Bench) excludes(id string, status int, make func(p *pusher, id, channel string) call) error {
	a, err := b.audience(id)
	if err != nil {
		return err
	}
	other, err := b.open()
	if err != nil {
		return err
	}
	if err := b.joins(other, a.channel); err != nil {
		return err
	}
	phone, err := b.phone()
	if err != nil {
		return err
	}
	p := b.push()
	if _, err := b.ask(phone, make(p, other.socket, a.channel).sign(p.App), status, ""); err != nil {
		return err
	}
	if err := a.hears("bent", "x"); err != nil {
		return fmt.Errorf("the subscriber that was not excluded: %w", err)
	}
	// What the other hears first is the control, which nobody is excluded from.
	data := b.control("good")
	if _, err := b.ask(phone, p.publish("good", data, a.channel), http.StatusOK, "{}"); err != nil {
		return err
	}
	if err := (&audience{b, other, a.channel}).hears("good", data); err != nil {
		return fmt.Errorf("the subscriber that was excluded: %w", err)
	}
	return a.hears("good", data)
}
