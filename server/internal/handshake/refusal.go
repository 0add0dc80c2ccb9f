package handshake

import (
	"net/http"
	"slices"
	"strconv"
)

// Cause says what kind of mistake a Refusal answers. It is a closed set, meant
// for counters: no input can make it grow.
type Cause uint8

const (
	CauseApplication Cause = iota // the application's own hook refused
	CauseSyntax                   // not a request of RFC 9112
	CauseSize                     // a limit was met
	CauseMethod                   // not GET
	CauseHTTPVersion              // not HTTP/1.1
	CauseBody                     // an upgrade with a body
	CauseUpgrade                  // Upgrade or Connection does not ask properly
	CauseVersion                  // not Sec-WebSocket-Version 13
	CauseKey                      // a bad Sec-WebSocket-Key
	CauseOrigin                   // an origin that is not welcome
	CauseServer                   // the server's own mistake, such as an illegal response field
	causes
)

// Causes is the number of causes; every Cause is smaller.
const Causes = int(causes)

var causeNames = [...]string{
	"application", "syntax", "size", "method", "http_version", "body",
	"upgrade", "version", "key", "origin", "server",
}

func (c Cause) String() string { return causeNames[c] }

// Refusal is the answer to a request that gets no WebSocket. Those made by this
// package are shared and must not be changed.
type Refusal struct {
	Status int         // 300 to 599; anything else is sent as 500
	Reason string      // the response's body, one sentence
	Header http.Header // further fields, such as Retry-After
	Cause  Cause

	bodiless bool // answers HEAD: "the server MUST NOT send content" (RFC 9110, 9.3.2)
}

var (
	refuseSyntax      = &Refusal{Status: 400, Cause: CauseSyntax, Reason: "This is not a valid HTTP/1.1 request."}
	refuseHeadSize    = &Refusal{Status: 431, Cause: CauseSize, Reason: "The request's header fields are too large or too many."}
	refuseTargetSize  = &Refusal{Status: 414, Cause: CauseSize, Reason: "The request's target is too long."}
	refuseHTTPVersion = &Refusal{Status: 505, Cause: CauseHTTPVersion, Reason: "Only HTTP/1.1 is spoken here."}
	refuseTarget      = &Refusal{Status: 400, Cause: CauseSyntax, Reason: "The request's target is not valid."}
	refuseHost        = &Refusal{Status: 400, Cause: CauseSyntax, Reason: "The request needs one valid Host field."}
	refuseFraming     = &Refusal{Status: 400, Cause: CauseSyntax, Reason: "The length of the request's body is not clear."}

	refuseMethod = &Refusal{
		Status: 405, Cause: CauseMethod, Reason: "A WebSocket is opened with GET.",
		Header: http.Header{"Allow": {"GET"}},
	}
	refuseMethodHead = &Refusal{
		Status: 405, Cause: CauseMethod, Reason: refuseMethod.Reason,
		Header: refuseMethod.Header, bodiless: true,
	}
	refuseUpgradeHTTP = &Refusal{Status: 505, Cause: CauseHTTPVersion, Reason: "A WebSocket is opened with HTTP/1.1."}
	refuseBody        = &Refusal{Status: 400, Cause: CauseBody, Reason: "A request for a WebSocket has no body."}
	refuseUpgrade     = &Refusal{Status: 400, Cause: CauseUpgrade, Reason: "The request needs one Upgrade field with websocket in it."}
	refuseConnection  = &Refusal{Status: 400, Cause: CauseUpgrade, Reason: "The request's Connection field does not name Upgrade."}
	refuseVersions    = &Refusal{Status: 400, Cause: CauseVersion, Reason: "The request has more than one Sec-WebSocket-Version."}
	refuseVersion     = &Refusal{
		Status: 426, Cause: CauseVersion, Reason: "The only Sec-WebSocket-Version spoken here is 13.",
		Header: http.Header{"Sec-Websocket-Version": {"13"}, "Upgrade": {"websocket"}},
	}
	refuseKey     = &Refusal{Status: 400, Cause: CauseKey, Reason: "The request needs one Sec-WebSocket-Key: 16 bytes in base64."}
	refuseOrigins = &Refusal{Status: 400, Cause: CauseOrigin, Reason: "The request has more than one Origin."}
	refuseOrigin  = &Refusal{Status: 403, Cause: CauseOrigin, Reason: "This origin may not open a WebSocket here."}
	refuseAnswer  = &Refusal{Status: 500, Cause: CauseServer, Reason: "The server made no valid response."}
)

// Append appends the whole response to dst: it closes the connection, says its
// own length and holds no byte of the request. A field of Header that is not
// valid, or that Append writes itself, is left out.
func (r *Refusal) Append(dst []byte) []byte {
	status := r.Status
	if status < 300 || status > 599 {
		status = http.StatusInternalServerError
	}
	body := r.Reason
	if r.bodiless {
		body = ""
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	dst = append(dst, "\r\nConnection: close"...)
	if r.Header.Get("Upgrade") != "" {
		// "A sender of Upgrade MUST also send an "Upgrade" connection option."
		// RFC 9110, 7.8.
		dst = append(dst, ", Upgrade"...)
	}
	dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n"...)
	dst, _ = appendFields(dst, r.Header, isFraming)
	dst = append(dst, "\r\n"...)
	return append(dst, body...)
}

// isFraming reports whether a field decides where a response ends, which is
// never the application's to say.
func isFraming(name string) bool {
	for _, own := range [...]string{"Connection", "Content-Length", "Content-Type", "Transfer-Encoding", "Trailer"} {
		if equalFold(name, own) {
			return true
		}
	}
	return false
}

// appendFields appends the fields of h in the order of their names, without
// those that are reserved or could not be read back as one field. It reports
// whether there were none of these.
func appendFields(dst []byte, h http.Header, reserved func(name string) bool) (_ []byte, ok bool) {
	if len(h) == 0 {
		return dst, true
	}
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	ok = true
	for _, name := range names {
		if !isToken(name) || reserved(name) {
			ok = false
			continue
		}
		for _, value := range h[name] {
			if !allOf(value, charField) {
				ok = false
				continue
			}
			dst = append(dst, name...)
			dst = append(dst, ": "...)
			dst = append(dst, value...)
			dst = append(dst, "\r\n"...)
		}
	}
	return dst, ok
}
