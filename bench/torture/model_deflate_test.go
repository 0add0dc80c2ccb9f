package torture

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
)

// extensions is the model's answer to an offer: a line of the head, or nothing.
func (c *modelConn) extensions(offered []string) string {
	if !c.o.Deflate {
		return ""
	}
	all, ok := parseExtensions(strings.Join(offered, ","))
	if !ok {
		return ""
	}
	for _, x := range all {
		// Go's compressor has one size of window.
		small, ok := x.get("server_max_window_bits")
		if x.name != deflateName || ok && small.value != "15" && !c.has("any-window") {
			continue
		}
		if x.fault(false) != "" && !c.has("any-offer") {
			continue
		}
		c.deflate = true
		line := "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		if ok && small.value == "15" {
			line += "; server_max_window_bits=15"
		}
		return line + "\r\n"
	}
	return ""
}

// inflate inflates a message, by the letter: with the tail, stream after stream.
func (c *modelConn) inflate(payload []byte) (message []byte, f fault) {
	if len(payload) == 0 {
		return nil, 0
	}
	const end = "\x01\x00\x00\xff\xff"
	in := bytes.NewReader(append(clone(payload), flateEnd...))
	limit := c.o.MaxMessage
	if c.has("no-inflated-limit") {
		limit = frameMax
	}
	for {
		z := flate.NewReaderDict(in, message)
		b, err := io.ReadAll(io.LimitReader(z, int64(limit-len(message)+1)))
		message = append(message, b...)
		switch {
		case len(message) > limit:
			return nil, fault(1009)
		case err != nil && c.has("any-deflate") && errors.As(err, new(flate.CorruptInputError)):
			return message, 0
		case err != nil:
			return nil, fault(1007)
		case in.Len() == 0 || in.Len() == len(flateEnd): // the tail is left after BFINAL alone
			return message, 0
		case in.Len() < len(end):
			return nil, fault(1007)
		case c.has("ends-at-final"):
			return message, 0
		}
	}
}
