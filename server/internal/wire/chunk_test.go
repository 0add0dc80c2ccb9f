package wire

import (
	"bytes"
	"io"
	"net/http/httputil"
	"testing"
)

// RFC 9112, 7.1: what AppendChunk writes is what others read, and its length is
// found again, whatever follows.
func TestChunks(t *testing.T) {
	var body, want []byte
	var ends []int
	for _, n := range []int{1, 2, 9, 10, 15, 16, 17, 255, 256, 4095, 4096, 70_000} {
		data := bytes.Repeat([]byte{'x', '\r', '\n', '0'}, n)[:n]
		before := len(body)
		body, want = AppendChunk(body, data), append(want, data...)
		ends = append(ends, len(body))
		if got := len(body) - before; got != ChunkSize(n) {
			t.Errorf("%d bytes make a chunk of %d, want %d", n, got, ChunkSize(n))
		}
	}
	body = append(body, LastChunk...)
	at := 0
	for _, end := range ends {
		if at += ChunkLen(body[at:]); at != end {
			t.Fatalf("a chunk ends at %d, want %d", at, end)
		}
	}
	if n := ChunkLen(body[at:]); n != len(LastChunk) {
		t.Errorf("the last chunk has %d bytes", n)
	}
	got, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("net/http reads %d bytes (%v), want %d", len(got), err, len(want))
	}
}
