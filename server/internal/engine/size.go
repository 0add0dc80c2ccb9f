package engine

import "unsafe"

// connBytesMax is what a connection may cost in the engine; the session adds
// its own. A million idle connections are a million times this.
const connBytesMax = 72

const _ = uint(connBytesMax - unsafe.Sizeof(Conn{})) // does not compile when exceeded
