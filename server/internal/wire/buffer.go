package wire

import (
	"math/bits"
	"sync"
)

const (
	bufferMin = 512     // bytes; the smallest size class
	bufferMax = 1 << 20 // bytes; bigger buffers are left to the garbage collector
	classes   = 12      // 512, 1024, ... 1 MiB
)

const _ = uint(bufferMin<<(classes-1)-bufferMax) + uint(bufferMax-bufferMin<<(classes-1)) // the two agree

// buffer is pooled memory for the message under way. It is pooled by pointer,
// because a slice in a sync.Pool would cost an allocation of its own.
type buffer struct {
	b []byte // begins with ServerHeaderMax bytes of room for the header of an echo
}

var buffers [classes]sync.Pool // of *buffer; buffers[i] has room for bufferMin<<i bytes of payload

// room is how many bytes of payload the buffer holds without growing.
func (b *buffer) room() int { return cap(b.b) - ServerHeaderMax }

// classOf is the smallest class that holds n bytes, n <= bufferMax.
func classOf(n int) int {
	return bits.Len(uint(max(n, bufferMin)-1) / bufferMin)
}

// newBuffer returns an empty buffer for at least n bytes. Beyond the biggest
// class it is made to measure.
func newBuffer(n int) *buffer {
	if n > bufferMax {
		return &buffer{b: make([]byte, ServerHeaderMax, ServerHeaderMax+n)}
	}
	class := classOf(n)
	if v, ok := buffers[class].Get().(*buffer); ok {
		return v
	}
	return &buffer{b: make([]byte, ServerHeaderMax, ServerHeaderMax+bufferMin<<class)}
}

// free gives the buffer back to its pool.
func (b *buffer) free() {
	if b == nil || b.room() > bufferMax {
		return
	}
	b.b = b.b[:ServerHeaderMax]
	buffers[classOf(b.room())].Put(b)
}

// grow makes room for n more bytes and returns the buffer to use from now on;
// b may be nil. Capacity doubles, so that a message is copied a constant
// number of times whatever its pieces; it follows the bytes that are here.
// all is the size of the whole message when that is known, else 0: a bigger
// buffer than that would be waste.
func (b *buffer) grow(n int, all uint64) *buffer {
	if b == nil {
		return newBuffer(n)
	}
	need := len(b.b) - ServerHeaderMax + n
	if need <= b.room() {
		return b
	}
	want := 2 * b.room()
	if all > 0 && uint64(want) > all {
		want = int(all)
	}
	bigger := newBuffer(max(need, want))
	bigger.b = append(bigger.b, b.b[ServerHeaderMax:]...)
	b.free()
	return bigger
}
