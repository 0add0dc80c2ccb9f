package torture

import (
	"strings"
	"testing"
)

// RFC 7692, 7.1: which answers keep to which offers.
func TestJudgeExtensions(t *testing.T) {
	const name = "permessage-deflate"
	for _, tt := range []struct {
		answer, offer string
		ok            bool
	}{
		{name, name, true},
		{name + "; server_no_context_takeover; client_no_context_takeover", name, true},
		{name + "; server_max_window_bits=10", name + "; server_max_window_bits=12", true},
		{name + "; server_max_window_bits=\"1\\0\"", name + "; server_max_window_bits=12", true},
		{name + "; server_max_window_bits=10", name, true},
		{name + "; client_max_window_bits=10", name + "; client_max_window_bits", true},
		{name + "; client_max_window_bits=10", name + "; client_max_window_bits=10", true},
		{name, "x; y=\"a,b\", " + name, true},
		{name, name + "; unknown, " + name, true},

		{name, "", false},
		{name, "x", false},
		{name, name + "; unknown", false},
		{name, name + "; server_no_context_takeover", false},
		{name, name + "; server_max_window_bits=12", false},
		{name + "; server_max_window_bits=13", name + "; server_max_window_bits=12", false},
		{name + "; server_max_window_bits=7", name, false},
		{name + "; server_max_window_bits=010", name, false},
		{name + "; server_max_window_bits", name, false},
		{name + "; client_max_window_bits", name + "; client_max_window_bits", false},
		{name + "; client_max_window_bits=10", name, false},
		{name + "; client_max_window_bits=11", name + "; client_max_window_bits=10", false},
		{name + "; server_no_context_takeover=1", name, false},
		{name + "; server_no_context_takeover; server_no_context_takeover", name, false},
		{name + "; unknown", name, false},
		{name + ", " + name, name, false},
		{name + "; a=\"", name, false},
		{name + ";", name, false},
		{"x", "x", false},
		{"", name, false},
	} {
		if why := judgeExtensions(tt.answer, tt.offer); (why == "") != tt.ok {
			t.Errorf("%q to %q: %q", tt.answer, tt.offer, why)
		}
	}
}

// A client keeps the window that was agreed on, and forgets it when that was agreed on.
func TestInflater(t *testing.T) {
	second := payload("f200110000") // Hello, out of the message before: RFC 7692, 7.2.3.2
	for answer, ok := range map[string]bool{
		"permessage-deflate":                             true,
		"permessage-deflate; server_no_context_takeover": false,
	} {
		z := inflaterFor(map[string][]string{"Sec-Websocket-Extensions": {answer}})
		first, err := z.inflate(payload("f248cdc9c90700"))
		if err != nil || string(first) != "Hello" {
			t.Fatalf("%s: %q, %v", answer, first, err)
		}
		again, err := z.inflate(second)
		if (err == nil) != ok || ok && string(again) != "Hello" {
			t.Errorf("%s: the second message is %q, %v", answer, again, err)
		}
		if _, err := z.inflate(append(payload("f248cdc9c90700"), flateEnd[:4]...)); err == nil {
			t.Errorf("%s: a tail that was not taken away", answer)
		}
	}
	if z := inflaterFor(map[string][]string{"Sec-Websocket-Extensions": {strings.Repeat("x", 9)}}); z != nil {
		t.Error("nothing was agreed on")
	}
}
