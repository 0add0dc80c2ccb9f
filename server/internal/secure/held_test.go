package secure

import (
	"bytes"
	"unsafe"
)

func (s *Stream) raw() *bytes.Buffer {
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(s.conn), fields.rawInput))
}

// held is how many bytes of buffers the stream holds.
func (s *Stream) held() int {
	hand := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(s.conn), fields.hand))
	return s.raw().Cap() + hand.Cap() + cap(s.pipe.in) + len(s.Pending())
}
