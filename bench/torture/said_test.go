package torture

import (
	"slices"
	"strings"
	"testing"
)

// What a server says is compared as JSON, and nothing else passes for it.
func TestSaid(t *testing.T) {
	news := said{event: "news", channel: "a"}.exactly(`{"x":1}`)
	for _, c := range []struct {
		want    said
		message string
		good    bool
	}{
		{news, `{"event":"news","channel":"a","data":"{\"x\":1}"}`, true},
		{news, ` {"data":"\u007b\"x\":1}", "id":"7", "channel":"a","event":"new\u0073"}`, true},
		{news, `{"event":"news","channel":"a","data":"{\"x\":2}"}`, false},
		{news, `{"event":"news","channel":"b","data":"{\"x\":1}"}`, false},
		{news, `{"event":"olds","channel":"a","data":"{\"x\":1}"}`, false},
		{news, `{"event":"news","channel":"a","data":"{\"x\":1}"}x`, false},
		{news, `["news"]`, false},
		{news, ``, false},
		{denied, `{"event":"pusher:error","data":{"code":null,"message":"no"}}`, true},
		{denied, `{"event":"pusher_internal:subscription_succeeded","channel":"a"}`, false},
		{complaint(4009), `{"event":"pusher:error","data":{"code":4009,"message":"no"}}`, true},
		{complaint(4009), `{"event":"pusher:error","data":"{\"code\":4009}"}`, true},
		{complaint(4009), `{"event":"pusher:error","data":{"code":4001,"message":"no"}}`, false},
		{complaint(4009), `{"event":"pusher:error","data":{"code":null,"message":"no"}}`, false},
		{said{event: "client-x", user: "1"}, `{"event":"client-x","user_id":"1"}`, true},
		{said{event: "client-x", user: "1"}, `{"event":"client-x","user_id":"2"}`, false},
		{said{event: "client-x", user: "1"}, `{"event":"client-x"}`, false},
		{*established, `{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}`, true},
		{*established, `{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":0}"}`, false},
		{*established, `{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\\n\",\"activity_timeout\":120}"}`, false},
	} {
		if got := wantSaid(c.want).meets(Event{Kind: Text, Payload: []byte(c.message)}); got != c.good {
			t.Errorf("%v and %s: %v", &c.want, c.message, got)
		}
	}
	if wantSaid(news).meets(Event{Kind: Binary, Payload: []byte(`{"event":"news","channel":"a","data":"{\"x\":1}"}`)}) {
		t.Error("a binary message was taken for an event")
	}
}

// The parts of a list of members must agree.
func TestMembersOf(t *testing.T) {
	for data, want := range map[string][]string{
		`{"presence":{"ids":["b","a"],"hash":{"a":null,"b":{}},"count":2}}`: {"a", "b"},
		`{"presence":{"ids":["b","a"],"hash":{"a":null,"b":{}},"count":3}}`: nil,
		`{"presence":{"ids":["b"],"hash":{"a":null},"count":1}}`:            nil,
		`{"presence":{"ids":["a"],"hash":{"a":null,"b":{}},"count":1}}`:     nil,
		`{}`: nil,
		`x`:  nil,
	} {
		if got := membersOf(data); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", data, got, want)
		}
	}
}

// A hearing notices what is lost, comes twice, is changed or is not its own.
func TestHearing(t *testing.T) {
	event := func(channel, data string) Event {
		return Event{Kind: Text, Payload: []byte(`{"event":"numbered","channel":"` + channel + `","data":` + quoteJSON(data) + `}`)}
	}
	one, two, three, other := stamped("p", 1, 50), stamped("p", 2, 50), stamped("p", 3, 50), stamped("q", 9, 50)
	for name, c := range map[string]struct {
		events []Event
		good   bool
	}{
		"in order":  {[]Event{event("c", one), event("c", other), event("c", two), event("c", three)}, true},
		"lost":      {[]Event{event("c", one), event("c", three)}, false},
		"twice":     {[]Event{event("c", one), event("c", one)}, false},
		"backwards": {[]Event{event("c", two), event("c", one)}, false},
		"changed":   {[]Event{event("c", strings.Replace(one, "<", ">", 1))}, false},
		"a byte":    {[]Event{event("c", one[:len(one)-1])}, false},
		"other's":   {[]Event{event("d", one)}, false},
		"word":      {[]Event{{Kind: Text, Payload: []byte(`{"event":"pusher:pong"}`)}}, false},
		"silence":   {[]Event{{Kind: Silence}}, false},
	} {
		h, good := &hearing{channel: "c"}, true
		for _, e := range c.events {
			good = good && h.take(e) == nil
		}
		if good != c.good {
			t.Errorf("%s: %v", name, good)
		}
	}
}

// The table of a push server is complete, and says what it means.
func TestPushCases(t *testing.T) {
	o := limits
	o.Push = &Push{App: testApp}
	all, err := List(o)
	if err != nil {
		t.Fatal(err)
	}
	seen, rows := map[string]bool{}, map[string]bool{}
	for _, c := range all {
		if seen[c.ID] || c.RFC == "" || c.Name == "" || c.Want == "" || len(c.modes.each()) == 0 {
			t.Errorf("%s is there twice, or does not say enough: %+v", c.ID, c)
		}
		seen[c.ID] = true
		row, _, _ := strings.Cut(c.ID, "/")
		rows[row] = true
	}
	for _, row := range strings.Fields("B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 R6 R8 R10 R11 R12 H22 H29 A8 A9 F1 F6 F7 F8 F9 F10 F11 F18 F23 F24") {
		if !rows[row] {
			t.Errorf("no case for row %s", row)
		}
	}
}

// RFC 9112, 7.1: a body in chunks ends with one of no bytes, however it is cut.
func TestUnchunked(t *testing.T) {
	const whole = "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"
	for cut := range len(whole) {
		if _, n, err := unchunked([]byte(whole[:cut])); n != 0 || err != nil {
			t.Errorf("%q is taken for %d bytes: %v", whole[:cut], n, err)
		}
	}
	if body, n, err := unchunked([]byte(whole + "HTTP/1.1")); string(body) != "abc0123456789" || n != len(whole) || err != nil {
		t.Errorf("%q of %d bytes: %v", body, n, err)
	}
	for _, bad := range []string{"x\r\n", "-1\r\n", "1\r\nabc", "1000000\r\n", "\r\n"} {
		if _, _, err := unchunked([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
