package torture

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
)

// extensions is the model's answer to an offer: a line of the head, or nothing.
// It takes contexts over for who offers no parameter.
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
			if c.has("first-offer") {
				return ""
			}
			continue
		}
		c.deflate = true
		line := "Sec-WebSocket-Extensions: permessage-deflate"
		if c.remember = len(x.params) == 0; !c.remember {
			line += "; server_no_context_takeover; client_no_context_takeover"
		}
		if ok && small.value == "15" {
			line += "; server_max_window_bits=15"
		}
		return line + "\r\n"
	}
	return ""
}

// squeeze compresses an answer.
func (c *modelConn) squeeze(message []byte) []byte {
	if !c.remember && !c.has("remembers") {
		return squeeze(message, 1)
	}
	var b bytes.Buffer
	w := newSqueezer(&b, 6, c.sent)
	w.Write(message)
	w.Flush()
	c.sent = window(c.sent, message)
	return b.Bytes()[:b.Len()-4]
}

// window is the end of all that was said.
func window(past, message []byte) []byte {
	past = append(past, message...)
	return clone(past[max(0, len(past)-1<<15):])
}

// inflate inflates a message.
func (c *modelConn) inflate(payload []byte) (message []byte, f fault) {
	past := c.past
	if c.has("hands-window-on") && !c.remember {
		past = c.leave(nil)
	}
	message, f = c.inflateAfter(past, payload)
	if f == 0 && !c.has("any-deflate") && !c.has("ends-at-final") && len(payload) > 0 {
		if _, err := verdict(payload, past); err != nil { // it took the tail for a part of the message
			f = 1007
		}
	}
	switch {
	case f != 0:
		if c.has("dirty-pool") {
			c.leave([]byte("dirt"))
		}
	case c.has("dirty-pool"):
		message = append(message, c.leave(nil)...)
	case c.has("hands-window-on"):
		c.leave(window(past, message))
	}
	if c.remember && f == 0 && !c.has("forgets") {
		c.past = window(c.past, message)
	}
	if c.total += len(message); c.has("limit-per-connection") && c.total > c.o.MaxMessage ||
		c.has("limit-of-both") && len(payload)+len(message) > c.o.MaxMessage {
		f = 1009
	}
	if c.has("keeps-codec") {
		c.codec = make([]byte, 4<<10)
	}
	return message, f
}

// leave puts something where other connections find it, and takes what was there.
func (m *model) leave(b []byte) (was []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, m.left = m.left, b
	return was
}

// swapped is another connection's message, if there was one.
func (m *model) swapped(message []byte) []byte {
	select {
	case other := <-m.swap:
		return other
	default:
	}
	select {
	case m.swap <- message:
	default:
	}
	return message
}

// inflateAfter inflates a message by the letter: with the tail, stream after stream.
func (c *modelConn) inflateAfter(past, payload []byte) (message []byte, f fault) {
	if len(payload) == 0 {
		if c.has("no-empty") {
			return nil, 1011
		}
		return nil, 0
	}
	const end = "\x01\x00\x00\xff\xff"
	in := bytes.NewReader(append(clone(payload), flateEnd...))
	limit := c.o.MaxMessage
	if c.has("no-inflated-limit") {
		limit = frameMax
	}
	if c.has("inflated-off-by-one") {
		limit++
	}
	if c.has("few-blocks") && len(payload) > 100<<10 && len(payload) < 2<<20 {
		return nil, 1002
	}
	all := clone(past)
	for {
		z := flate.NewReaderDict(in, all)
		b, err := io.ReadAll(io.LimitReader(z, int64(limit-len(all)+len(past)+1)))
		all = append(all, b...)
		switch {
		case len(all)-len(past) > limit:
			return nil, 1009
		case err != nil && c.has("any-deflate") && errors.As(err, new(flate.CorruptInputError)):
			return all[len(past):], 0
		case err != nil:
			return nil, 1007
		case in.Len() == 0 || in.Len() == len(flateEnd): // the tail is left after BFINAL alone
			return all[len(past):], 0
		case in.Len() < len(end):
			return nil, 1007
		case c.has("ends-at-final"):
			return all[len(past):], 0
		}
	}
}
