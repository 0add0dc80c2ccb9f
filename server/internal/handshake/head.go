package handshake

import (
	"bytes"
	"iter"
	"strconv"
)

// Head is a request head that was parsed. Its slices are views into the bytes
// that were parsed, or into the Head itself, and die with the next Parse. A Head
// is made to be used again: it then allocates nothing.
type Head struct {
	Method   []byte
	Target   []byte // as it was sent
	RawPath  []byte // the target's path as it was sent; "/" when an absolute-form has none
	Path     []byte // RawPath, percent-decoded once
	RawQuery []byte // what follows the target's first "?", as it was sent
	Host     []byte // the authority that the request is for; empty only in HTTP/1.0
	Minor    int    // of the protocol version, HTTP/1.Minor: 0 or 1

	ContentLength int64 // 0 when the request does not say
	Chunked       bool  // the body is chunked; ContentLength is 0

	Fields  []Field
	decoded []byte // Path lies here when it differs from RawPath
}

// Field is one header field line.
type Field struct {
	Name, Value []byte // Value without the white space around it
}

// Parse takes a whole head apart, the blank line at its end included, and checks
// all of it by the rules of RFC 9112 that a server must or may insist on.
func (h *Head) Parse(head []byte, lim Limits) *Refusal {
	lim = lim.orDefault()
	*h = Head{Fields: h.Fields[:0], decoded: h.decoded[:0]}
	var s Scanner
	switch n, refusal := s.Scan(head, lim); {
	case refusal != nil:
		return refusal
	case n == 0 || n != len(head):
		return refuseSyntax
	}
	// The scan has seen that every line ends in CRLF, that neither byte occurs
	// elsewhere, and that the request line has three words and a version.
	line, rest := cutLine(head)
	h.Minor = int(line[len(line)-1] - '0')
	h.Method, line, _ = bytes.Cut(line, []byte{' '})
	h.Target, _, _ = bytes.Cut(line, []byte{' '})
	for line, rest = cutLine(rest); len(line) > 0; line, rest = cutLine(rest) {
		colon := bytes.IndexByte(line, ':')
		// "No whitespace is allowed between the field name and colon." RFC 9112, 5.1.
		if colon < 0 || !isToken(line[:colon]) {
			return refuseSyntax
		}
		h.Fields = append(h.Fields, Field{Name: line[:colon], Value: trim(line[colon+1:])})
	}
	if refusal := h.parseHost(); refusal != nil {
		return refusal
	}
	if refusal := h.parseTarget(); refusal != nil {
		return refusal
	}
	return h.parseFraming()
}

func cutLine(b []byte) (line, rest []byte) {
	end := bytes.IndexByte(b, '\r')
	return b[:end], b[end+len("\r\n"):]
}

// parseHost finds the Host field. "A server MUST respond with a 400 (Bad
// Request) status code to any HTTP/1.1 request message that lacks a Host header
// field and to any request message that contains more than one Host header field
// line or a Host header field with an invalid field value." RFC 9112, 3.2.
func (h *Head) parseHost() *Refusal {
	host, count := h.only("Host")
	if count == 0 && h.Minor == 0 {
		return nil
	}
	if _, _, ok := splitAuthority(host); !ok || count != 1 {
		return refuseHost
	}
	h.Host = host
	return nil
}

// parseFraming finds out how long the body is. A message that says it twice, or
// in a way that another parser may read otherwise, is how requests are smuggled:
// it is refused whatever it says.
func (h *Head) parseFraming() *Refusal {
	length, lengths := h.only("Content-Length")
	coding, codings := h.only("Transfer-Encoding")
	switch {
	case lengths+codings == 0:
		return nil
	case lengths+codings > 1:
		return refuseFraming
	case codings == 1:
		if h.Minor == 0 || !equalFold(coding, "chunked") {
			return refuseFraming
		}
		h.Chunked = true
		return nil
	case !isDigits(length):
		return refuseFraming
	}
	n, err := strconv.ParseInt(string(length), 10, 64)
	if err != nil {
		return refuseFraming
	}
	h.ContentLength = n
	return nil
}

// only returns the value of the first field of that name, and how many there are.
func (h *Head) only(name string) (value []byte, count int) {
	for i := range h.Fields {
		if f := &h.Fields[i]; equalFold(f.Name, name) {
			if count == 0 {
				value = f.Value
			}
			count++
		}
	}
	return value, count
}

// Get returns the value of the first field of that name, nil without one.
func (h *Head) Get(name string) []byte {
	value, _ := h.only(name)
	return value
}

// Count returns how many field lines have that name.
func (h *Head) Count(name string) int {
	_, count := h.only(name)
	return count
}

// Values yields the values of the field lines of that name, in their order.
func (h *Head) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range h.Fields {
			if f := &h.Fields[i]; equalFold(f.Name, name) && !yield(f.Value) {
				return
			}
		}
	}
}

// HasToken reports whether the list in the fields of that name has the token, in
// either case. A field line that is no list of tokens has none.
func (h *Head) HasToken(name, token string) bool {
	for value := range h.Values(name) {
		if !isTokenList(value) {
			continue
		}
		for element := range elements(value) {
			if equalFold(element, token) {
				return true
			}
		}
	}
	return false
}

// WantsWebSocket reports whether the request asks to switch to the WebSocket
// protocol, well or badly. One that does not is plain HTTP.
func (h *Head) WantsWebSocket() bool {
	return h.HasToken("Upgrade", "websocket")
}

// elements yields what the commas of a list separate. "A recipient MUST parse
// and ignore a reasonable number of empty list elements." RFC 9110, 5.6.1.2.
func elements(list []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for more := true; more; {
			var element []byte
			element, list, more = bytes.Cut(list, []byte{','})
			if element = trim(element); len(element) > 0 && !yield(element) {
				return
			}
		}
	}
}

// isTokenList reports whether a list holds tokens only, or token "/" token as
// Upgrade allows; with a quoted string among them, commas separate nothing.
func isTokenList(list []byte) bool {
	for element := range elements(list) {
		name, version, versioned := bytes.Cut(element, []byte{'/'})
		if !isToken(name) || versioned && !isToken(version) {
			return false
		}
	}
	return true
}
