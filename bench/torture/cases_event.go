package torture

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// jsonCases: bodies that are no JSON, or not the JSON that was meant. Rows A7, R6.
func jsonCases() (all []Case) {
	for name, text := range map[string]string{
		"empty": "", "space": " ", "null": "null", "true": "true", "number": "7", "string": `"x"`, "array": "[]", "empty-object": "{}",
		"open": "{", "open-string": `{"name":"`, "closed": "}", "single-quotes": `{'name':'e'}`, "no-quotes": `{name:"e"}`, "comma": `{"name":"e",}`,
		"comment": `{/**/}`, "nan": "NaN", "infinity": "-Infinity", "huge-exponent": "1e999", "leading-zero": "01", "plus": "+1", "hex": "0x10",
		"long-number": strings.Repeat("9", 60_000), "deep-arrays": strings.Repeat("[", 60_000), "deep-objects": strings.Repeat(`{"a":`, 12_000),
		"deep-both": strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000), "nul": "\x00", "bom-only": "\ufeff", "xml": "<event/>",
		"form": "name=e&channel=c&data=x", "utf-16": "\xff\xfe{\x00}\x00", "many-keys": "{" + strings.Repeat(`"k":0,`, 8_000) + `"k":0}`,
	} {
		for _, path := range []string{"events", "batch_events"} {
			all = append(all, refusesCall("A7/"+path+"-"+name, "a body that is no event: "+name, saying(path, func(*pusher, string) string { return text }), 400))
		}
	}
	for name, bad := range map[string]func(good string) string{
		"bom":          func(s string) string { return "\ufeff" + s },
		"trailing":     func(s string) string { return s + "x" },
		"twice":        func(s string) string { return s + s },
		"trailing-nul": func(s string) string { return s + "\x00" },
		"name-twice":   func(s string) string { return strings.Replace(s, `"name"`, `"name":"other","name"`, 1) },
		"escaped-key":  func(s string) string { return strings.Replace(s, `"name"`, `"name":"other","n\u0061me"`, 1) },
		"invalid-utf8": func(s string) string { return strings.Replace(s, "bent", "b\xffnt", 1) },
		"overlong":     func(s string) string { return strings.Replace(s, "bent", "b\xc0\xafnt", 1) },
		"raw-newline":  func(s string) string { return strings.Replace(s, "bent", "be\nnt", 1) },
		"raw-nul":      func(s string) string { return strings.Replace(s, "bent", "be\x00nt", 1) },
		"bad-escape":   func(s string) string { return strings.Replace(s, "bent", `be\x41nt`, 1) },
		"short-escape": func(s string) string { return strings.Replace(s, "bent", `be\u12nt`, 1) },
		"deep-extra":   func(s string) string { return strings.TrimSuffix(s, "}") + `,"more":` + nested(1000) + "}" },
	} {
		all = append(all, refusesCall("A7/event-"+name, "an event with a mistake in it: "+name, saying("events", func(_ *pusher, channel string) string {
			return bad(eventBody("bent", "x", channel))
		}), 400))
	}
	for name, odd := range map[string]func(good string) string{
		"space":     func(s string) string { return " \t\r\n" + s + "\n " },
		"escapes":   func(s string) string { return strings.Replace(s, `"bent"`, `"\u0062\u0065nt"`, 1) },
		"more-keys": func(s string) string { return strings.TrimSuffix(s, "}") + `,"more":{"name":"x"},"NAME":"other"}` },
		"nested":    func(s string) string { return strings.TrimSuffix(s, "}") + `,"more":` + nested(30) + "}" },
		"numbers": func(s string) string {
			return strings.TrimSuffix(s, "}") + `,"more":[1e999,-0.0e-99,` + strings.Repeat("9", 20_000) + "]}"
		},
		"no-excepts": func(s string) string { return strings.TrimSuffix(s, "}") + `,"socket_id":null,"info":null}` },
	} {
		all = append(all, servesCall("A7/event-"+name, "an event that looks odd and is one: "+name, saying("events", func(_ *pusher, channel string) string {
			return odd(eventBody("bent", "x", channel))
		})))
	}
	return append(all, confusions()...)
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// confusions: another type in every place. What server-side code takes for granted
// is what brings it down.
func confusions() (all []Case) {
	kinds := []string{"null", "true", "7", "-1e5", `"x"`, `""`, "[]", "[null]", "[[]]", "[{}]", "{}", `{"x":{}}`}
	for _, field := range []string{"name", "data", "channel", "channels", "socket_id", "info"} {
		id := "R6/event-" + field
		all = append(all, runDrill(id, "-", "every type of JSON for "+field, "response 200 or 400 each time, and then a good call is served", func(b *Bench) error {
			return b.confuse(id, kinds, func(p *pusher, kind, channel string) call {
				fields := map[string]string{"name": `"confused"`, "data": `"x"`, "channels": quoteJSON([]string{channel + "-other"})}
				if field == "channel" {
					delete(fields, "channels")
				}
				fields[field] = kind
				return p.post("events", objectOf(fields)).sign(p.App)
			})
		}))
	}
	for name, wrap := range map[string]string{"batch": `{"batch":%s}`, "batch-event": `{"batch":[%s]}`} {
		id := "R6/" + name
		all = append(all, runDrill(id, "-", "every type of JSON for "+name, "response 200 or 400 each time, and then a good call is served", func(b *Bench) error {
			return b.confuse(id, kinds, func(p *pusher, kind, _ string) call {
				return p.post("batch_events", fmt.Sprintf(wrap, kind)).sign(p.App)
			})
		}))
	}
	id := "R6/terminate"
	return append(all, runDrill(id, "-", "every type of JSON to end a user's connections", "response 200 or 400 each time, and then a good call is served", func(b *Bench) error {
		return b.confuse(id, kinds, func(p *pusher, kind, _ string) call {
			return p.post("users/nobody-"+id[:2]+"/terminate_connections", kind).sign(p.App)
		})
	}))
}

// objectOf is an object with its fields in order.
func objectOf(fields map[string]string) string {
	var pairs []string
	for name, value := range fields {
		pairs = append(pairs, quoteJSON(name)+":"+value)
	}
	slices.Sort(pairs)
	return "{" + strings.Join(pairs, ",") + "}"
}

// confuse makes a call for every kind, on one connection.
func (b *Bench) confuse(id string, kinds []string, make func(p *pusher, kind, channel string) call) error {
	a, phone, err := b.stage(id)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		phone.write(make(b.push(), kind, a.channel).request(b.o).bytes())
		if e := phone.next(b.o.Timeout); e.Kind != Response || e.Status != http.StatusOK && e.Status != http.StatusBadRequest {
			return &mismatch{answered(e) + " for " + kind, "response 200 or 400"}
		}
	}
	return a.control(phone)
}

// eventCases: limits of names and numbers, met exactly. Row A8.
func eventCases(p *pusher) (all []Case) {
	says := func(name, channel, data string) bend {
		return saying("events", func(*pusher, string) string { return eventBody(name, data, channel) })
	}
	for name, channel := range map[string]string{
		"empty": "", "201": strings.Repeat("c", 201), "space": "a b", "newline-at-end": "abc\n", "newline": "\n", "nul": "a\x00", "colon": "a:b",
		"slash": "a/b", "unicode": "ä", "star": "*", "hash": "#a", "plus": "a+b", "quote": `a"b`, "percent": "a%20b", "emoji": "🚀",
		"user-of-nobody": "#server-to-user-", "fullwidth": "ａ", "tab": "a\tb", "delete": "a\x7f", "tilde": "~a", "parentheses": "a()",
	} {
		all = append(all, refusesCall("A8/event-channel-"+name, "a channel of which the name is none: "+name, says("bent", channel, "x"), 400))
	}
	for name, event := range map[string]string{"empty": "", "201": strings.Repeat("e", 201), "of-the-protocol": "pusher:bent", "internal": "pusher_internal:bent"} {
		all = append(all, refusesCall("A8/event-name-"+name, "an event of which the name is none: "+name, saying("events", func(_ *pusher, channel string) string {
			return eventBody(event, "x", channel)
		}), 400))
	}
	all = append(all,
		refusesCall("A8/event-data-over", "data of one byte more than the limit", saying("events", func(p *pusher, channel string) string {
			return eventBody("bent", strings.Repeat("x", p.Data+1), channel)
		}), http.StatusRequestEntityTooLarge),
		refusesCall("A8/event-data-over-escaped", "the same with every byte as an escape", saying("events", func(p *pusher, channel string) string {
			return strings.Replace(eventBody("bent", "DATA", channel), "DATA", strings.Repeat(`\u0022`, p.Data+1), 1)
		}), http.StatusRequestEntityTooLarge),
		heard("A8/event-data", "data at the limit", func(p *pusher) (string, string) { return "bent", strings.Repeat("x", p.Data) }),
		heard("A8/event-data-quotes", "data at the limit of which every byte takes an escape", func(p *pusher) (string, string) { return "bent", strings.Repeat(`"`, p.Data) }),
		heard("A8/event-name", "an event name of 200 characters", func(*pusher) (string, string) { return strings.Repeat("e", 200), "x" }),
		refusesCall("A8/event-no-name", "an event without a name", saying("events", func(_ *pusher, channel string) string {
			return `{"channels":` + quoteJSON([]string{channel}) + `,"data":"x"}`
		}), 400),
		refusesCall("A8/event-no-data", "an event without data", saying("events", func(_ *pusher, channel string) string {
			return `{"name":"bent","channels":` + quoteJSON([]string{channel}) + `}`
		}), 400),
		refusesCall("A8/event-no-channel", "an event without a channel", saying("events", func(*pusher, string) string { return `{"name":"bent","data":"x"}` }), 400),
		refusesCall("A8/event-channels-empty", "an event to a list of no channels", saying("events", func(*pusher, string) string { return eventBody("bent", "x", []string{}...) }), 400),
		refusesCall("A8/event-channels-both", "an event with channel and channels", saying("events", func(_ *pusher, channel string) string {
			return strings.Replace(eventBody("bent", "x", channel), "{", `{"channel":`+quoteJSON(channel)+`,`, 1)
		}), 400),
		refusesCall("A8/event-channels-101", "an event to a hundred and one channels", manyChannels(101), 400),
		servesCall("A8/event-channels-100", "an event to a hundred channels", manyChannels(100)),
		refusesCall("A8/event-channels-one-bad", "an event to a good channel and a bad one", saying("events", func(_ *pusher, channel string) string {
			return eventBody("bent", "x", channel, "a b")
		}), 400),
		longChannel(),
	)
	return all
}

// manyChannels is an event to as many channels, the last of which is listened to.
func manyChannels(n int) bend {
	return saying("events", func(_ *pusher, channel string) string {
		var names []string
		for i := range n - 1 {
			names = append(names, fmt.Sprintf("%s-%03d", strings.Repeat("n", 196), i))
		}
		return eventBody("bent", "x", append(names, channel)...)
	})
}

// heard is an event that is at a limit, and whole.
func heard(id, name string, event func(p *pusher) (name, data string)) Case {
	return runDrill(id, "-", name, "response 200 {}, and the event is delivered to the byte", func(b *Bench) error {
		a, phone, err := b.stage(id)
		if err != nil {
			return err
		}
		said, data := event(b.push())
		if _, err := b.ask(phone, b.push().publish(said, data, a.channel), http.StatusOK, "{}"); err != nil {
			return err
		}
		if err := a.hears(said, data); err != nil {
			return err
		}
		return a.control(phone)
	})
}

// longChannel has a channel of the longest name and of every character that there may be.
func longChannel() Case {
	const id = "A8/event-channel-200"
	return runDrill(id, "-", "a channel name of 200 characters, of all kinds that there may be", "it can be subscribed to, and published to", func(b *Bench) error {
		c, err := b.open()
		if err != nil {
			return err
		}
		name := channelName(b.control(id)) + "-_=@,.;AZaz09"
		a := &audience{b, c, name + strings.Repeat("x", 200-len(name))}
		if err := b.joins(c, a.channel); err != nil {
			return err
		}
		phone, err := b.phone()
		if err != nil {
			return err
		}
		return a.control(phone)
	})
}

// batchCases: ten events, and all or none of them. Row A8.
func batchCases(*pusher) []Case {
	one := func(name, channel string) string {
		return `{"name":` + quoteJSON(name) + `,"channel":` + quoteJSON(channel) + `,"data":"x"}`
	}
	batch := func(n int, more ...string) bend {
		return saying("batch_events", func(_ *pusher, channel string) string {
			events := []string{one("bent", channel)}
			for len(events) < n {
				events = append(events, one("bent", "other-"+channel[:min(100, len(channel))]))
			}
			return `{"batch":[` + strings.Join(append(events, more...), ",") + "]}"
		})
	}
	return []Case{
		servesCall("A8/batch-1", "a batch of one", batch(1)),
		servesCall("A8/batch-10", "a batch of ten", batch(10)),
		refusesCall("A8/batch-11", "a batch of eleven", batch(11), 400, http.StatusRequestEntityTooLarge),
		refusesCall("A8/batch-last-bad", "a batch of which the last event is none", batch(9, one("bent", "a b")), 400),
		refusesCall("A8/batch-last-null", "a batch of which the last event is null", batch(9, "null"), 400),
		refusesCall("A8/batch-last-large", "a batch of which the last event is too large", saying("batch_events", func(p *pusher, channel string) string {
			return `{"batch":[` + one("bent", channel) + "," + strings.Replace(one("bent", channel), `"x"`, quoteJSON(strings.Repeat("x", p.Data+1)), 1) + "]}"
		}), http.StatusRequestEntityTooLarge),
		refusesCall("A8/batch-channels", "a batch of an event with two channels", saying("batch_events", func(_ *pusher, channel string) string {
			return `{"batch":[` + eventBody("bent", "x", channel, "b") + "]}"
		}), 400),
	}
}
