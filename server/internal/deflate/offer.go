package deflate

import (
	"bytes"
	"iter"
)

// name is the extension's. RFC 7692, 7.
const name = "permessage-deflate"

// Negotiate reads the values of the Sec-WebSocket-Extensions fields of a
// request and takes the first offer that can be kept. "" declines them all.
//
// "A server MUST decline an extension negotiation offer for this extension" if
// it has a parameter that is not known, has an invalid value, or comes twice
// (RFC 7692, 7.1); the next offer may be better. A value that is no list of
// extensions offers nothing.
func Negotiate(values iter.Seq[[]byte]) (Params, string) {
	for value := range values {
		if p := first(value); p.On() {
			return p, answers[p.windowBits()]
		}
	}
	return 0, ""
}

// first is the first good offer of a list. The whole list must parse.
//
//	extension-list = 1#extension
//	extension = extension-token *( ";" extension-param )
//	extension-param = token [ "=" (token | quoted-string) ]       RFC 6455, 9.1
func first(list []byte) (found Params) {
	s := scanner{list}
	for {
		for s.skip(',') { // "a reasonable number of empty list elements", RFC 9110, 5.6.1.2
		}
		if len(s.rest) == 0 {
			return found
		}
		extension, ok := s.token()
		if !ok {
			return 0
		}
		o := offer{good: string(extension) == name, bits: windowBitsMax}
		for s.skip(';') {
			key, value, valued, ok := s.param()
			if !ok {
				return 0
			}
			o.add(key, value, valued)
		}
		if len(s.rest) > 0 && s.rest[0] != ',' {
			return 0
		}
		if o.good && !found.On() {
			found = Params(o.bits)
		}
	}
}

// offer is one offer, as far as it was read.
type offer struct {
	good bool // it is ours, and can be kept
	bits int
	seen uint8 // parameters, a bit for each
}

// add reads one parameter. RFC 7692, 7.1.1 and 7.1.2.
func (o *offer) add(key, value []byte, valued bool) {
	var bit uint8
	switch string(key) {
	case "server_no_context_takeover":
		bit = 1
		o.good = o.good && !valued
	case "client_no_context_takeover":
		bit = 2
		o.good = o.good && !valued
	case "server_max_window_bits":
		bit = 4
		o.bits = windowBits(value)
		o.good = o.good && o.bits != 0
	case "client_max_window_bits":
		// "This parameter [...] may have a value" (7.1.2.2). Any size will do: the
		// inflater has the whole message in front of it.
		bit = 8
		o.good = o.good && (!valued || windowBits(value) != 0)
	}
	if bit == 0 || o.seen&bit != 0 {
		o.good = false
	}
	o.seen |= bit
}

// windowBits reads "a decimal integer value without leading zeroes between 8
// and 15, inclusive" (7.1.2.1). 0 is none of these.
func windowBits(value []byte) int {
	switch {
	case len(value) == 1 && (value[0] == '8' || value[0] == '9'):
		return int(value[0] - '0')
	case len(value) == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5':
		return 10 + int(value[1]-'0')
	}
	return 0
}

// scanner takes a field value apart, from its front.
type scanner struct{ rest []byte }

// skip removes c, if it comes next, and the white space around it.
func (s *scanner) skip(c byte) bool {
	s.rest = bytes.TrimLeft(s.rest, " \t")
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = bytes.TrimLeft(s.rest[1:], " \t")
	return true
}

// token removes a token. RFC 9110, 5.6.2.
func (s *scanner) token() (token []byte, ok bool) {
	n := 0
	for n < len(s.rest) && isTokenChar(s.rest[n]) {
		n++
	}
	token, s.rest = s.rest[:n], s.rest[n:]
	return token, n > 0
}

// param removes a parameter.
func (s *scanner) param() (key, value []byte, valued, ok bool) {
	if key, ok = s.token(); !ok || len(s.rest) == 0 || s.rest[0] != '=' {
		return key, nil, false, ok
	}
	s.rest = s.rest[1:]
	if len(s.rest) > 0 && s.rest[0] == '"' {
		value, ok = s.quoted()
	} else {
		value, ok = s.token()
	}
	return key, value, true, ok
}

// quoted removes a quoted string. "The value after quoted-string unescaping
// MUST conform to the 'token' ABNF." RFC 6455, 9.1.
func (s *scanner) quoted() (value []byte, ok bool) {
	for i := 1; i < len(s.rest); i++ {
		c := s.rest[i]
		switch {
		case c == '"':
			s.rest = s.rest[i+1:]
			return value, len(value) > 0
		case c == '\\' && i+1 < len(s.rest):
			i++
			c = s.rest[i]
		}
		if !isTokenChar(c) {
			return nil, false
		}
		value = append(value, c)
	}
	return nil, false
}

func isTokenChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}
