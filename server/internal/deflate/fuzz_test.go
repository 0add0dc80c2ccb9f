package deflate

import (
	"bytes"
	"compress/flate"
	"testing"

	"github.com/roost-ws/roost/server/internal/wire"
)

// FuzzInflate compares with compress/flate: the payload itself, cut anywhere,
// behind bytes that are there already, and at a limit.
func FuzzInflate(f *testing.F) {
	for _, level := range []int{flate.HuffmanOnly, 0, 1, 9} {
		f.Add(squeeze(f, document(300), level), 100)
	}
	f.Add(unhex(f, "f348cdc9c9070000"), 5)
	f.Add(emptyTables().bytes(), 0)
	f.Fuzz(func(t *testing.T, payload []byte, limit int) {
		if len(payload) > 4<<10 {
			return
		}
		agree(t, payload)
		cuts := min(len(payload), 64)
		for i := range cuts {
			agree(t, payload[:i*len(payload)/cuts])
		}
		want, wantErr := reference(payload)
		limit &= 1<<16 - 1
		got, err := Inflate(make([]byte, 3, 3+limit/2), payload, limit)
		if wantErr != nil && err == nil || err == nil && !bytes.Equal(got[3:], want) && limit >= len(want) {
			// A distance may reach into what was there: a context, if there were one.
			if _, alone := Inflate(nil, payload, limit); alone == nil {
				t.Fatalf("limit %d: %d bytes, %v; want %d bytes, %v", limit, len(got)-3, err, len(want), wantErr)
			}
		}
		if wantErr == nil && (len(want) > limit) != (err == wire.ErrMessageTooBig) && err != ErrTooManyBlocks {
			t.Fatalf("%d bytes with limit %d: %v", len(want), limit, err)
		}
	})
}

// FuzzCompress: whatever is compressed is inflated to the same by others.
func FuzzCompress(f *testing.F) {
	f.Add(document(700), uint8(9), uint8(1))
	f.Add(make([]byte, 5000), uint8(15), uint8(6))
	f.Fuzz(func(t *testing.T, message []byte, window, level uint8) {
		p := Params(windowBitsMin + window%8)
		payload, ok := NewCompressor(LevelMin+int(level%9)).Append(nil, message, p)
		if !ok {
			return
		}
		for name, inflate := range map[string]func([]byte) ([]byte, error){
			"compress/flate": reference,
			"Inflate":        func(b []byte) ([]byte, error) { return Inflate(nil, b, len(message)) },
		} {
			if got, err := inflate(payload); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("%s: %d bytes of %d, %v", name, len(got), len(message), err)
			}
		}
	})
}
