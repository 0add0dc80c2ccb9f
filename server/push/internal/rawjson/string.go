package rawjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Bytes is what the string v stands for. It is a view into the text when v has
// no escapes, and nil when v is no string. It must not be changed.
func (v Value) Bytes() []byte {
	if v.Kind() != String {
		return nil
	}
	inner := v.raw[1 : len(v.raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	out := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); {
		if inner[i] != '\\' {
			out = append(out, inner[i])
			i++
			continue
		}
		r, n := unescape(inner[i:])
		out = utf8.AppendRune(out, r)
		i += n
	}
	return out
}

// Len is len(v.Bytes()), found without decoding: limits on data count what the
// publisher means, not how its library chose to escape it.
func (v Value) Len() int {
	if v.Kind() != String {
		return 0
	}
	inner := v.raw[1 : len(v.raw)-1]
	size := 0
	for i := 0; i < len(inner); {
		if inner[i] != '\\' {
			size++
			i++
			continue
		}
		r, n := unescape(inner[i:])
		size += utf8.RuneLen(r)
		i += n
	}
	return size
}

// unescape decodes the escape sequence b begins with and returns its length.
// Half a surrogate pair stands for no character; it becomes U+FFFD, as in
// encoding/json.
func unescape(b []byte) (rune, int) {
	switch b[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(b[2:])
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
			if pair := utf16.DecodeRune(r, hex4(b[8:])); pair != utf8.RuneError {
				return pair, 12
			}
		}
		return utf8.RuneError, 6
	}
	return rune(b[1]), 2 // a quote, a slash or a backslash stands for itself
}

func hex4(b []byte) rune {
	return rune(hex(b[0])<<12 | hex(b[1])<<8 | hex(b[2])<<4 | hex(b[3]))
}

// Quote returns s as a JSON string.
func Quote[S string | []byte](s S) Value {
	return Value{raw: AppendQuote(make([]byte, 0, len(s)+2), s)}
}

// AppendQuote appends s to dst as a JSON string. It escapes what RFC 8259 says
// must be and nothing else: no HTML escaping, since what a publisher wrote
// arrives as it was written. Bytes that are no UTF-8 become U+FFFD.
func AppendQuote[S string | []byte](dst []byte, s S) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range string(s) {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
