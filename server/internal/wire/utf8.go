package wire

import "encoding/binary"

// UTF8 validates text that comes in pieces. The zero value is ready. It knows
// a sequence to be wrong at its first impossible byte: f4 may still become a
// character, f4 90 cannot.
type UTF8 struct {
	state uint8 // where the last piece ended in the automaton
}

// The automaton of RFC 3629, section 4. A state is a distance by which a row
// of utf8Moves is shifted, so that one load and one shift make one move.
const (
	utf8Done     = 6 * iota // between characters
	utf8Tail1               // one byte of 80..bf is to come
	utf8Tail2               // two of them
	utf8Tail3               // three of them
	utf8AfterE0             // a0..bf, then one: below, the form is overlong
	utf8AfterED             // 80..9f, then one: above are the surrogates
	utf8AfterF0             // 90..bf, then two: below, the form is overlong
	utf8AfterF4             // 80..8f, then two: above is beyond U+10FFFF
	utf8Bad                 // for ever
	utf8StateBit = 6
)

// utf8Moves has a row for each byte: bits s to s+5 are the state that follows s.
var utf8Moves = func() (rows [256]uint64) {
	move := func(from int, lo, hi int, to uint64) {
		for c := lo; c <= hi; c++ {
			rows[c] &^= 63 << from
			rows[c] |= to << from
		}
	}
	for from := utf8Done; from <= utf8Bad; from += utf8StateBit {
		move(from, 0x00, 0xff, utf8Bad)
	}
	move(utf8Done, 0x00, 0x7f, utf8Done)
	move(utf8Done, 0xc2, 0xdf, utf8Tail1)
	move(utf8Done, 0xe0, 0xef, utf8Tail2)
	move(utf8Done, 0xe0, 0xe0, utf8AfterE0)
	move(utf8Done, 0xed, 0xed, utf8AfterED)
	move(utf8Done, 0xf1, 0xf3, utf8Tail3)
	move(utf8Done, 0xf0, 0xf0, utf8AfterF0)
	move(utf8Done, 0xf4, 0xf4, utf8AfterF4)
	move(utf8Tail1, 0x80, 0xbf, utf8Done)
	move(utf8Tail2, 0x80, 0xbf, utf8Tail1)
	move(utf8Tail3, 0x80, 0xbf, utf8Tail2)
	move(utf8AfterE0, 0xa0, 0xbf, utf8Tail1)
	move(utf8AfterED, 0x80, 0x9f, utf8Tail1)
	move(utf8AfterF0, 0x90, 0xbf, utf8Tail2)
	move(utf8AfterF4, 0x80, 0x8f, utf8Tail2)
	return rows
}()

// Write takes the next piece. It returns the index of the first byte that
// cannot belong to valid text, or -1. After a bad byte the value is of no use.
func (v *UTF8) Write(b []byte) (bad int) {
	state := uint64(v.state)
	rest := b[:len(b):len(b)]
	for len(rest) > 8 { // not >=, for the reason given in unmask
		if state == utf8Done {
			rest = skipASCII(rest)
			if len(rest) <= 8 {
				break
			}
		}
		word := binary.LittleEndian.Uint64(rest)
		next := utf8Moves[byte(word)] >> (state & 63)
		next = utf8Moves[byte(word>>8)] >> (next & 63)
		next = utf8Moves[byte(word>>16)] >> (next & 63)
		next = utf8Moves[byte(word>>24)] >> (next & 63)
		next = utf8Moves[byte(word>>32)] >> (next & 63)
		next = utf8Moves[byte(word>>40)] >> (next & 63)
		next = utf8Moves[byte(word>>48)] >> (next & 63)
		next = utf8Moves[byte(word>>56)] >> (next & 63) & 63
		if next == utf8Bad {
			break // the loop below finds the byte
		}
		state = next
		rest = rest[8:]
	}
	for i, c := range rest {
		state = utf8Moves[c] >> (state & 63)
		if state&63 == utf8Bad {
			return len(b) - len(rest) + i
		}
	}
	v.state = uint8(state & 63)
	return -1
}

// skipASCII cuts whole words of ASCII off the front of b.
func skipASCII(b []byte) []byte {
	for len(b) > 32 {
		w := binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[8:]) |
			binary.LittleEndian.Uint64(b[16:]) | binary.LittleEndian.Uint64(b[24:])
		if w&highBits != 0 {
			break
		}
		b = b[32:]
	}
	for len(b) > 8 && binary.LittleEndian.Uint64(b)&highBits == 0 {
		b = b[8:]
	}
	return b
}

// Complete reports whether the text so far ends with a whole character.
func (v *UTF8) Complete() bool { return v.state == utf8Done }

// ValidUTF8 reports whether b is valid UTF-8.
func ValidUTF8(b []byte) bool { return firstInvalid(b) == 0 }

// firstInvalid is the number of bytes at the front of b that prove it is not
// valid UTF-8, 0 when it is valid.
func firstInvalid(b []byte) int {
	var v UTF8
	if bad := v.Write(b); bad >= 0 {
		return bad + 1
	}
	if !v.Complete() {
		return len(b) // it ends within a character
	}
	return 0
}
