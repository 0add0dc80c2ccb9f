package deflate

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

const plainAnswer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// RFC 7692, 5.1 and 7.1: the first offer that can be kept is taken, of
// all that is in the fields. Row C10.
func TestNegotiate(t *testing.T) {
	for _, tt := range []struct{ offer, answer string }{
		{"permessage-deflate", plainAnswer},
		{"permessage-deflate; server_no_context_takeover", plainAnswer},
		{"permessage-deflate; client_no_context_takeover", plainAnswer},
		{"permessage-deflate;server_no_context_takeover;client_no_context_takeover", plainAnswer},
		{"permessage-deflate; client_max_window_bits", plainAnswer},
		{"permessage-deflate; client_max_window_bits=8", plainAnswer},
		{"permessage-deflate; client_max_window_bits=15", plainAnswer},
		{"permessage-deflate; client_max_window_bits=\"12\"", plainAnswer},
		{"permessage-deflate; server_max_window_bits=8", plainAnswer + "; server_max_window_bits=8"},
		{"permessage-deflate; server_max_window_bits=9", plainAnswer + "; server_max_window_bits=9"},
		{"permessage-deflate; server_max_window_bits=14", plainAnswer + "; server_max_window_bits=14"},
		{"permessage-deflate; server_max_window_bits=15", plainAnswer},
		{"permessage-deflate; server_max_window_bits=\"10\"", plainAnswer + "; server_max_window_bits=10"},
		{"permessage-deflate; server_max_window_bits=\"1\\0\"", plainAnswer + "; server_max_window_bits=10"},
		{"permessage-deflate; client_max_window_bits; server_max_window_bits=10; server_no_context_takeover; client_no_context_takeover",
			plainAnswer + "; server_max_window_bits=10"},
		{" ,\t, permessage-deflate \t;\t client_max_window_bits , ", plainAnswer},

		// The next offer may be better, in the same field or in another.
		{"permessage-deflate; server_max_window_bits=16, permessage-deflate; server_max_window_bits=12, permessage-deflate", plainAnswer + "; server_max_window_bits=12"},
		{"permessage-deflate; a, x-other; b=\"c\", permessage-deflate", plainAnswer},
		{"permessage-deflate; unknown|permessage-deflate", plainAnswer},
		{"permessage-deflate; server_max_window_bits=11|permessage-deflate", plainAnswer + "; server_max_window_bits=11"},
		{"a\", permessage-deflate|permessage-deflate", plainAnswer},
	} {
		params, answer := negotiate(tt.offer, false)
		if answer != tt.answer || !params.On() {
			t.Errorf("%.90q: %q, want %q", tt.offer, answer, tt.answer)
		}
		// What is answered is what is done.
		want := windowBitsMax
		if _, bits, ok := strings.Cut(answer, "server_max_window_bits="); ok {
			want = windowBits([]byte(bits))
		}
		if params.windowBits() != want {
			t.Errorf("%.90q: a window of %d bits, answered %q", tt.offer, params.windowBits(), answer)
		}
	}
}

// RFC 7692, 7.1: declined is an offer with a parameter that is not known, has a bad
// value, or comes twice. RFC 6455, 9.1: what is no list of extensions offers nothing.
func TestNegotiateDeclines(t *testing.T) {
	for _, offer := range []string{
		"permessage-deflate; unknown",
		"permessage-deflate; unknown=1",
		"permessage-deflate; server_no_context_takeover=1",
		"permessage-deflate; server_no_context_takeover=\"true\"",
		"permessage-deflate; client_no_context_takeover=0",
		"permessage-deflate; server_max_window_bits",
		"permessage-deflate; server_max_window_bits=7",
		"permessage-deflate; server_max_window_bits=16",
		"permessage-deflate; server_max_window_bits=015",
		"permessage-deflate; server_max_window_bits=08",
		"permessage-deflate; server_max_window_bits=-9",
		"permessage-deflate; server_max_window_bits=+9",
		"permessage-deflate; server_max_window_bits=9.0",
		"permessage-deflate; server_max_window_bits=1e1",
		"permessage-deflate; server_max_window_bits=100",
		"permessage-deflate; client_max_window_bits=7",
		"permessage-deflate; client_max_window_bits=16",
		"permessage-deflate; client_max_window_bits=010",
		"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
		"permessage-deflate; client_max_window_bits; client_max_window_bits=10",
		"permessage-deflate; SERVER_NO_CONTEXT_TAKEOVER",
		"PerMessage-Deflate",
		"permessage-deflate-frame",
		"x-webkit-deflate-frame",
		"permessage-bzip2",

		"",
		",",
		";",
		"=",
		"permessage-deflate;",
		"permessage-deflate; ; client_max_window_bits",
		"permessage-deflate; client_max_window_bits=",
		"permessage-deflate; client_max_window_bits=\"\"",
		"permessage-deflate; client_max_window_bits=\"10",
		"permessage-deflate; client_max_window_bits=\"10\\",
		"permessage-deflate; client_max_window_bits=\"1 0\"",
		"permessage-deflate; client_max_window_bits=\"10\"0",
		"permessage-deflate; client_max_window_bits =10",
		"permessage-deflate client_max_window_bits",
		"permessage-deflate, \"",
		"permessage-deflate, x-other; b=\"no,token\"",
		"permessage-deflate, a b",
		"\"permessage-deflate\"",
		strings.Repeat(",", 4000),
		strings.Repeat("\"", 999),
		"permessage-deflate" + strings.Repeat("; a", 900),
	} {
		for _, takeover := range []bool{false, true} {
			if params, answer := negotiate(offer, takeover); params.On() || answer != "" {
				t.Errorf("%.90q: %q", offer, answer)
			}
		}
	}
}

// RFC 7692, 7.1.1: contexts are taken over where both sides allow it, and no further
// back than is kept.
func TestNegotiateTakeover(t *testing.T) {
	for _, tt := range []struct {
		offer, answer string
		params        Params
	}{
		{"permessage-deflate", "permessage-deflate; client_no_context_takeover; server_max_window_bits=11", 11 | serverTakeover},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=11; client_max_window_bits=11", 11 | serverTakeover | clientTakeover},
		{"permessage-deflate; client_max_window_bits=9; server_max_window_bits=10",
			"permessage-deflate; server_max_window_bits=10; client_max_window_bits=9", 10 | serverTakeover | clientTakeover},
		{"permessage-deflate; client_max_window_bits=15; server_no_context_takeover",
			"permessage-deflate; server_no_context_takeover; client_max_window_bits=11", 15 | clientTakeover},
		{"permessage-deflate; client_max_window_bits; client_no_context_takeover",
			"permessage-deflate; client_no_context_takeover; server_max_window_bits=11", 11 | serverTakeover},
		{"permessage-deflate; client_no_context_takeover; server_no_context_takeover", plainAnswer, 15},
	} {
		if params, answer := negotiate(tt.offer, true); params != tt.params || answer != tt.answer {
			t.Errorf("%q: %#x, %q; want %#x, %q", tt.offer, params, answer, tt.params, tt.answer)
		}
	}
}

// negotiate is Negotiate for fields separated by "|".
func negotiate(fields string, takeover bool) (Params, string) {
	var values [][]byte
	for f := range strings.SplitSeq(fields, "|") {
		values = append(values, []byte(f))
	}
	return Negotiate(slices.Values(values), takeover)
}

// Whatever is offered, the answer is one that the offer allows: to nobody who
// offered nothing, and with a window for the client's compressor only if that was offered.
func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{
		"permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=\"1\\0\", x; y=z",
		"permessage-deflate; server_max_window_bits=8|permessage-deflate", ",;=\"\\",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, offer string, takeover bool) {
		params, answer := negotiate(offer, takeover)
		if params == 0 && answer == "" {
			return
		}
		has := func(s, part string) bool { return strings.Contains(s, part) }
		switch {
		case params.windowBits() < windowBitsMin, !strings.HasPrefix(answer, name), !has(offer, name),
			!takeover && params.TakesOver(),
			!takeover && has(answer, "server_max") && !has(offer, "server_max"),
			has(answer, "client_max") && !has(offer, "client_max"),
			has(answer, "client_max") == has(answer, "client_no_"),
			params.windowBits() < windowBitsMax != has(answer, "server_max_window_bits="+strconv.Itoa(params.windowBits())):
			t.Fatalf("%q: %#x, %q", offer, params, answer)
		}
	})
}
