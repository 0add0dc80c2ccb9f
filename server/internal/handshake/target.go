package handshake

import (
	"bytes"
	"net/netip"
	"strconv"
)

// parseTarget takes the request target apart (RFC 9112, 3.2).
func (h *Head) parseTarget() *Refusal {
	target := h.Target
	switch {
	case string(h.Method) == "CONNECT":
		return refuseTarget // its target is no resource of an origin server
	case string(target) == "*":
		if string(h.Method) != "OPTIONS" {
			return refuseTarget
		}
		h.RawPath, h.Path = target, target
		return nil
	case target[0] != '/':
		// "When an origin server receives a request with an absolute-form of
		// request-target, the origin server MUST ignore the received Host header
		// field (if any) and instead use the host information of the
		// request-target." RFC 9112, 3.2.2.
		authority, rest, ok := cutAbsolute(target)
		if !ok {
			return refuseTarget
		}
		h.Host = authority
		target = rest
	}
	// "#" begins a fragment, which is never sent: two parsers would not agree on
	// what it is here.
	if bytes.IndexByte(target, '#') >= 0 {
		return refuseTarget
	}
	h.RawPath, h.RawQuery, _ = bytes.Cut(target, []byte{'?'})
	if len(h.RawPath) == 0 {
		// "An empty path component is equivalent to an absolute path of "/"."
		// RFC 9110, 4.2.3.
		h.RawPath = slash
	}
	return h.decodePath()
}

var slash = []byte{'/'}

// cutAbsolute splits scheme "://" authority [path] ["?" query].
func cutAbsolute(target []byte) (authority, rest []byte, ok bool) {
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || defaultPort(scheme) == "" {
		return nil, nil, false
	}
	authority = rest
	if end := bytes.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	_, _, ok = splitAuthority(authority)
	return authority, rest[len(authority):], ok
}

// decodePath decodes RawPath, once: what another round would decode is content.
func (h *Head) decodePath() *Refusal {
	raw := h.RawPath
	if bytes.IndexByte(raw, '%') < 0 {
		h.Path = raw
		return nil
	}
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) {
				return refuseTarget
			}
			high, low := unhex(raw[i+1]), unhex(raw[i+2])
			c = high<<4 | low
			// No name has a NUL in it; code in C ends a name there.
			if high > 15 || low > 15 || c == 0 {
				return refuseTarget
			}
			i += 2
		}
		h.decoded = append(h.decoded, c)
	}
	h.Path = h.decoded
	return nil
}

func unhex(c byte) byte {
	switch c = lower(c); {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// splitAuthority splits host [":" port] and checks both. There is no userinfo in
// it (RFC 9110, 4.2.4), and of the characters that RFC 3986 allows in a
// registered name only those that names have. An empty port counts as none.
func splitAuthority(b []byte) (host, port []byte, ok bool) {
	host = b
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return nil, nil, false
		}
		addr, err := netip.ParseAddr(string(b[1:end]))
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return nil, nil, false
		}
		host, port = b[:end+1], b[end+1:]
		if len(port) > 0 && port[0] != ':' {
			return nil, nil, false
		}
	} else {
		if colon := bytes.IndexByte(b, ':'); colon >= 0 {
			host, port = b[:colon], b[colon:]
		}
		if !isName(host) {
			return nil, nil, false
		}
	}
	if len(port) <= len(":") {
		return host, nil, true
	}
	port = port[len(":"):]
	n, err := strconv.ParseUint(string(port), 10, 16)
	return host, port, err == nil && n > 0 && isDigits(port)
}

// isName reports whether b is a name or an IPv4 address.
func isName[T []byte | string](b T) bool {
	for i := range len(b) {
		switch c := lower(b[i]); {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return len(b) > 0
}

// defaultPort returns the port that a URI of the scheme means when it names
// none, or "" for a scheme that is not ours.
func defaultPort[T []byte | string](scheme T) string {
	switch {
	case equalFold(scheme, "http"), equalFold(scheme, "ws"):
		return "80"
	case equalFold(scheme, "https"), equalFold(scheme, "wss"):
		return "443"
	}
	return ""
}
