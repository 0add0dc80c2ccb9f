package torture

import (
	"strings"
)

// exampleKey is the key of RFC 6455, 1.3; its accept value is s3pPLMBiTxaQ9kYGzzhZRbK+xOo=.
const exampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// request is a request head that can be wrong in every line.
type request struct {
	line   string
	fields []string
	body   []byte // whatever follows the blank line
	end    string // of a line; CRLF
}

// request is a correct opening handshake: RFC 6455, 4.1.
func (o *Options) request() request {
	return request{
		line: "GET " + o.path + " HTTP/1.1",
		fields: []string{
			"Host: " + o.host,
			"X-Probe: " + probe,
			"Upgrade: websocket",
			"Connection: Upgrade",
			"Sec-WebSocket-Key: " + exampleKey,
			"Sec-WebSocket-Version: 13",
		},
		end: "\r\n",
	}
}

// bytes is the request as it is sent.
func (r request) bytes() []byte { return r.wire().Bytes }

// wire is the request with the ends of its lines marked.
func (r request) wire() Wire {
	var w Wire
	for _, line := range append([]string{r.line}, r.fields...) {
		w.Bytes = append(append(w.Bytes, line...), r.end...)
		w.mark()
	}
	w.Bytes = append(w.Bytes, r.end...)
	w.mark()
	w.Bytes = append(w.Bytes, r.body...)
	return w
}

// with adds lines at the end of the head.
func (r request) with(lines ...string) request {
	r.fields = append(r.fields[:len(r.fields):len(r.fields)], lines...)
	return r
}

// first adds a line before all others.
func (r request) first(line string) request {
	r.fields = append([]string{line}, r.fields...)
	return r
}

// without leaves the fields of a name out.
func (r request) without(name string) request {
	var kept []string
	for _, f := range r.fields {
		if n, _, _ := strings.Cut(f, ":"); n != name {
			kept = append(kept, f)
		}
	}
	r.fields = kept
	return r
}

// set replaces a field by a line, in its place.
func (r request) set(name, line string) request {
	fields := append([]string(nil), r.fields...)
	for i, f := range fields {
		if n, _, _ := strings.Cut(f, ":"); n == name {
			fields[i] = line
		}
	}
	r.fields = fields
	return r
}

// asks replaces the request line.
func (r request) asks(line string) request {
	r.line = line
	return r
}

// then adds bytes after the blank line.
func (r request) then(parts ...part) request {
	r.body = append(r.body[:len(r.body):len(r.body)], wireOf(parts...).Bytes...)
	return r
}
