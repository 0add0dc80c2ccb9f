package deflate

import (
	"bytes"
	"iter"
	"strconv"
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
//
// takeover says that contexts of contextBits may be kept, where the client allows it.
func Negotiate(values iter.Seq[[]byte], takeover bool) (Params, string) {
	for value := range values {
		if o := first(value); o.good {
			return o.accept(takeover)
		}
	}
	return 0, ""
}

// accept answers an offer. That a side takes no context over is said whether
// the client asked for it or not: it may then forget everything between messages, too.
func (o *offer) accept(takeover bool) (p Params, answer string) {
	p, answer = Params(o.bits), name
	if takeover && o.seen&seenServerNo == 0 {
		p = Params(min(o.bits, contextBits)) | serverTakeover
	} else {
		answer += "; server_no_context_takeover"
	}
	// What the client refers to has to be kept. It is asked to refer to no more
	// than that, which only a client may be asked that offered it (7.1.2.2).
	small := ""
	if takeover && o.seen&seenClientNo == 0 && o.seen&seenClientBits != 0 {
		p |= clientTakeover
		small = "; client_max_window_bits=" + strconv.Itoa(min(o.clientBits, contextBits))
	} else {
		answer += "; client_no_context_takeover"
	}
	if p.windowBits() < windowBitsMax {
		answer += "; server_max_window_bits=" + strconv.Itoa(p.windowBits())
	}
	return p, answer + small
}

// first is the first good offer of a list. The whole list must parse.
//
//	extension-list = 1#extension
//	extension = extension-token *( ";" extension-param )
//	extension-param = token [ "=" (token | quoted-string) ]       RFC 6455, 9.1
func first(list []byte) (found offer) {
	s := scanner{list}
	for {
		for s.skip(',') { // "a reasonable number of empty list elements", RFC 9110, 5.6.1.2
		}
		if len(s.rest) == 0 {
			return found
		}
		extension, ok := s.token()
		if !ok {
			return offer{}
		}
		o := offer{good: string(extension) == name, bits: windowBitsMax, clientBits: windowBitsMax}
		for s.skip(';') {
			key, value, valued, ok := s.param()
			if !ok {
				return offer{}
			}
			o.add(key, value, valued)
		}
		if len(s.rest) > 0 && s.rest[0] != ',' {
			return offer{}
		}
		if o.good && !found.good {
			found = o
		}
	}
}

// offer is one offer, as far as it was read.
type offer struct {
	good             bool // it is ours, and can be kept
	bits, clientBits int  // of the windows: the client's inflater's, its compressor's
	seen             uint8
}

// The parameters of an offer, a bit for each.
const (
	seenServerNo uint8 = 1 << iota
	seenClientNo
	seenServerBits
	seenClientBits
)

// add reads one parameter. RFC 7692, 7.1.1 and 7.1.2.
func (o *offer) add(key, value []byte, valued bool) {
	var bit uint8
	switch string(key) {
	case "server_no_context_takeover":
		bit = seenServerNo
		o.good = o.good && !valued
	case "client_no_context_takeover":
		bit = seenClientNo
		o.good = o.good && !valued
	case "server_max_window_bits":
		bit = seenServerBits
		o.bits = windowBits(value)
		o.good = o.good && o.bits != 0
	case "client_max_window_bits":
		// "This parameter [...] may have a value" (7.1.2.2).
		bit = seenClientBits
		if valued {
			o.clientBits = windowBits(value)
			o.good = o.good && o.clientBits != 0
		}
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
