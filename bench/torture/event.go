package torture

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind says what came from the server.
type Kind uint8

const (
	Response  Kind = iota // an HTTP response, whole
	Text                  // a text message, whole
	Binary                // a binary message, whole
	Ping                  // a Ping frame
	Pong                  // a Pong frame
	Close                 // a Close frame
	Alert                 // a fatal TLS alert, or a word in HTTP in its place
	TLSRecord             // a TLS record, or a message in it, that carries no data of HTTP or frames
	EOF                   // FIN: the server will send no more
	Reset                 // the connection broke: RST, or another error
	Violation             // bytes that no correct server sends
	Silence               // nothing, for as long as was waited
)

var kindNames = [...]string{"response", "text", "binary", "ping", "pong", "close", "alert", "record", "FIN", "reset", "violation", "silence"}

func (k Kind) String() string { return kindNames[k] }

// noCode is what a Close frame without payload is said to carry (RFC 6455, 7.1.5).
const noCode = 1005

// Event is one thing that came from the server.
type Event struct {
	Kind    Kind
	Payload []byte      // of a message or control frame; the body of a response; a Close frame's reason
	Code    uint16      // of a Close frame; the description of an alert; the type of a record
	Status  int         // of a response
	Header  http.Header // of a response
	Why     string      // of a violation or a reset; of a FIN, what was missing before it; of an alert, that it was none
}

// over reports whether nothing can follow but the end.
func (e Event) over() bool {
	return e.Kind == EOF || e.Kind == Alert || e.Kind == Reset || e.Kind == Violation
}

// proper reports the end of a stream: over TLS only a close_notify makes one
// (RFC 8446, 6.1).
func (e Event) proper() bool { return e.Kind == EOF && e.Why == "" }

// withoutNotify is what is missing of an end over TLS.
const withoutNotify = "without close_notify"

func (e Event) String() string {
	switch e.Kind {
	case Response:
		return fmt.Sprintf("response %d", e.Status)
	case Close:
		if e.Code == noCode {
			return "close without code"
		}
		if len(e.Payload) > 0 {
			return fmt.Sprintf("close %d %q", e.Code, e.Payload)
		}
		return fmt.Sprintf("close %d", e.Code)
	case Violation, Reset:
		return fmt.Sprintf("%v (%s)", e.Kind, e.Why)
	case Alert:
		if e.Why != "" {
			return e.Why
		}
		return fmt.Sprintf("alert %d", e.Code)
	case TLSRecord:
		return fmt.Sprintf("a TLS record of type %d %s", e.Code, brief(e.Payload))
	case EOF:
		if e.Why != "" {
			return "FIN " + e.Why
		}
		return "FIN"
	case Silence:
		return e.Kind.String()
	}
	return fmt.Sprintf("%v %s", e.Kind, brief(e.Payload))
}

// brief names a payload in a few words: as text when it is some.
func brief(p []byte) string {
	if len(p) <= 40 {
		if utf8.Valid(p) {
			return fmt.Sprintf("%q", p)
		}
		return fmt.Sprintf("[% x]", p)
	}
	return fmt.Sprintf("of %d bytes [% x ...]", len(p), p[:12])
}

// expect is what a case wants next.
type expect struct {
	kind    Kind
	payload []byte   // exact, for messages and control frames other than Close
	codes   []uint16 // any of them, for Close and Alert; empty allows every legal code
	said    *said    // of a Pusher server's message, in place of its payload
}

func (x expect) String() string {
	if x.said != nil {
		return x.said.String()
	}
	switch x.kind {
	case Close:
		if len(x.codes) == 0 {
			return "close"
		}
		var s []string
		for _, c := range x.codes {
			if c == noCode {
				s = append(s, "without code")
			} else {
				s = append(s, fmt.Sprint(c))
			}
		}
		return "close " + strings.Join(s, " or ")
	case Alert:
		if len(x.codes) == 0 {
			return "an alert"
		}
		return "alert " + strings.Trim(fmt.Sprint(x.codes), "[]")
	case TLSRecord:
		return fmt.Sprintf("a TLS record of type %v", x.codes)
	case EOF:
		return "FIN"
	}
	return fmt.Sprintf("%v %s", x.kind, brief(x.payload))
}

// meets reports whether e is what was wanted.
func (x expect) meets(e Event) bool {
	if e.Kind != x.kind {
		return false
	}
	if x.said != nil {
		return x.said.wrong(e) == ""
	}
	switch x.kind {
	case Close, Alert, TLSRecord:
		return len(x.codes) == 0 || slices.Contains(x.codes, e.Code)
	case EOF:
		return true
	}
	return bytes.Equal(e.Payload, x.payload)
}

// differ says where an event of the right kind goes wrong; long payloads need it.
func (x expect) differ(e Event) string {
	if x.said != nil {
		if e.Kind != Text || len(e.Payload) <= 40 {
			return ""
		}
		return ": " + x.said.wrong(e)
	}
	if e.Kind != x.kind || len(x.codes) > 0 || len(x.payload)+len(e.Payload) <= 80 {
		return ""
	}
	i := 0
	for i < len(x.payload) && i < len(e.Payload) && x.payload[i] == e.Payload[i] {
		i++
	}
	return fmt.Sprintf(": %d bytes for %d, the first difference at offset %d", len(e.Payload), len(x.payload), i)
}

func wantText(p string) expect         { return expect{kind: Text, payload: []byte(p)} }
func wantBinary(p string) expect       { return expect{kind: Binary, payload: []byte(p)} }
func wantPong(p string) expect         { return expect{kind: Pong, payload: []byte(p)} }
func wantClose(codes ...uint16) expect { return expect{kind: Close, codes: codes} }
func wantData(op byte, p []byte) expect {
	if op == opText {
		return expect{kind: Text, payload: p}
	}
	return expect{kind: Binary, payload: p}
}
