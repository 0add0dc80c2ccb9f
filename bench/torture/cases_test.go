package torture

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var limits = Options{
	URL: "ws://127.0.0.1:80/echo", Pid: 1, Admin: "http://server.test:81", Deflate: true,
	PingInterval: time.Second, SilenceTimeout: 2 * time.Second, MessageTimeout: time.Second, StallTimeout: time.Second, Standstill: 3 * time.Second,
	MaxConns: 100, MaxPerAddress: 50, Origin: "https://app.example.com",
}

// The table is complete, says what it means, and is the same every time.
func TestCases(t *testing.T) {
	all, err := List(limits)
	if err != nil {
		t.Fatal(err)
	}
	again, err := List(limits)
	if err != nil {
		t.Fatal(err)
	}
	secure := limits
	secure.URL = "wss://server.test/echo"
	over, err := List(secure)
	if err != nil {
		t.Fatal(err)
	}
	again = append(again, withRow(over, "L")...)
	all = append(all, withRow(over, "L")...)
	id := regexp.MustCompile(`^[CFHLMRTU][0-9]+/\S`)
	seen := map[string]bool{}
	rows := map[string]int{}
	for i, c := range all {
		if c.ID != again[i].ID {
			t.Fatalf("the order changes: %s, then %s", c.ID, again[i].ID)
		}
		if seen[c.ID] || !id.MatchString(c.ID) {
			t.Errorf("the id %q is not one, or occurs twice", c.ID)
		}
		if c.RFC == "" || c.Name == "" || c.Want == "" || len(c.modes.each()) == 0 {
			t.Errorf("%s does not say enough: %+v", c.ID, c)
		}
		seen[c.ID] = true
		row, _, _ := strings.Cut(c.ID, "/")
		rows[row]++
	}
	for _, row := range strings.Fields("C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C16 F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24 F25 F26 F27 F28 " +
		"F29 F30 F31 F32 F33 F34 H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 H13 H14 H15 H16 H17 H18 H19 H20 H21 H22 H24 H26 H27 H28 M1 M2 M4 M5 R1 R2 R16 T1 T2 T3 T4 T5 T9 T10 T11 T12 T13 T15 T16 T18 T23 T25 L1 L2 L3 L4 L5 L6 L7 L8 L9 L10 L11") {
		if rows[row] == 0 {
			t.Errorf("no case for row %s", row)
		}
	}
	if len(all) < 1500 {
		t.Errorf("%d cases", len(all))
	}
}

// withRow are the cases of a letter.
func withRow(all []Case, letter string) []Case {
	return slices.DeleteFunc(slices.Clone(all), func(c Case) bool { return !strings.HasPrefix(c.ID, letter) })
}

// Over TLS there are cases more, and what TLS hides is left out and told.
func TestCasesOverTLS(t *testing.T) {
	plain, err := List(limits)
	if err != nil {
		t.Fatal(err)
	}
	o := limits
	o.URL, o.TLSTimeout = "wss://127.0.0.1/echo", -1
	over, err := List(o)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(all []Case) (s []string) {
		for _, c := range all {
			s = append(s, c.ID)
		}
		return s
	}
	if n := len(withRow(plain, "L")); n > 0 || slices.Contains(ids(over), "T23/urgent") || !slices.Contains(ids(plain), "T23/urgent") || slices.Contains(ids(over), "T5/byte-by-byte") {
		t.Errorf("%d cases of TLS without it", n)
	}
	if len(over) != len(plain)-2+len(withRow(over, "L")) { // T5, T23
		t.Errorf("%d cases over TLS, %d without", len(over), len(plain))
	}
	if all := ids(over); slices.Contains(all, "L1/silent") || !slices.Contains(all, "L1/bytewise-1.3") {
		t.Error("the deadline that there is not is tried, or nothing of its row")
	}
}

// Limits that a server does not have leave their cases out; so does the lack of a process id.
func TestCasesDependOnLimits(t *testing.T) {
	o := Options{URL: limits.URL, MaxMessage: -1, MaxFragments: -1, MaxHeader: -1, MaxFields: -1, MaxTarget: -1, HandshakeTimeout: -1, CloseTimeout: -1}
	without, err := List(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range without {
		for _, row := range []string{"C1/", "C4/", "C12/", "F2/", "F3/", "F33/", "H1/", "H2/", "H4/", "H5/", "F22/", "F15/", "F4/"} {
			if strings.HasPrefix(c.ID, row) {
				t.Errorf("%s is played without its limit", c.ID)
			}
		}
	}
	o = limits
	o.Run, o.Skip = regexp.MustCompile("^F5/"), regexp.MustCompile("binary")
	chosen, err := List(o)
	if err != nil || len(chosen) == 0 {
		t.Fatal(err, len(chosen))
	}
	for _, c := range chosen {
		if !strings.HasPrefix(c.ID, "F5/") || strings.Contains(c.ID, "binary") {
			t.Errorf("%s was not asked for", c.ID)
		}
	}
}

// Rows F29, H16: a short wire is cut everywhere, a long one at its borders and evenly.
func TestOffsets(t *testing.T) {
	short := wireOf(text("Hello"))
	if got, want := short.offsets(96), span(1, len(short.Bytes)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	long := wireOf(text("a"), dataFrame(opBinary, noise(5000)), text("b"))
	at := long.offsets(96)
	if len(at) > 96 || !slices.IsSorted(at) || at[0] < 1 || at[len(at)-1] >= len(long.Bytes) {
		t.Errorf("%d offsets: %v", len(at), at)
	}
	for _, m := range long.Marks {
		for _, near := range []int{m - 1, m, m + 1} {
			if near > 0 && near < len(long.Bytes) && !slices.Contains(at, near) {
				t.Errorf("not cut at %d", near)
			}
		}
	}
	if n := len(wireOf(repeatedParts(500)...).offsets(96)); n > 96 || n < 48 {
		t.Errorf("%d offsets of 500 frames", n)
	}
	for _, w := range []Wire{short, long, {}} {
		if got := bytes.Join(w.pieces(), nil); !bytes.Equal(got, w.Bytes) {
			t.Errorf("the pieces are % x, not % x", got, w.Bytes)
		}
	}
}

func repeatedParts(n int) []part { return repeated(text("x"), n) }

// Fragments put together are the message, and only the last has FIN.
func TestFragmented(t *testing.T) {
	for _, n := range []int{0, 1, 2, 5, 6, 100} {
		p := filled(n)
		var joined []byte
		parts := fragmented(opText, p, 5)
		for i, one := range parts {
			f := one.(Frame)
			if (f.Op == opText) != (i == 0) || f.More != (i < len(parts)-1) {
				t.Errorf("%d bytes: fragment %d is %+v", n, i, f)
			}
			joined = append(joined, f.Payload...)
		}
		if !bytes.Equal(joined, p) {
			t.Errorf("%d bytes: %q", n, joined)
		}
	}
}

// The vectors are what their names say.
func TestVectors(t *testing.T) {
	for _, v := range validTexts() {
		if !utf8.ValidString(v.bytes) {
			t.Errorf("%s is not valid: % x", v.name, v.bytes)
		}
	}
	for _, v := range invalidTexts() {
		if utf8.ValidString(v.bytes) {
			t.Errorf("%s is valid: % x", v.name, v.bytes)
		}
	}
}

// RFC 3629, 4: where a sequence is proven wrong.
func TestProvenAt(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "abc": 3, "é": 2, "\xf4\x8f\xbf\xbf": 4, // never
		"\xff": 0, "a\x80": 1, "\xc0\x80": 0, "\xc3(": 1, "\xe0\x80\x80": 1, "\xed\xa0\x80": 1, "\xf4\x90\x80\x80": 1,
		"\xf0\x80": 1, "\xf5": 0, "\xe2\x82(": 2, "\xf0\x9f\x98(": 3, "\xe2\x82": 2,
	} {
		if got := provenAt([]byte(in)); got != want {
			t.Errorf("% x: %d, want %d", in, got, want)
		}
	}
}

// A failure can be read from what it says.
func TestTranscript(t *testing.T) {
	var log transcript
	log.add(true, []byte("Hel"))
	log.add(true, []byte("lo"))
	log.add(false, bytes.Repeat([]byte{0xab}, 1000))
	log.note("FIN received")
	got := log.String()
	for _, want := range []string{"sent 5 bytes in 2 writes", "|Hello|", "received 1000 bytes in 1 reads", "ab ab ab", "744 more", "FIN received"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for range 500 {
		log.note("x")
	}
	if n := strings.Count(log.String(), "\n"); n > 200 || !strings.Contains(log.String(), "left out") {
		t.Errorf("%d lines", n)
	}
}

// The first difference of long payloads is named.
func TestDiffer(t *testing.T) {
	a, b := filled(1000), clone(filled(1000))
	b[700]++
	x := expect{kind: Text, payload: a}
	if x.meets(Event{Kind: Text, Payload: b}) || !x.meets(Event{Kind: Text, Payload: a}) || x.meets(Event{Kind: Binary, Payload: a}) {
		t.Error("the comparison is wrong")
	}
	if got := x.differ(Event{Kind: Text, Payload: b}); !strings.Contains(got, "offset 700") {
		t.Error(got)
	}
}
