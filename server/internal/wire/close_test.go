package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// closeCodes is RFC 6455, 7.4 and the IANA registry as ranges, for the table
// tests: everything else must not be seen on the wire.
var closeCodes = [][2]int{{1000, 1003}, {1007, 1011}, {1012, 1014}, {3000, 3999}, {4000, 4999}}

func inCloseCodes(code int) bool {
	for _, r := range closeCodes {
		if r[0] <= code && code <= r[1] {
			return true
		}
	}
	return false
}

// RFC 6455, 7.4: all 65,536 codes.
func TestCloseCodes(t *testing.T) {
	for code := range 1 << 16 {
		want := inCloseCodes(code)
		if got := ValidCloseCode(ws.StatusCode(code)); got != want {
			t.Errorf("ValidCloseCode(%d) = %v", code, got)
		}
		got, reason, err := ParseClose([]byte{byte(code >> 8), byte(code), 'o', 'k'})
		if want && (int(got) != code || reason != "ok" || err != nil) {
			t.Errorf("close %d: %d %q %v", code, got, reason, err)
		}
		if !want && (got != 0 || reason != "" || err != ErrCloseCode) {
			t.Errorf("close %d: %d %q %v", code, got, reason, err)
		}
	}
}

// RFC 6455, 5.5.1: the payload of a Close frame.
func TestParseClose(t *testing.T) {
	for _, c := range []struct {
		hex    string
		code   ws.StatusCode
		reason string
		err    error
	}{
		{"", 1005, "", nil},
		{"03", 0, "", ErrClosePayload},
		{"03 e8", 1000, "", nil},
		{"03 e8 62 79 65", 1000, "bye", nil},
		{"03 e8 c3 a4", 1000, "ä", nil},
		{"03 e8 ff", 0, "", ErrCloseReason},
		{"03 e8 c3", 0, "", ErrCloseReason},
		{"03 e8 ed a0 80", 0, "", ErrCloseReason},
		{"03 ed ff", 0, "", ErrCloseCode}, // the code is looked at first
		{"00 00", 0, "", ErrCloseCode},
	} {
		code, reason, err := ParseClose(unhex(c.hex))
		if code != c.code || reason != c.reason || err != c.err {
			t.Errorf("%s: %d %q %v, want %d %q %v", c.hex, code, reason, err, c.code, c.reason, c.err)
		}
	}
}

// RFC 6455, 5.5.1: what a client's Close is answered with.
func TestCloseAnswers(t *testing.T) {
	for _, c := range []struct{ name, in, out string }{
		{"1000", "88 82 37 fa 21 3d 34 12", "88 02 03 e8"},
		{"1005", "88 82 37 fa 21 3d 34 17", "88 02 03 ea"},
		{"one byte", "88 81 37 fa 21 3d 34", "88 02 03 ea"},
		{"1000 and ff", "88 83 37 fa 21 3d 34 12 de", "88 02 03 ef"},
		{"empty", "88 80 37 fa 21 3d", "88 00"},
	} {
		var d Decoder
		ev, _, ok, err := d.Next(unhex(c.in), &testLimits)
		if !ok || err != nil || ev.Op != ws.OpClose {
			t.Fatalf("%s: %v %v", c.name, ev, err)
		}
		code, _, err := ParseClose(ev.Payload)
		var e *Error
		if errors.As(err, &e) {
			code = e.Code
		}
		if got := AppendClose(nil, code, ""); !bytes.Equal(got, unhex(c.out)) {
			t.Errorf("%s: answered with % x, want %s", c.name, got, c.out)
		}
	}
}

// RFC 6455, 5.5 and 5.5.1: a Close frame of ours is at most 125 bytes and its
// reason is UTF-8, whatever the caller gives.
func TestAppendClose(t *testing.T) {
	for _, c := range []struct{ reason, want string }{
		{"", ""},
		{"bye", "bye"},
		{strings.Repeat("x", 123), strings.Repeat("x", 123)},
		{strings.Repeat("x", 124), strings.Repeat("x", 123)},
		{strings.Repeat("x", 9000), strings.Repeat("x", 123)},
		{strings.Repeat("x", 122) + "ä", strings.Repeat("x", 122)},
		{strings.Repeat("x", 121) + "ä", strings.Repeat("x", 121) + "ä"},
		{strings.Repeat("x", 121) + "äx", strings.Repeat("x", 121) + "ä"},
		{strings.Repeat("x", 120) + "\U0001f426", strings.Repeat("x", 120)},
		{"broken \xff, half \xc3", "broken \ufffd, half \ufffd"},
	} {
		got := AppendClose([]byte("before"), 1000, c.reason)
		want := "before" + string([]byte{0x88, byte(2 + len(c.want)), 0x03, 0xe8}) + c.want
		if string(got) != want {
			t.Errorf("%q: % x", c.reason, got)
		}
		if code, reason, err := ParseClose(got[len("before")+2:]); code != 1000 || reason != c.want || err != nil {
			t.Errorf("%q: read back as %d %q %v", c.reason, code, reason, err)
		}
	}
}

// Each violation has its own value, a code of RFC 6455, 7.4.1 and a sentence
// that fits the Close frame.
func TestErrors(t *testing.T) {
	all := []*Error{ErrReservedBits, ErrReservedOpcode, ErrControlFragmented, ErrControlTooLong, ErrUnexpectedContinuation,
		ErrExpectedContinuation, ErrUnmasked, ErrLengthNotMinimal, ErrLengthTopBit, ErrMessageTooBig, ErrTooManyFragments,
		ErrInvalidUTF8, ErrClosePayload, ErrCloseCode, ErrCloseReason}
	reasons := map[string]bool{}
	for _, e := range all {
		if !ValidCloseCode(e.Code) || e.Reason == "" || len(e.Reason) > reasonMax || !utf8.ValidString(e.Reason) || reasons[e.Reason] {
			t.Errorf("%d %q", e.Code, e.Reason)
		}
		reasons[e.Reason] = true
		if !errors.Is(error(e), e) || e.Error() == e.Reason {
			t.Errorf("%v is not itself, or does not name its package", e)
		}
	}
}

// The cause of each violation, which the codes alone do not tell apart.
func TestDecoderCauses(t *testing.T) {
	for _, c := range []struct {
		in  []byte
		err *Error
	}{
		{unhex("a1"), ErrReservedBits},
		{unhex("c1"), ErrReservedBits},
		{unhex("83"), ErrReservedOpcode},
		{unhex("09"), ErrControlFragmented},
		{unhex("89 fe"), ErrControlTooLong},
		{unhex("80"), ErrUnexpectedContinuation},
		{join(text(false, "a"), unhex("81")), ErrExpectedContinuation},
		{unhex("81 05"), ErrUnmasked},
		{unhex("82 fe 00 05"), ErrLengthNotMinimal},
		{unhex("82 ff 00 00 00 00 00 00 00 05"), ErrLengthNotMinimal},
		{unhex("82 ff ff 00 00 00 00 00 00 05"), ErrLengthTopBit},
		{unhex("82 ff 7f 00 00 00 00 00 00 05"), ErrMessageTooBig},
		{join(text(false, ""), cont(false, ""), cont(false, ""), cont(false, ""), cont(false, "")), ErrTooManyFragments},
		{text(true, "\xff"), ErrInvalidUTF8},
	} {
		if _, _, ok, err := new(Decoder).Next(c.in, &testLimits); ok || !errors.Is(err, c.err) {
			t.Errorf("% x: %v, want %v", c.in, err, c.err)
		}
	}
}
