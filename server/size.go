package server

import "unsafe"

// connBytesMax is what a quiet connection costs beside its slot. It is a size
// class of Go's allocator: one byte more would cost sixteen.
const connBytesMax = 128

const _ = uint(connBytesMax - unsafe.Sizeof(Conn{})) // does not compile when exceeded
