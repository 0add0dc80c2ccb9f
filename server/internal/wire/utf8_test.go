package wire

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// writePieces gives b to a validator in pieces, and returns the offset of the
// first bad byte, len(b) when the end is missing, -1 when b is valid.
func writePieces(b []byte, cuts ...int) int {
	var v UTF8
	at := 0
	for _, cut := range append(cuts, len(b)) {
		if bad := v.Write(b[at:cut]); bad >= 0 {
			return at + bad
		}
		at = cut
	}
	if !v.Complete() {
		return len(b)
	}
	return -1
}

// slowBad finds the first bad byte with the standard library alone.
func slowBad(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	start := 0 // of the first character that is not whole
	for start < len(b) {
		r, size := utf8.DecodeRune(b[start:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		start += size
	}
	for n := 1; start+n <= len(b); n++ {
		if !canBecomeValid(b[start : start+n]) {
			return start + n - 1
		}
	}
	return len(b)
}

// checkUTF8 validates b whole and in every two pieces.
func checkUTF8(t *testing.T, b []byte) {
	t.Helper()
	want := slowBad(b)
	if ValidUTF8(b) != (want < 0) {
		t.Fatalf("% x: ValidUTF8 says %v", b, ValidUTF8(b))
	}
	for cut := range len(b) + 1 {
		if got := writePieces(b, cut); got != want {
			t.Fatalf("% x cut at %d: bad byte %d, want %d", b, cut, got, want)
		}
	}
	each := make([]int, len(b))
	for i := range each {
		each[i] = i
	}
	if got := writePieces(b, each...); got != want {
		t.Fatalf("% x byte by byte: bad byte %d, want %d", b, got, want)
	}
}

// RFC 3629, 4: every sequence of two bytes, and those of three and four whose
// later bytes lie at a border of some range.
func TestUTF8EverySequence(t *testing.T) {
	borders := []byte{0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff}
	check := func(b ...byte) {
		if got, want := writePieces(b), slowBad(b); got != want {
			t.Fatalf("% x: bad byte %d, want %d", b, got, want)
		}
	}
	for first := range 256 {
		check(byte(first))
		for second := range 256 {
			check(byte(first), byte(second))
		}
		if first < 0xe0 {
			continue
		}
		for _, second := range borders {
			for _, third := range borders {
				check(byte(first), second, third)
				for _, fourth := range borders {
					check(byte(first), second, third, fourth)
				}
			}
		}
	}
}

// Every code point is valid, in two pieces cut anywhere.
func TestUTF8EveryCharacter(t *testing.T) {
	for r := range utf8.MaxRune + 1 {
		if r >= 0xd800 && r <= 0xdfff {
			continue
		}
		b := utf8.AppendRune(nil, r)
		for cut := range b {
			if bad := writePieces(b, cut); bad >= 0 {
				t.Fatalf("%U cut at %d: bad byte %d", r, cut, bad)
			}
		}
	}
}

// The words that are looked at together do not hide or move a bad byte.
func TestUTF8LongTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s strings.Builder
		for s.Len() < 20+r.IntN(60) {
			s.WriteString(goodUTF8[r.IntN(len(goodUTF8))])
			if r.IntN(4) == 0 {
				s.WriteString(prefixes[r.IntN(len(prefixes))])
			}
		}
		b := []byte(s.String())
		checkUTF8(t, b)
		b[r.IntN(len(b))] = byte(r.Uint32())
		checkUTF8(t, b)
		bad := unhex(badUTF8[r.IntN(len(badUTF8))].hex)
		checkUTF8(t, append(b[:r.IntN(len(b))], bad...))
	}
}
