package server

import (
	"unsafe"

	"github.com/roost-ws/roost/server/internal/deflate"
)

// connBytesMax is what a quiet connection costs beside its slot. It is a size
// class of Go's allocator: one byte more would cost sixteen.
const connBytesMax = 128

const _ = uint(connBytesMax - unsafe.Sizeof(Conn{})) // does not compile when exceeded

// contextBytesMax is what Deflate.ContextTakeover may cost a connection.
const contextBytesMax = 4 << 10

const _ = uint(contextBytesMax - deflate.ContextBytes - unsafe.Sizeof(past{}) - unsafe.Sizeof(rare{})) // the same
