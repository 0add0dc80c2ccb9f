package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// RFC 6455, 8.1 and RFC 3629, 3: the sequences that are not UTF-8, with the
// number of bytes that prove it.
var badUTF8 = []struct {
	hex string
	at  int
}{
	{"ed a0 80", 2}, // the surrogates, first, last high, first low and last
	{"ed af bf", 2},
	{"ed b0 80", 2},
	{"ed bf bf", 2},
	{"c0 80", 1}, // overlong forms
	{"c0 af", 1},
	{"c1 bf", 1},
	{"e0 80 80", 2},
	{"e0 9f bf", 2},
	{"f0 80 80 80", 2},
	{"f0 8f bf bf", 2},
	{"f4 90 80 80", 2}, // beyond U+10FFFF
	{"f5 80 80 80", 1},
	{"f8 88 80 80 80", 1},
	{"fc 84 80 80 80 80", 1},
	{"fe", 1},
	{"ff", 1},
	{"80", 1}, // continuation bytes alone
	{"bf", 1},
	{"c3 a4 a4", 3},
	{"c3 28", 2}, // sequences that break off
	{"c3 c3", 2},
	{"e2 28 a1", 2},
	{"e2 82 28", 3},
	{"f0 90 28 bc", 3},
	{"f0 90 8c 28", 4},
	{"ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65 64 69 74 65 64", 13},
	{"ce ba e1 bd b9 cf 83 ce bc ce b5 f4 90 80 80 65 64 69 74 65 64", 13},
}

// goodUTF8 are the borders of what is.
var goodUTF8 = []string{
	"", "a", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff",
	"\U00010000", "\U0010fffe", "\U0010ffff", "\ufeff", "κόσμε", "Hello-µ@ßöäüàá-UTF-8!!",
	"eight!!!eight!!!ä", "日本語日本語日本語", "\U0001f426\U0001f426 roost",
}

// prefixes move a sequence across the words that are looked at together,
// and across the length from which payloads are unmasked by vectors.
var prefixes = []string{"", "1234567", "12345678", "äöü", strings.Repeat("=", 39), strings.Repeat("wide", unmaskWide/4)}

// RFC 6455, 8.1: text that is not UTF-8 fails at the byte that proves it,
// whatever follows, and however it is cut.
func TestDecoderInvalidText(t *testing.T) {
	for _, bad := range badUTF8 {
		for _, prefix := range prefixes {
			payload := prefix + string(unhex(bad.hex))
			at := len(prefix) + bad.at
			name := fmt.Sprintf("%s after %d", bad.hex, len(prefix))
			t.Run(name, func(t *testing.T) {
				for _, more := range []string{"", "and more"} {
					in := text(true, payload+more)
					checkStream(t, testLimits, in, []outcome{{len(in) - len(payload+more) + at, fail(1007)}})
				}
				// In a message of two frames: the payload cut at every place.
				for cut := range len(payload) + 1 {
					first, second := text(false, payload[:cut]), cont(true, payload[cut:])
					want := len(first) - cut + at
					if cut < at {
						want += len(second) - len(payload[cut:])
					}
					in := join(first, second)
					if got := decode(t, testLimits, in); len(got) != 1 || got[0] != (outcome{want, fail(1007)}) {
						t.Fatalf("fragments cut at %d: %v, want 1007 at %d", cut, got, want)
					}
				}
			})
		}
	}
}

// A character that is not finished is wrong only when the message is over.
func TestDecoderUnfinishedText(t *testing.T) {
	for _, whole := range []string{"ä", "€", "\U0001f426"} {
		for cut := 1; cut < len(whole); cut++ {
			for _, prefix := range prefixes {
				s := prefix + whole[:cut]
				end := len(text(true, s))
				runStreamCases(t, testLimits, []streamCase{
					{"in a whole message", text(true, s), []outcome{{end, fail(1007)}}},
					{"in a fragment, ended by an empty one", join(text(false, s), cont(true, "")), []outcome{{end + 6, fail(1007)}}},
					{"finished by the next fragment", join(text(false, s), cont(true, whole[cut:])),
						[]outcome{{end + 6 + len(whole) - cut, fmt.Sprintf("text %q", prefix+whole)}}},
					{"finished after an empty fragment and a ping", join(text(false, s), cont(false, ""), ping("p"), cont(true, whole[cut:])),
						[]outcome{{end + 13, `ping "p"`}, {end + 19 + len(whole) - cut, fmt.Sprintf("text %q", prefix+whole)}}},
					{"not carried into the next message", join(clientFrame(opcode(true, ws.OpBinary), testKey, s), text(true, "a")),
						[]outcome{{end, fmt.Sprintf("binary %q", s)}, {end + 7, `text "a"`}}},
				})
			}
		}
	}
}

// RFC 6455, 8.1: everything that is UTF-8 is passed on.
func TestDecoderValidText(t *testing.T) {
	for _, good := range goodUTF8 {
		for _, prefix := range prefixes {
			s := prefix + good
			in := text(true, s)
			checkStream(t, testLimits, in, []outcome{{len(in), fmt.Sprintf("text %q", s)}})
		}
	}
}

// RFC 6455, 8.1, at once: the frame announces 20 bytes and never ends. f4 may
// still become a character, the 90 after it cannot.
func TestDecoderFailsWithinFrame(t *testing.T) {
	s := stream{t: t, lim: testLimits}
	s.feed(unhex("81 94 00 00 00 00 ce ba e1 bd b9 cf 83 ce bc ce b5 f4"))
	if len(s.outcomes) != 0 || !s.d.Pending() {
		t.Fatalf("after f4: %v", s.outcomes)
	}
	s.feed(unhex("90"))
	if len(s.outcomes) != 1 || s.outcomes[0] != (outcome{19, fail(1007)}) {
		t.Fatalf("after f4 90: %v", s.outcomes)
	}
}
