package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// UTF8 validates text that comes in pieces. The zero value is ready. It knows
// a sequence to be wrong at its first impossible byte: f4 may still become a
// character, f4 90 cannot.
type UTF8 struct {
	need   uint8 // continuation bytes still to come in the sequence begun
	lo, hi uint8 // what the next of them may be
}

// Write takes the next piece. It returns the index of the first byte that
// cannot belong to valid text, or -1. After a bad byte the value is of no use.
func (v *UTF8) Write(b []byte) (bad int) {
	i := 0
	if v.need > 0 {
		if i, bad = v.finish(b); bad >= 0 || v.need > 0 {
			return bad
		}
	}
	// Whole characters are checked at the standard library's speed. Only an
	// unfinished one at the end, or the search for a bad byte, is done here.
	cut := len(b) - unfinished(b[i:])
	if utf8.Valid(b[i:cut]) {
		i = cut
	}
	for i < len(b) {
		if bad := v.step(b[i]); bad {
			return i
		}
		i++
	}
	return -1
}

// Complete reports whether the text so far ends with a whole character.
func (v *UTF8) Complete() bool { return v.need == 0 }

// finish takes what b has of the sequence that earlier pieces began.
func (v *UTF8) finish(b []byte) (n, bad int) {
	for n < len(b) && v.need > 0 {
		if v.step(b[n]) {
			return n, n
		}
		n++
	}
	return n, -1
}

// step takes one byte, by the table of RFC 3629, section 4.
func (v *UTF8) step(c byte) (bad bool) {
	if v.need > 0 {
		if c < v.lo || c > v.hi {
			return true
		}
		v.need--
		v.lo, v.hi = 0x80, 0xbf
		return false
	}
	v.lo, v.hi = 0x80, 0xbf
	switch {
	case c < 0x80:
	case c < 0xc2: // a continuation byte, or an overlong form of two bytes
		return true
	case c < 0xe0:
		v.need = 1
	case c < 0xf0:
		v.need = 2
		if c == 0xe0 { // below a0: overlong
			v.lo = 0xa0
		} else if c == 0xed { // above 9f: a surrogate
			v.hi = 0x9f
		}
	case c < 0xf5:
		v.need = 3
		if c == 0xf0 { // below 90: overlong
			v.lo = 0x90
		} else if c == 0xf4 { // above 8f: beyond U+10FFFF
			v.hi = 0x8f
		}
	default:
		return true
	}
	return false
}

// unfinished is the number of bytes, at most 3, at the end of b that begin a
// character without ending it.
func unfinished(b []byte) int {
	for n := 1; n <= 3 && n <= len(b); n++ {
		c := b[len(b)-n]
		if c < 0x80 {
			return 0
		}
		if c >= 0xc0 { // a first byte; it leads 2, 3 or 4 bytes
			if c >= 0xf0 && n < 4 || c >= 0xe0 && n < 3 || n < 2 {
				return n
			}
			return 0
		}
	}
	return 0
}

// ValidUTF8 reports whether b is valid UTF-8, quickly when it is ASCII.
func ValidUTF8(b []byte) bool {
	rest := b
	for len(rest) >= 8 {
		if binary.LittleEndian.Uint64(rest)&highBits != 0 {
			return utf8.Valid(rest)
		}
		rest = rest[8:]
	}
	return utf8.Valid(rest)
}
