package wire

import "strconv"

// LastChunk ends a chunked body that has no trailers. RFC 9112, 7.1.
var LastChunk = []byte("0\r\n\r\n")

// AppendChunk appends data as one chunk of a chunked body. There must be some: an
// empty chunk is the last one.
func AppendChunk(dst, data []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(len(data)), 16)
	dst = append(dst, "\r\n"...)
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// ChunkSize is the size of AppendChunk's result for n bytes of data.
func ChunkSize(n int) int {
	digits := 1
	for rest := n >> 4; rest > 0; rest >>= 4 {
		digits++
	}
	return digits + n + 2*len("\r\n")
}

// ChunkLen returns the length of the chunk that b, which AppendChunk or LastChunk
// wrote, begins with.
func ChunkLen(b []byte) int {
	size, i := 0, 0
	for ; b[i] != '\r'; i++ {
		digit := int(b[i] - '0')
		if b[i] >= 'a' {
			digit = int(b[i]-'a') + 10
		}
		size = size<<4 | digit
	}
	return i + size + 2*len("\r\n")
}
