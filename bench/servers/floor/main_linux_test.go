package main

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// frame is what a client (mask) or a server sends, RFC 6455 5.2.
func frame(payload []byte, mask bool) []byte {
	b := []byte{0x82}
	bit := byte(0)
	if mask {
		bit = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, bit|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, bit|127), uint64(n))
	}
	if !mask {
		return append(b, payload...)
	}
	key := [4]byte{1, 2, 3, 4}
	b = append(b, key[:]...)
	for i, x := range payload {
		b = append(b, x^key[i&3])
	}
	return b
}

// However the bytes come, every frame is answered, in order.
func TestEcho(t *testing.T) {
	var in, want []byte
	for _, n := range []int{0, 1, 7, 8, 125, 126, 1000, 65535, 65536} {
		payload := bytes.Repeat([]byte{byte(n), 'x', byte(n >> 8)}, n/3+1)[:n]
		in, want = append(in, frame(payload, true)...), append(want, frame(payload, false)...)
	}
	for _, step := range []int{1, 3, 100, 4096, len(in)} {
		var got, rest []byte
		for at := 0; at < len(in); at += step {
			var out []byte
			out, rest = echo(append(bytes.Clone(rest), in[at:min(at+step, len(in))]...))
			got = append(got, out...)
			if step == 1 && at > 3000 {
				break // the small ones tell
			}
		}
		if step == 1 {
			if !bytes.HasPrefix(want, got) || len(got) < 1000 {
				t.Errorf("in steps of 1: %d bytes that are not the beginning", len(got))
			}
		} else if !bytes.Equal(got, want) || len(rest) > 0 {
			t.Errorf("in steps of %d: other bytes, or %d are left", step, len(rest))
		}
	}
}
