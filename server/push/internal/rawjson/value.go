package rawjson

import (
	"fmt"
	"iter"
)

// Value is one JSON value as it stands in a checked text. The zero Value means
// that there is none. A Value shares its text's memory and dies with it.
type Value struct {
	raw []byte // trimmed, checked by Parse or written by Quote
}

// Kind says what a Value is.
type Kind uint8

// The kinds of values. Absent is the kind of the zero Value.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"absent", "null", "a boolean", "a number", "a string", "an array", "an object"}

// String is the kind as a message to a person would put it.
func (k Kind) String() string { return kindNames[k] }

// Kind tells v's kind by its first byte: the text was checked before.
func (v Value) Kind() Kind {
	if len(v.raw) == 0 {
		return Absent
	}
	switch v.raw[0] {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	}
	return Number
}

// Raw is the text of v, byte for byte. It must not be changed.
func (v Value) Raw() []byte { return v.raw }

// Clone returns v in memory of its own, for a caller that keeps it longer than
// the text it was cut from.
func (v Value) Clone() Value {
	return Value{raw: append([]byte(nil), v.raw...)}
}

// DuplicateError says that an object names a member twice. Two readers of such
// a text may each see another value, which is how checks are walked around.
type DuplicateError struct{ Name string }

func (e *DuplicateError) Error() string { return fmt.Sprintf("%q is there twice", e.Name) }

// Pick looks members up by name: into[i] becomes the value of names[i], or the
// zero Value. Members with other names are passed over. It fails when v is no
// object or has one of the names twice.
func (v Value) Pick(into []Value, names ...string) error {
	if v.Kind() != Object {
		return fmt.Errorf("expected an object, got %s", v.Kind())
	}
	clear(into)
	for i := skipSpace(v.raw, 1); v.raw[i] != '}'; {
		keyEnd := skipValue(v.raw, i)
		key := Value{raw: v.raw[i:keyEnd]}.Bytes()
		i = skipSpace(v.raw, keyEnd) // the colon
		i = skipSpace(v.raw, i+1)    // the value
		valueEnd := skipValue(v.raw, i)
		for n, name := range names {
			if string(key) != name {
				continue
			}
			if into[n].Kind() != Absent {
				return &DuplicateError{Name: name}
			}
			into[n] = Value{raw: v.raw[i:valueEnd]}
		}
		i = skipSpace(v.raw, valueEnd)
		if v.raw[i] == ',' {
			i = skipSpace(v.raw, i+1)
		}
	}
	return nil
}

// Elements yields the elements of an array in order, and nothing for any other
// kind of value.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		for i := skipSpace(v.raw, 1); v.raw[i] != ']'; {
			end := skipValue(v.raw, i)
			if !yield(Value{raw: v.raw[i:end]}) {
				return
			}
			i = skipSpace(v.raw, end)
			if v.raw[i] == ',' {
				i = skipSpace(v.raw, i+1)
			}
		}
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns where the value that starts at i ends. It relies on Parse
// having checked b, so it only has to find the end and never looks deeper.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; ; {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++ // whatever is escaped, a quote above all, does not end the string
		}
	}
	return i + 1
}
