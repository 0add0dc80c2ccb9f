package handshake

import "net/http"

// Streamable reports whether a request may be answered with a stream: one that
// has nothing more to say, from a client that knows chunks. "A server MUST NOT send
// a response containing Transfer-Encoding unless the corresponding request
// indicates HTTP/1.1 (or later minor revisions)." RFC 9112, 6.1.
func (h *Head) Streamable() bool {
	return string(h.Method) == "GET" && h.Minor > 0 && !h.Chunked && h.ContentLength == 0 && !h.WantsWebSocket()
}

// AppendStreamHead appends the head of a response whose body consists of chunks
// and goes on. A field that is not valid, or that this writes itself, is left out.
func AppendStreamHead(dst []byte, contentType string, header http.Header) []byte {
	dst = append(dst, "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"...)
	dst, _ = appendFields(dst, http.Header{"Content-Type": {contentType}}, func(string) bool { return false })
	dst, _ = appendFields(dst, header, isFraming)
	return append(dst, "\r\n"...)
}
