package handshake

import (
	"io"
	"net/http"
	"sync"

	"github.com/gobwas/ws"
)

// Accept appends the 101 for a request that Check passed with res. Header holds
// the application's further fields, if any; when one of them is not valid, or is
// part of the handshake, nothing is appended and the server is at fault.
func (u *Upgrader) Accept(dst []byte, h *Head, res Result, header http.Header) ([]byte, *Refusal) {
	x := exchanges.Get().(*exchange)
	defer x.release()

	ok := true
	if res.Extensions != "" {
		ok = allOf(res.Extensions, charField)
		x.fields = append(x.fields, "Sec-WebSocket-Extensions: "...)
		x.fields = append(x.fields, res.Extensions...)
		x.fields = append(x.fields, "\r\n"...)
	}
	var valid bool
	if x.fields, valid = appendFields(x.fields, header, isHandshake); !valid || !ok {
		return dst, refuseAnswer
	}
	if res.Subprotocol >= 0 {
		x.subprotocol = u.subprotocols[res.Subprotocol]
	}
	x.in = normalForm(x.in, h, x.subprotocol)
	x.out = dst
	if _, err := x.upgrader.Upgrade(x); err != nil {
		return dst, refuseAnswer
	}
	return x.out, nil
}

// isHandshake reports whether a field of the 101 is not the application's to set.
func isHandshake(name string) bool {
	const prefix = "Sec-WebSocket-"
	return isFraming(name) || equalFold(name, "Upgrade") ||
		len(name) >= len(prefix) && equalFold(name[:len(prefix)], prefix)
}

// normalForm appends the request that h is, as plainly as it can be written:
// each line that the handshake needs, once, with what Check found in it.
func normalForm(dst []byte, h *Head, subprotocol string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, h.Target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, h.Host...)
	dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(dst, h.Get("Sec-WebSocket-Key")...)
	if subprotocol != "" {
		dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		dst = append(dst, subprotocol...)
	}
	return append(dst, "\r\n\r\n"...)
}

// exchange is the connection that gobwas's Upgrader believes to have: it reads
// the request in normal form from it and writes the 101 to it.
type exchange struct {
	in  []byte // the request; ours
	at  int    // bytes of in that were read
	out []byte // the response; the caller's

	subprotocol string // ours, not the client's; "" for none
	fields      []byte // lines to add to the response; ours
	upgrader    ws.Upgrader
}

var exchanges = sync.Pool{New: func() any {
	x := new(exchange)
	x.upgrader = ws.Upgrader{
		ProtocolCustom: func([]byte) (string, bool) { return x.subprotocol, true },
		Header:         responseFields{x},
	}
	return x
}}

func (x *exchange) release() {
	x.in, x.at, x.out = x.in[:0], 0, nil
	x.subprotocol, x.fields = "", x.fields[:0]
	exchanges.Put(x)
}

func (x *exchange) Read(p []byte) (int, error) {
	if x.at == len(x.in) {
		return 0, io.EOF
	}
	n := copy(p, x.in[x.at:])
	x.at += n
	return n, nil
}

func (x *exchange) Write(p []byte) (int, error) {
	x.out = append(x.out, p...)
	return len(p), nil
}

// responseFields writes an exchange's own lines where the Upgrader wants them.
type responseFields struct{ x *exchange }

func (f responseFields) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(f.x.fields)
	return int64(n), err
}
