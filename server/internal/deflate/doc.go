// Package deflate is permessage-deflate (RFC 7692) as functions over bytes: it
// reads what a client offers, compresses a message and inflates one.
//
// Nothing is kept between messages, so a connection with it costs what one
// without it costs; only with context takeover each has a Context, of 3 KB at
// most. What the work needs is pooled, and taken only for as long as one call
// lasts. The package does not know what a connection is.
//
// Inflating is done here, over a message that is in memory as a whole; a reader
// that may be fed byte by byte, as compress/flate has it, takes about twice as
// long. The limit on the size of a message is the size of the output that is
// ever made. Compressing is left to klauspost/compress.
package deflate
