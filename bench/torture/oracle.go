package torture

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
)

var errCorrupt = errors.New("it is corrupt")

// verdict is what a payload is by the letter of RFC 7692, 7.2.2, as
// compress/flate reads it; past is what it may refer to.
//
// A reader of compress/flate wants a final block, which no message has. What is
// put there to end it must not become part of a message that lacks its own end:
// two blocks that begin differently would then make two messages.
func verdict(payload, past []byte) ([]byte, error) {
	first, err := verdictWith(payload, past, "\x01\x00\x00\xff\xff")
	if err != nil {
		return nil, err
	}
	second, err := verdictWith(payload, past, "\x03\x00")
	if err != nil || !bytes.Equal(first, second) {
		return nil, errCorrupt
	}
	return first, nil
}

func verdictWith(payload, past []byte, end string) ([]byte, error) {
	tail := flateEnd[:4] // RFC 7692, 7.2.2
	in := bytes.NewReader(append(clone(payload), tail+end...))
	message := clone(past)
	for {
		b, err := io.ReadAll(io.LimitReader(flate.NewReaderDict(in, message), frameMax))
		if message = append(message, b...); err != nil {
			return nil, err
		}
		switch left := in.Len(); {
		case left == 0, left == len(tail+end): // the tail is left when BFINAL was the end
			return message[len(past):], nil
		case left < len(end):
			return nil, errCorrupt
		}
	}
}
