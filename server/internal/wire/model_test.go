package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// outcome is one thing that a stream of bytes leads to.
type outcome struct {
	at   int    // bytes of the stream that decide it
	what string // "text \"Hello\"", "close 1002", ...
}

func (o outcome) String() string { return fmt.Sprintf("%d: %s", o.at, o.what) }

var opNames = map[byte]string{1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}

func describe(op byte, compressed bool, payload []byte) string {
	name := opNames[op]
	if compressed {
		name = "compressed " + name
	}
	return fmt.Sprintf("%s %q", name, payload)
}

func fail(code int) string { return fmt.Sprintf("fail %d", code) }

// modelFrame is a frame's header as the model reads it.
type modelFrame struct {
	fin, rsv1, control bool
	op                 byte
	length             uint64
	mask               []byte
}

// modelMessage is the message that the model has open.
type modelMessage struct {
	op     byte // 0 when none is open
	rsv1   bool
	size   uint64 // announced so far
	frames int
	bytes  []byte
	char   []byte // the unfinished character at the end of bytes
}

const (
	modelFine = 0
	modelMore = -1 // the bytes end before anything is decided
)

// model says what a server must make of a client's bytes. It was written from
// RFC 6455, sections 5.2 to 5.6 and 8.1, sentence by sentence, to be read and
// not to be fast: it shares nothing with the decoder. It stops at the first
// violation, or where the bytes end.
func model(in []byte, lim Limits) (out []outcome) {
	var m modelMessage
	for at := 0; at < len(in); {
		f, end, verdict := modelHeader(in, at, m, lim)
		if verdict == modelMore {
			return out
		} else if verdict != modelFine {
			return append(out, outcome{end, fail(verdict)})
		}
		at = end
		if f.op == 1 || f.op == 2 {
			m = modelMessage{op: f.op, rsv1: f.rsv1}
		}
		if !f.control {
			m.size += f.length
			m.frames++
		}
		var payload []byte
		for i := uint64(0); i < f.length; i++ {
			if at == len(in) {
				return out
			}
			c := in[at] ^ f.mask[i%4]
			at++
			if f.control {
				payload = append(payload, c)
				continue
			}
			m.bytes = append(m.bytes, c)
			if m.op == 1 && !m.rsv1 {
				m.char = append(m.char, c)
				if utf8.Valid(m.char) {
					m.char = nil
				} else if !canBecomeValid(m.char) {
					return append(out, outcome{at, fail(1007)})
				}
			}
		}
		switch {
		case f.control:
			out = append(out, outcome{at, describe(f.op, false, payload)})
		case f.fin && len(m.char) > 0:
			return append(out, outcome{at, fail(1007)})
		case f.fin:
			out = append(out, outcome{at, describe(m.op, m.rsv1, m.bytes)})
			m = modelMessage{}
		}
	}
	return out
}

// modelHeader reads the header at in[at:]. end is where it ends, or the number
// of bytes that prove the violation whose status code is the verdict.
func modelHeader(in []byte, at int, m modelMessage, lim Limits) (f modelFrame, end, verdict int) {
	// FIN, RSV1, RSV2, RSV3, opcode
	b := in[at]
	at++
	f.fin, f.rsv1, f.op = b>>7 == 1, b>>6&1 == 1, b&15
	f.control = f.op >= 8
	switch {
	case b>>5&1 == 1 || b>>4&1 == 1:
		return f, at, 1002
	case f.rsv1 && (!lim.Deflate || f.op != 1 && f.op != 2):
		return f, at, 1002
	case f.op >= 3 && f.op <= 7 || f.op >= 11:
		return f, at, 1002
	case f.control && !f.fin:
		return f, at, 1002
	case f.op == 0 && m.op == 0:
		return f, at, 1002
	case (f.op == 1 || f.op == 2) && m.op != 0:
		return f, at, 1002
	case f.op == 0 && m.frames+1 > lim.Fragments:
		return f, at, 1008
	}

	// MASK, and the length of 7 bits
	if at == len(in) {
		return f, at, modelMore
	}
	b = in[at]
	at++
	if b < 128 || f.control && b-128 > 125 {
		return f, at, 1002
	}
	f.length = uint64(b - 128)

	// the extended length, most significant byte first
	extended, least := 0, uint64(0)
	if f.length == 126 {
		extended, least = 2, 126
	} else if f.length == 127 {
		extended, least = 8, 65536
	}
	if len(in)-at < extended {
		return f, at, modelMore
	}
	if extended > 0 {
		f.length = 0
	}
	for range extended {
		f.length = f.length*256 + uint64(in[at])
		at++
	}
	if f.length >= 1<<63 || f.length < least {
		return f, at, 1002
	}
	if limit := uint64(lim.Message); !f.control && (f.length > limit || m.size > limit-f.length) {
		return f, at, 1009
	}

	// the masking key
	if len(in)-at < 4 {
		return f, at, modelMore
	}
	f.mask = in[at : at+4]
	return f, at + 4, modelFine
}

// canBecomeValid tries the continuation bytes that matter to find an end that
// makes b valid UTF-8.
func canBecomeValid(b []byte) bool {
	if utf8.Valid(b) {
		return true
	}
	if len(b) >= utf8.UTFMax {
		return false
	}
	for _, c := range []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf} {
		if canBecomeValid(append(b[:len(b):len(b)], c)) {
			return true
		}
	}
	return false
}

// show writes outcomes one a line, for failure messages.
func show(out []outcome) string {
	if len(out) == 0 {
		return "\tnothing"
	}
	var lines []string
	for _, o := range out {
		lines = append(lines, "\t"+o.String())
	}
	return strings.Join(lines, "\n")
}
