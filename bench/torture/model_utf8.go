package torture

import "unicode/utf8"

// provenAt is the offset of the first byte of b after which no continuation can
// be valid UTF-8; len(b) when there is none. It tries completions instead of
// knowing the encoding: slow, and nothing to get wrong.
func provenAt(b []byte) int {
	for n := 1; n <= len(b); n++ {
		if !completable(b[:n], 3) {
			return n - 1
		}
	}
	return len(b)
}

// completable reports whether up to more bytes can make b valid.
func completable(b []byte, more int) bool {
	if utf8.Valid(b) {
		return true
	}
	if more == 0 {
		return false
	}
	// One continuation byte of every range that RFC 3629, 4 tells apart.
	for _, next := range []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf} {
		if completable(append(b[:len(b):len(b)], next), more-1) {
			return true
		}
	}
	return false
}
