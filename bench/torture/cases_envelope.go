package torture

import (
	"fmt"
	"strings"
)

// envelopeCases: messages that are no events, and events that nobody knows.
// Row R6, and row A8 for what clients name.
func envelopeCases(p *pusher) (all []Case) {
	for _, c := range []struct{ name, message string }{
		{"empty", ``}, {"spaces", `   `}, {"null", `null`}, {"true", `true`}, {"number", `1`}, {"string", `"pusher:ping"`},
		{"list", `[]`}, {"list-of-event", `[{"event":"pusher:ping"}]`}, {"object", `{}`},
		{"half", `{"event":"pusher:ping"`}, {"two", `{"event":"pusher:ping"}{"event":"pusher:ping"}`}, {"behind", `{"event":"pusher:ping"}]`},
		{"comma", `{"event":"pusher:ping",}`}, {"quotes", `{'event':'pusher:ping'}`}, {"comment", `{"event":"pusher:ping"/**/}`},
		{"bom", "\ufeff" + `{"event":"pusher:ping"}`}, {"nul", "\x00"}, {"nul-in-string", "{\"event\":\"pusher:ping\x00\"}"},
		{"escape", `{"event":"\x70"}`}, {"number-form", `{"event":"pusher:ping","data":01}`}, {"nan", `{"event":"pusher:ping","data":NaN}`},
		{"deep", strings.Repeat("[", 10_000)}, {"deep-objects", strings.Repeat(`{"event":`, 5_000)},
		{"deep-data", `{"event":"pusher:subscribe","data":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`},
		{"event-absent", `{"channel":"a","data":"{}"}`}, {"event-null", `{"event":null}`}, {"event-number", `{"event":4200}`},
		{"event-object", `{"event":{"pusher:ping":1}}`}, {"event-list", `{"event":["pusher:ping"]}`}, {"event-empty", `{"event":""}`},
		{"event-unknown", `{"event":"news","channel":"news","data":"{}"}`}, {"event-case", `{"event":"Pusher:Ping"}`}, {"event-space", `{"event":"pusher:ping "}`},
		{"event-long", `{"event":"` + strings.Repeat("x", 30_000) + `"}`}, {"event-prototype", `{"event":"__proto__"}`},
		{"event-surrogate", `{"event":"\ud800"}`}, {"event-escapes", `{"event":"\u001b[31m\r\n\u0000"}`},
		{"servers-own-greeting", `{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\",\"activity_timeout\":1}"}`},
		{"servers-own-success", `{"event":"pusher_internal:subscription_succeeded","channel":"private-x","data":"{}"}`},
		{"servers-own-member", `{"event":"pusher_internal:member_added","channel":"presence-x","data":"{\"user_id\":\"1\"}"}`},
		{"servers-own-error", `{"event":"pusher:error","data":{"code":4009,"message":"x"}}`},
	} {
		all = append(all, mistakes("message-"+c.name, c.message))
	}
	for _, event := range []string{"subscribe", "unsubscribe", "signin"} {
		for _, c := range []struct{ name, data string }{
			{"absent", ``}, {"null", `,"data":null`}, {"number", `,"data":7`}, {"true", `,"data":true`}, {"list", `,"data":["news"]`}, {"empty", `,"data":{}`},
			{"text", `,"data":"news"`}, {"text-null", `,"data":"null"`}, {"text-list", `,"data":"[]"`}, {"text-half", `,"data":"{\"channel\":\"news\""`},
			{"channel-null", `,"data":{"channel":null}`}, {"channel-number", `,"data":{"channel":1}`}, {"channel-list", `,"data":{"channel":["news"]}`},
			{"channel-object", `,"data":{"channel":{"channel":"news"}}`},
			{"auth-only", `,"data":{"auth":"x:y"}`}, {"auth-number", `,"data":{"auth":1,"user_data":1}`}, {"user-data-object", `,"data":{"auth":"x:y","user_data":{"id":"1"}}`},
		} {
			all = append(all, mistakes(event+"-"+c.name, `{"event":"pusher:`+event+`"`+c.data+`}`))
		}
	}
	for _, data := range []string{``, `,"data":null`, `,"data":"{}"`, `,"data":1e999`, `,"data":[[[{}]]]`, `,"data":"\ud800"`, `,"channel":7,"x":{"y":[null]}`} {
		all = append(all, keeps(fmt.Sprintf("R6/ping-%d", len(all)), "-", "a pusher:ping with "+strings.TrimPrefix(data, ","),
			[]part{text(`{"event":"pusher:ping"` + data + `}`)}, wantSaid(said{event: "pusher:pong"})))
	}
	all = append(all,
		keeps("R6/subscribe-in-a-string", "-", "data of pusher:subscribe as a string that holds it", []part{text(`{"event":"pusher:subscribe","data":"{\"channel\":\"news\"}"}`)}, wantSaid(succeeded("news"))),
		keeps("R6/pong", "-", "pusher:pong, which nobody answers", []part{text(`{"event":"pusher:pong","data":{}}`)}),
		dismisses("R6/binary", "a binary message that is no event", 1003, binaryFrame("\x00\xff")))
	return append(all, channelCases()...)
}

// dismisses is a case of a message that the connection ends for. In one write
// another follows, which must not be answered any more.
func dismisses(id, name string, code uint16, send ...part) Case {
	c := script(id, "-", name, ending{dismissed, []uint16{code}}, exchange{parts: send})
	c.talk.tail = true
	return c
}

// mistakes is a case of a message that is answered with an error and costs nothing else.
func mistakes(name, message string) Case {
	c := keeps("R6/"+name, "-", "the message "+brief([]byte(message)), []part{text(message)}, wantSaid(mistaken))
	if len(message) > 1000 {
		c.modes = Whole
	}
	return c
}

// channelCases: channels of all names. Their length is the official clients' limit.
func channelCases() (all []Case) {
	for _, c := range []struct{ name, channel string }{
		{"empty", ""}, {"long", strings.Repeat("x", 201)}, {"longer", strings.Repeat("x", 20_000)}, {"space", "a b"}, {"slash", "a/b"}, {"colon", "a:b"}, {"hash", "#a"},
		{"star", "*"}, {"nul", "a\x00"}, {"newline", "news\n"}, {"escape", "\x1b[31mnews"}, {"unicode", "käse"}, {"dot-only-user", "#server-to-user-"}, {"users", "#server-to-user-1"},
		{"del", "a\x7f"}, {"quote", `a"b`}, {"backslash", `a\b`}, {"replaced", "a\ufffd"}, {"right-to-left", "a\u202eb"},
	} {
		all = append(all, keeps("A8/channel-"+c.name, "-", "a subscription to "+brief([]byte(c.channel)), []part{text(subscribing(c.channel))}, wantSaid(denied)))
		if len(c.channel) > 1000 {
			all[len(all)-1].modes = Whole
		}
	}
	for _, c := range []struct{ name, channel string }{
		{"short", "a"}, {"longest", strings.Repeat("y", 200)}, {"every-character", "-_=@,.;aZ09"}, {"dots", "...."}, {"prototype", "__proto__"}, {"almost-private", "Private-x"},
	} {
		all = append(all, keeps("A8/channel-"+c.name, "-", "a subscription to "+brief([]byte(c.channel)),
			[]part{text(subscribing(c.channel)), text(subscribing(c.channel)), text(unsubscribing(c.channel))}, wantSaid(succeeded(c.channel)), wantSaid(succeeded(c.channel))))
	}
	return all
}
