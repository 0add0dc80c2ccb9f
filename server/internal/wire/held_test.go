package wire

import (
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"
)

// What decoders hold is counted while they hold it: nothing for what lies whole in
// its bytes, the buffer of a message that has begun, and nothing after its end,
// however that came.
func TestDecoderCountsWhatItHolds(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	frame := func(op ws.OpCode, fin bool, payload []byte) []byte {
		return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewFrame(op, fin, payload), mask))
	}
	whole := frame(ws.OpBinary, true, make([]byte, 5000))
	pieces := append(frame(ws.OpBinary, false, make([]byte, 3000)), frame(ws.OpContinuation, true, make([]byte, 2000))...)
	for name, in := range map[string][]byte{"whole": whole, "fragments": pieces} {
		for cut := 0; cut <= len(in); cut += 97 {
			var held atomic.Int64
			lim := &Limits{Message: 1 << 20, Fragments: 10, Held: &held}
			var d Decoder
			read := func(b []byte) {
				for {
					_, n, ok, err := d.Next(b, lim)
					if err != nil {
						t.Fatal(err)
					}
					if !ok {
						return
					}
					b = b[n:]
				}
			}
			read(in[:cut])
			if got := held.Load(); got != int64(d.Held()) || cut > 200 && cut < len(in) && got < int64(cut)-100 {
				t.Fatalf("%s, cut at %d: %d bytes are counted, %d are held", name, cut, got, d.Held())
			}
			if cut%2 == 0 {
				d.Reset() // the connection ends
			} else {
				read(in[cut:])
			}
			if got := held.Load(); got != 0 || d.Held() != 0 {
				t.Fatalf("%s, cut at %d: after the end %d bytes are counted, %d held", name, cut, got, d.Held())
			}
		}
	}
}
