package handshake

// The character classes of RFC 9110, 5.5 and 5.6.2.
const (
	charToken   uint8 = 1 << iota // tchar
	charVisible                   // VCHAR: what a request line is made of
	charField                     // VCHAR, SP, HTAB and obs-text: what a field line is made of
)

var chars = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c == '\t', c == ' ', c >= 0x80:
			t[c] = charField
		case c > ' ' && c < 0x7f:
			t[c] = charField | charVisible
		}
	}
	for c := '0'; c <= '9'; c++ {
		t[c] |= charToken
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= charToken
		t[c-'a'+'A'] |= charToken
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= charToken
	}
	return t
}()

// allOf reports whether every byte of s is of the class.
func allOf[T []byte | string](s T, class uint8) bool {
	for i := range len(s) {
		if chars[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

func isToken[T []byte | string](s T) bool {
	return len(s) > 0 && allOf(s, charToken)
}

func isDigits[T []byte | string](s T) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// equalFold compares as RFC 9110 does, over ASCII. bytes.EqualFold folds
// Unicode: it takes U+212A, the Kelvin sign, for a k.
func equalFold[T, U []byte | string](a T, b U) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// trim removes the optional white space around s (RFC 9110, 5.6.3).
func trim(s []byte) []byte {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
