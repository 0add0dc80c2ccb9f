package handshake

import (
	"fmt"
	"slices"
)

// Config says what an Upgrader offers and accepts.
type Config struct {
	// Subprotocols are the names that the server speaks. Of those that a client
	// asks for, the first that is here is chosen.
	Subprotocols []string

	// Origins says which web pages are welcome.
	Origins Origins

	// Extensions, if set, reads what a client offers in its
	// Sec-WebSocket-Extensions fields and returns the value to answer with, or ""
	// to decline; and, for Result, what was agreed on.
	Extensions func(h *Head) (answer string, agreed uint8)
}

// Upgrader decides about requests for a WebSocket and answers them. It is
// immutable: any number of goroutines may use one.
type Upgrader struct {
	subprotocols []string
	origins      originRules
	extensions   func(h *Head) (string, uint8)
}

// Result is what a handshake settled.
type Result struct {
	Subprotocol int    // index into Config.Subprotocols; -1: none
	Extensions  string // what Config.Extensions answers; "": nothing
	Agreed      uint8  // what it says was agreed on
}

// New checks a configuration.
func New(c Config) (*Upgrader, error) {
	for i, name := range c.Subprotocols {
		// "The elements that comprise this value MUST be non-empty strings with
		// characters in the range U+0021 to U+007E not including separator
		// characters [...] and MUST all be unique strings." RFC 6455, 4.1.
		if !isToken(name) || slices.Contains(c.Subprotocols[:i], name) {
			return nil, fmt.Errorf("handshake: subprotocol %q is not a token, or is listed twice", name)
		}
	}
	origins, err := c.Origins.compile()
	if err != nil {
		return nil, err
	}
	return &Upgrader{
		subprotocols: slices.Clone(c.Subprotocols),
		origins:      origins,
		extensions:   c.Extensions,
	}, nil
}

// Check decides about a request for which WantsWebSocket holds. The order of the
// questions is from the protocol's shape to the application's policy, so that a
// page of a foreign origin learns nothing that it could not have known.
func (u *Upgrader) Check(h *Head) (Result, *Refusal) {
	none := Result{Subprotocol: -1}
	if refusal := checkRequest(h); refusal != nil {
		return none, refusal
	}
	origin, origins := h.only("Origin")
	switch {
	case origins > 1:
		return none, refuseOrigins
	case !u.origins.accepts(origin, origins == 1, h.Host):
		return none, refuseOrigin
	}
	res := Result{Subprotocol: u.subprotocol(h)}
	if u.extensions != nil {
		res.Extensions, res.Agreed = u.extensions(h)
	}
	return res, nil
}

// checkRequest asks what RFC 6455, 4.2.1 asks of every client.
func checkRequest(h *Head) *Refusal {
	// "An HTTP/1.1 or higher GET request" (1.). "A server MUST ignore an Upgrade
	// header field that is received in an HTTP/1.0 request." RFC 9110, 7.8.
	switch {
	case h.Minor == 0:
		return refuseUpgradeHTTP
	case string(h.Method) == "HEAD":
		return refuseMethodHead
	case string(h.Method) != "GET":
		return refuseMethod
	}
	// Nothing says where frames begin behind a body, and proxies disagree.
	if h.Chunked || h.ContentLength != 0 {
		return refuseBody
	}
	// "An |Upgrade| header field containing the value "websocket", treated as an
	// ASCII case-insensitive value" (3.): one line, or whoever reads the first
	// line and whoever reads the last see two protocols.
	if h.Count("Upgrade") != 1 || !h.WantsWebSocket() {
		return refuseUpgrade
	}
	// "A |Connection| header field that includes the token "Upgrade", treated as
	// an ASCII case-insensitive value" (4.).
	if !h.HasToken("Connection", "upgrade") {
		return refuseConnection
	}
	// "A |Sec-WebSocket-Version| header field, with a value of 13" (6.), which
	// "MUST NOT appear more than once in an HTTP request" (11.3.5).
	version, versions := h.only("Sec-WebSocket-Version")
	switch {
	case versions > 1:
		return refuseVersions
	case string(version) != "13":
		return refuseVersion
	}
	// "A |Sec-WebSocket-Key| header field with a base64-encoded value that, when
	// decoded, is 16 bytes in length" (5.).
	if key, keys := h.only("Sec-WebSocket-Key"); keys != 1 || !isKey(key) {
		return refuseKey
	}
	return nil
}

// keyLen is the length of 16 bytes in base64.
const keyLen = 24

// isKey reports whether b is base64 of 16 bytes: 22 digits and the padding. The
// last digit has four bits that mean nothing; some clients leave them set.
func isKey(b []byte) bool {
	if len(b) != keyLen || string(b[keyLen-2:]) != "==" {
		return false
	}
	for _, c := range b[:keyLen-2] {
		if letter := lower(c); (letter < 'a' || letter > 'z') && (c < '0' || c > '9') && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

// subprotocol returns the index of the first name in the client's list that is
// the server's too. A list that is not one of tokens chooses nothing.
func (u *Upgrader) subprotocol(h *Head) int {
	if len(u.subprotocols) == 0 {
		return -1
	}
	chosen := -1
	for value := range h.Values("Sec-WebSocket-Protocol") {
		for element := range elements(value) {
			if !isToken(element) {
				return -1
			}
			for i := 0; i < len(u.subprotocols) && chosen < 0; i++ {
				if string(element) == u.subprotocols[i] {
					chosen = i
				}
			}
		}
	}
	return chosen
}
