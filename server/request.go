package server

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/roost-ws/roost/server/internal/handshake"
)

// Request is the request of an opening handshake. It is valid until the
// callback it was given to returns; the strings it returns are copies.
type Request struct {
	head     *handshake.Head
	conn     *Conn
	response http.Header
}

// Path returns the path of the request's target, percent-decoded once.
func (r *Request) Path() string { return string(r.head.Path) }

// RawQuery returns what follows the first "?" of the target, as it was sent.
func (r *Request) RawQuery() string { return string(r.head.RawQuery) }

// Query returns the query, decoded; what does not decode is left out.
func (r *Request) Query() url.Values {
	v, _ := url.ParseQuery(string(r.head.RawQuery)) // returns what it could read
	return v
}

// Host returns the authority that the request is for, as host or host:port.
func (r *Request) Host() string { return string(r.head.Host) }

// Header returns the value of a header field, or "". Several fields of the
// same name are joined by commas. RFC 9110, 5.3.
func (r *Request) Header(name string) string {
	var values [][]byte
	for v := range r.head.Values(name) {
		values = append(values, v)
	}
	return string(bytes.Join(values, []byte(", ")))
}

// RemoteAddr returns the client's address; see Conn.RemoteAddr.
func (r *Request) RemoteAddr() netip.AddrPort { return r.conn.RemoteAddr() }

// SetValue attaches a value to the connection that may come of the request, which
// finds it there in OnOpen: see Conn.Value. For OnUpgrade and OnStream.
func (r *Request) SetValue(v any) { r.conn.value = v }

// TLS describes the connection's TLS, and is nil when it has none.
func (r *Request) TLS() *tls.ConnectionState {
	stream := r.conn.pipe.Stream()
	if stream == nil {
		return nil
	}
	state := stream.State()
	return &state
}

// SetHeader sets a field of the response, in OnUpgrade.
func (r *Request) SetHeader(name, value string) {
	if r.response == nil {
		r.response = make(http.Header)
	}
	r.response.Set(name, value)
}
