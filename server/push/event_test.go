package push

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Row A8: every limit is exact, and each mistake is told apart.
func TestEventLimits(t *testing.T) {
	limits := App{}.withDefaults().Limits
	many := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("c%d", i))
		}
		return names
	}
	one := []string{"c"}
	for _, c := range []struct {
		what  string
		event Event
		want  int // -1: accepted; otherwise a Fault
	}{
		{"plain", Event{one, Quote("e"), Quote("x"), SocketID{}}, -1},
		{"data at the limit", Event{one, Quote("e"), Quote(strings.Repeat("x", 10240)), SocketID{}}, -1},
		{"data over it", Event{one, Quote("e"), Quote(strings.Repeat("x", 10241)), SocketID{}}, int(TooLarge)},
		{"escapes count once", Event{one, Quote("e"), Quote(strings.Repeat("\n", 10240)), SocketID{}}, -1},
		{"an object over it", Event{one, Quote("e"), raw(t, `{"a":"`+strings.Repeat("x", 10240)+`"}`), SocketID{}}, int(TooLarge)},
		{"empty data", Event{one, Quote("e"), Quote(""), SocketID{}}, -1},
		{"null data", Event{one, Quote("e"), raw(t, "null"), SocketID{}}, -1},
		{"no data", Event{one, Quote("e"), JSON{}, SocketID{}}, int(Malformed)},
		{"100 channels", Event{many(100), Quote("e"), Quote("x"), SocketID{}}, -1},
		{"101 channels", Event{many(101), Quote("e"), Quote("x"), SocketID{}}, int(Malformed)},
		{"no channel", Event{nil, Quote("e"), Quote("x"), SocketID{}}, int(Malformed)},
		{"bad channel among good", Event{[]string{"a", "b\n"}, Quote("e"), Quote("x"), SocketID{}}, int(Malformed)},
		{"name of 200 characters", Event{one, Quote(strings.Repeat("é", 200)), Quote("x"), SocketID{}}, -1},
		{"name of 201", Event{one, Quote(strings.Repeat("e", 201)), Quote("x"), SocketID{}}, int(Malformed)},
		{"empty name", Event{one, Quote(""), Quote("x"), SocketID{}}, int(Malformed)},
		{"no name", Event{one, JSON{}, Quote("x"), SocketID{}}, int(Malformed)},
		{"number for a name", Event{one, raw(t, "1"), Quote("x"), SocketID{}}, int(Malformed)},
		{"reserved", Event{one, Quote("pusher:ping"), Quote("x"), SocketID{}}, int(Malformed)},
		{"reserved inside", Event{one, Quote("pusher_internal:member_added"), Quote("x"), SocketID{}}, int(Malformed)},
		{"reserved, escaped", Event{one, raw(t, `"pusher\u003aping"`), Quote("x"), SocketID{}}, int(Malformed)},
		{"not reserved", Event{one, Quote("pusherx"), Quote("x"), SocketID{}}, -1},
	} {
		err := c.event.check(&limits)
		var fault *EventError
		switch {
		case c.want < 0 && err != nil:
			t.Errorf("%s: %v", c.what, err)
		case c.want >= 0 && (!errors.As(err, &fault) || int(fault.Fault) != c.want):
			t.Errorf("%s: %v, want fault %d", c.what, err, c.want)
		}
	}
}

// 1.2: the publisher's bytes, spliced; no HTML escaping; other JSON as a string.
func TestEventFrames(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{`"e"`, `"{\"a\":\"<&>\"}"`, `{"event":"e","channel":"ch","data":"{\"a\":\"<&>\"}"}`},
		{`"\u0065\/"`, `"\u003c\ud800\/ é"`, `{"event":"\u0065\/","channel":"ch","data":"\u003c\ud800\/ é"}`},
		{`"e"`, `{ "a" : "<b>\n" }`, `{"event":"e","channel":"ch","data":"{ \"a\" : \"<b>\\n\" }"}`},
		{`"e"`, `null`, `{"event":"e","channel":"ch","data":"null"}`},
		{`"e"`, `1.0e2`, `{"event":"e","channel":"ch","data":"1.0e2"}`},
	} {
		e := Event{Name: raw(t, c.name), Data: raw(t, c.data)}
		if got := string(e.append(nil, "ch", "")); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func raw(t *testing.T, text string) JSON {
	t.Helper()
	v, err := ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
