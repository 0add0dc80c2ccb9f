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

// model says what a server must make of a client's bytes. It was written from
// RFC 6455, sections 5.2 to 5.6 and 8.1, sentence by sentence, to be read and
// not to be fast: it shares nothing with the decoder. It stops at the first
// violation, or where the bytes end.
func model(in []byte, lim Limits) (out []outcome) {
	var (
		msgOp   byte // opcode of the message that is open; 0 when none is
		msgRSV1 bool
		msgSize uint64
		frames  int
		msg     []byte
		char    []byte // the unfinished character at the end of msg
	)
	at := 0
	for at < len(in) {
		// first byte: FIN, RSV1-3, opcode
		b := in[at]
		at++
		fin, rsv1, rsv2, rsv3, op := b>>7 == 1, b>>6&1 == 1, b>>5&1 == 1, b>>4&1 == 1, b&15
		control := op >= 8
		bad := 0
		switch {
		case rsv2 || rsv3:
			bad = 1002
		case rsv1 && !lim.Deflate:
			bad = 1002
		case rsv1 && op != 1 && op != 2:
			bad = 1002
		case op >= 3 && op <= 7 || op >= 11:
			bad = 1002
		case control && !fin:
			bad = 1002
		case op == 0 && msgOp == 0:
			bad = 1002
		case (op == 1 || op == 2) && msgOp != 0:
			bad = 1002
		case op == 0 && frames+1 > lim.Fragments:
			bad = 1008
		}
		if bad != 0 {
			return append(out, outcome{at, fail(bad)})
		}

		// second byte: MASK, length of 7 bits
		if at == len(in) {
			return out
		}
		b = in[at]
		at++
		if b < 128 || control && b-128 > 125 {
			return append(out, outcome{at, fail(1002)})
		}
		length := uint64(b - 128)

		// the extended length, most significant byte first
		extended, least := 0, uint64(0)
		if length == 126 {
			extended, least = 2, 126
		} else if length == 127 {
			extended, least = 8, 65536
		}
		if extended > 0 {
			if len(in)-at < extended {
				return out
			}
			length = 0
			for range extended {
				length = length*256 + uint64(in[at])
				at++
			}
			if length >= 1<<63 || length < least {
				return append(out, outcome{at, fail(1002)})
			}
		}
		if !control && (length > uint64(lim.Message) || msgSize > uint64(lim.Message)-length) {
			return append(out, outcome{at, fail(1009)})
		}

		// the mask
		if len(in)-at < 4 {
			return out
		}
		mask := in[at : at+4]
		at += 4

		// the payload
		if op == 1 || op == 2 {
			msgOp, msgRSV1, msgSize, frames, msg, char = op, rsv1, 0, 0, nil, nil
		}
		if !control {
			msgSize += length
			frames++
		}
		var payload []byte
		for i := uint64(0); i < length; i++ {
			if at == len(in) {
				return out
			}
			c := in[at] ^ mask[i%4]
			at++
			if control {
				payload = append(payload, c)
				continue
			}
			msg = append(msg, c)
			if msgOp == 1 && !msgRSV1 {
				char = append(char, c)
				if utf8.Valid(char) {
					char = nil
				} else if !canBecomeValid(char) {
					return append(out, outcome{at, fail(1007)})
				}
			}
		}
		switch {
		case control:
			out = append(out, outcome{at, describe(op, false, payload)})
		case fin && len(char) > 0:
			return append(out, outcome{at, fail(1007)})
		case fin:
			out = append(out, outcome{at, describe(msgOp, msgRSV1, msg)})
			msgOp, frames, msgSize = 0, 0, 0
		}
	}
	return out
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
