// Package wire is RFC 6455's framing as a pure function of bytes: received
// bytes in, messages and control frames out, and the server's own frames as
// bytes. It reads nothing, writes nothing, waits for nothing and knows no clock.
//
// A violation is reported at the first byte that proves it, whatever the pieces
// in which the bytes came: the same stream gives the same events and the same
// error at the same offset in one piece, byte by byte, or cut anywhere.
//
// Memory follows the bytes received, never the bytes announced. A frame that
// lies whole in the caller's buffer is unmasked where it lies and costs no
// memory at all.
package wire
