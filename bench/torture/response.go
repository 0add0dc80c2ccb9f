package torture

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// responses reads what a server sends before frames: HTTP/1.1 responses, judged
// strictly (RFC 9112). After a 101 the rest of the stream is frames.
type responses struct {
	b        []byte
	head     bool // the requests are HEAD: their responses have no body
	violated bool
	later    bool // there was one before
	over     bool // the stream has ended
}

// responseMax bounds one response: no refusal needs more.
const responseMax = 1 << 20

// feed takes the next bytes and returns the responses they complete. switched
// is true once a 101 was read; rest is then what followed it.
func (r *responses) feed(b []byte) (events []Event, rest []byte, switched bool) {
	r.b = append(r.b, b...)
	for !r.violated {
		e, n, err := r.next()
		if err != nil {
			r.violated = true
			return append(events, Event{Kind: Violation, Why: err.Error()}), nil, false
		}
		if n == 0 {
			break
		}
		r.b = r.b[n:]
		r.later = true
		events = append(events, e)
		if e.Status == http.StatusSwitchingProtocols {
			return events, r.b, true
		}
	}
	return events, nil, false
}

// end is called at the end of the stream: it has what only that could end, or says what is wrong with it.
func (r *responses) end() (e Event, bad bool) {
	if r.violated || len(r.b) == 0 {
		return Event{}, false
	}
	r.over = true
	if e, n, err := r.next(); err == nil && n == len(r.b) {
		return e, true
	}
	return Event{Kind: Violation, Why: fmt.Sprintf("the stream ends inside a response: %q", r.b[:min(len(r.b), 80)])}, true
}

// next takes one response off r.b; n == 0 means that it is not whole yet.
func (r *responses) next() (e Event, n int, err error) {
	if len(r.b) >= 5 && string(r.b[:5]) != "HTTP/" || len(r.b) > responseMax {
		return e, 0, fmt.Errorf("not an HTTP response: %q", r.b[:min(len(r.b), 80)])
	}
	end := bytes.Index(r.b, []byte("\r\n\r\n"))
	if end < 0 {
		return e, 0, nil
	}
	lines := strings.Split(string(r.b[:end]), "\r\n")
	e = Event{Kind: Response, Header: http.Header{}}
	if e.Status, err = statusLine(lines[0]); err != nil {
		return e, 0, err
	}
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(line, ":")
		if !found || !token(name) || strings.ContainsFunc(value, control) {
			return e, 0, fmt.Errorf("not a header field: %q", line)
		}
		e.Header.Add(name, strings.Trim(value, " \t"))
	}
	if e.Status == http.StatusOK && len(e.Header["Content-Length"]) == 0 && lists(e.Header.Get("Transfer-Encoding"), "chunked") {
		body, n, err := unchunked(r.b[end+4:])
		if n == 0 || err != nil {
			return e, 0, err
		}
		e.Payload = body
		return e, end + 4 + n, nil
	}
	if r.last(e) {
		if !r.over {
			return e, 0, nil
		}
		e.Payload = clone(r.b[end+4:])
		return e, len(r.b), nil
	}
	body, err := r.bodyLength(e)
	if err != nil {
		return e, 0, err
	}
	if len(r.b) < end+4+body {
		return e, 0, nil
	}
	e.Payload = clone(r.b[end+4 : end+4+body])
	return e, end + 4 + body, nil
}

// statusLine parses "HTTP/1.1 101 Switching Protocols".
func statusLine(line string) (int, error) {
	if len(line) < 13 || line[:9] != "HTTP/1.1 " || line[12] != ' ' || strings.ContainsFunc(line, control) {
		return 0, fmt.Errorf("not a status line of HTTP/1.1: %q", line)
	}
	status, err := strconv.ParseUint(line[9:12], 10, 16)
	if err != nil || status < 100 {
		return 0, fmt.Errorf("not a status code: %q", line)
	}
	return int(status), nil
}

// unchunked joins the chunks that b begins with: RFC 9112, 7.1. n == 0 means that
// the last one has not come yet. Extensions and trailers are not expected.
func unchunked(b []byte) (body []byte, n int, err error) {
	for {
		line := bytes.Index(b[n:], []byte("\r\n"))
		if line < 0 {
			return nil, 0, nil
		}
		size, err := strconv.ParseUint(string(b[n:n+line]), 16, 20)
		if err != nil {
			return nil, 0, fmt.Errorf("not the size of a chunk: %q", b[n:n+min(line, 40)])
		}
		n += line + 2
		if uint64(len(b)-n) < size+2 {
			return nil, 0, nil
		}
		body = append(body, b[n:n+int(size)]...)
		n += int(size)
		if string(b[n:n+2]) != "\r\n" {
			return nil, 0, fmt.Errorf("a chunk that goes on with %q", b[n:n+2])
		}
		if n += 2; size == 0 {
			return body, n, nil
		}
	}
}

// last reports a refusal that goes on until the stream ends (RFC 9112, 6.3). On a
// connection that has served other requests it is as good as one with a length.
func (r *responses) last(e Event) bool {
	return r.later && e.Status >= http.StatusBadRequest && len(e.Header["Content-Length"])+len(e.Header["Transfer-Encoding"]) == 0 &&
		lists(e.Header.Get("Connection"), "close")
}

// bodyLength insists on a Content-Length, but for a success in chunks: the
// conventions for refusals ask for a fixed one, and RFC 9110, 8.6 forbids it in a 1xx.
func (r *responses) bodyLength(e Event) (int, error) {
	lengths, coded := e.Header["Content-Length"], len(e.Header["Transfer-Encoding"]) > 0
	if e.Status < 200 || e.Status == http.StatusNoContent {
		if len(lengths) > 0 || coded {
			return 0, fmt.Errorf("a %d response that announces a body", e.Status)
		}
		return 0, nil
	}
	if len(lengths) != 1 || coded {
		return 0, fmt.Errorf("a %d response without a fixed Content-Length: %v", e.Status, e.Header)
	}
	n, err := strconv.ParseUint(lengths[0], 10, 20)
	if err != nil {
		return 0, fmt.Errorf("Content-Length %q", lengths[0])
	}
	if r.head {
		return 0, nil
	}
	return int(n), nil
}

// control reports control characters other than a tab.
func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// token reports whether s is a token of RFC 9110, 5.6.2.
func token(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}
