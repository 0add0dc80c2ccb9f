package secure

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"sync"
	"unsafe"
)

// Scratch is the memory in which records are opened. It belongs to a turn, not
// to a connection.
type Scratch struct {
	Plain [64 << 10]byte
	raw   []byte // for crypto/tls, a record and what it likes to have behind it
}

// rawRoom is so much that crypto/tls never asks for more: the largest record of
// TLS 1.2, with its head, and bytes.MinRead twice.
const rawRoom = recordHead + 16<<10 + 2048 + 2*bytes.MinRead

var scratches = sync.Pool{New: func() any { return &Scratch{raw: make([]byte, 0, rawRoom)} }}

// NewScratch takes a Scratch from the pool.
func NewScratch() *Scratch { return scratches.Get().(*Scratch) }

// Free gives it back.
func (c *Scratch) Free() { scratches.Put(c) }

// A tls.Conn keeps the buffers that it once read a ClientHello and the largest
// record into, from 4 to 40 KB of them, for as long as it lives; it has no
// method that gives them back. They are ordinary fields of package bytes, whose
// zero values are ready for use, and fields says where they are. In a version of
// crypto/tls that has no such fields nothing is lent and nothing is released:
// connections cost more, and nobody knows of a record that is not whole. Torn is
// 0 then, so that no deadline ends such a record, and Kept does not count it.
var fields = func() (at struct {
	rawInput, input, hand uintptr
	known                 bool
}) {
	conn := reflect.TypeFor[tls.Conn]()
	raw, ok1 := conn.FieldByName("rawInput")
	input, ok2 := conn.FieldByName("input")
	hand, ok3 := conn.FieldByName("hand")
	at.rawInput, at.input, at.hand = raw.Offset, input.Offset, hand.Offset
	at.known = ok1 && ok2 && ok3 && raw.Type == reflect.TypeFor[bytes.Buffer]() &&
		input.Type == reflect.TypeFor[bytes.Reader]() && hand.Type == reflect.TypeFor[bytes.Buffer]()
	return at
}()

// lend gives crypto/tls scratch to read into.
func (s *Stream) lend(scratch *Scratch) {
	if !fields.known {
		return
	}
	raw := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(s.conn), fields.rawInput))
	*raw = *bytes.NewBuffer(append(scratch.raw[:0], raw.Bytes()...))
}

// release takes it back, with all else that is kept for the next record. Of a
// record that is not whole a copy stays.
func (s *Stream) release() {
	if !fields.known {
		return
	}
	conn := unsafe.Pointer(s.conn)
	raw := (*bytes.Buffer)(unsafe.Add(conn, fields.rawInput))
	input := (*bytes.Reader)(unsafe.Add(conn, fields.input))
	hand := (*bytes.Buffer)(unsafe.Add(conn, fields.hand))
	if input.Len() == 0 { // Open leaves no plaintext behind; what Over did lies in crypto/tls's own memory
		*input = bytes.Reader{}
	}
	*raw = *bytes.NewBuffer(bytes.Clone(raw.Bytes()))
	s.part = raw.Len()
	if hand.Len() == 0 {
		*hand = bytes.Buffer{}
	}
}

// Deafen forgets, between two turns, what there is of a record that is not whole.
// Open may not be called any more.
func (s *Stream) Deafen() {
	if fields.known {
		*(*bytes.Buffer)(unsafe.Add(unsafe.Pointer(s.conn), fields.rawInput)) = bytes.Buffer{}
	}
	s.part = 0
}
