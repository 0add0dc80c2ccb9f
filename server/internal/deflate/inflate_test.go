package deflate

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/roost-ws/roost/server/internal/wire"
)

// reference inflates a payload with compress/flate, by the letter of RFC 7692,
// 7.2.2. What follows the tail is a final block with nothing in it, because a
// flate.Reader wants one to end; two of a kind, because an input that ends too early
// would read one of them as something else.
func reference(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	first, err := referenceWith(payload, "\x01\x00\x00\xff\xff")
	if err != nil {
		return nil, err
	}
	second, err := referenceWith(payload, "\x03\x00")
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("what follows the message is part of it")
	}
	return first, err
}

func referenceWith(payload []byte, end string) (out []byte, err error) {
	r := bytes.NewReader(append(bytes.Clone(payload), tail+end...))
	for {
		z := flate.NewReaderDict(r, out)
		b, err := io.ReadAll(z)
		out = append(out, b...)
		switch {
		case err != nil:
			return nil, err
		case r.Len() == 0, r.Len() == len(tail)+len(end): // the tail is left after BFINAL alone
			return out, nil
		}
	}
}

// squeeze is a payload made by compress/flate.
func squeeze(t testing.TB, message []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(message); err != nil {
		t.Fatal(err)
	}
	if err := z.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()[:b.Len()-len(tail)]
}

// document is n bytes of the kind that compresses.
func document(n int) []byte {
	b := []byte{'['}
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, `{"id":%d,"user":"user%d","price":%d.%02d,"ok":%v,"tags":["a%d","x"]},`, i*7919%10007, i*31%97, i*37%100, i%100, i%3 == 0, i%7)
	}
	return b[:n]
}

// noise is n bytes of which every so many are random.
func noise(r *rand.Rand, n, every int) []byte {
	b := document(n)
	for i := range b {
		if r.IntN(every) == 0 {
			b[i] = byte(r.Uint32())
		}
	}
	return b
}

const roomy = 1 << 24

// RFC 7692, 7.2.3: the examples, and what else a payload may end with. Rows C5 to C7.
func TestInflateExamples(t *testing.T) {
	for _, tt := range []struct{ name, payload, want string }{
		{"7.2.3.1, one block", "f248cdc9c90700", "Hello"},
		{"7.2.3.3, not compressed", "000500faff48656c6c6f00", "Hello"},
		{"7.2.3.4, BFINAL", "f348cdc9c9070000", "Hello"},
		{"7.2.3.5, two blocks", "f248050000 00ffff cac9c90700", "Hello"},
		{"7.2.3.6, empty", "00", ""},
		{"empty, by a sender that takes the block away as well", "", ""},
		{"BFINAL, without the block behind it", "f348cdc9c90700", "Hello"},
		{"BFINAL, twice", "f348cdc9c90700 f348cdc9c90700 00", "HelloHello"},
		{"BFINAL, empty", "0300 00", ""},
		{"BFINAL, not compressed", "010500faff48656c6c6f", "Hello"},
		{"a match behind BFINAL reaches into what was before it", "f348cdc9c90700 f200110000", "HelloHello"},
	} {
		payload := unhex(t, tt.payload)
		got, err := Inflate(nil, payload, roomy)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}

// Row C4, C6: what is no DEFLATE stream, or ends within one, is an error.
func TestInflateCorrupt(t *testing.T) {
	for _, tt := range []struct{ name, payload string }{
		{"block type 3", "06"},
		{"block type 3, final", "07"},
		{"nothing but bits of a header", "f248cdc9c907"},
		{"the tail was not taken away", "f248cdc9c907000000ffff"},
		{"garbage behind BFINAL", "f348cdc9c9070000ffff"},
		{"garbage at once behind BFINAL", "f348cdc9c90700ffff"},
		{"lengths of a stored block that differ", "000500fbff48656c6c6f00"},
		{"a stored block that goes on", "000a00f5ff48656c6c6f"},
		{"a distance before the message", "f20700 0211 0000"},
		{"a distance code that there is not", "02ff"},
		{"a length code that there is not", "1b03"},
		{"too many codes for literals", "fdff"},
	} {
		if got, err := Inflate(nil, unhex(t, tt.payload), roomy); err != ErrCorrupt {
			t.Errorf("%s: %q, %v; want %v", tt.name, got, err, ErrCorrupt)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What any level makes of any message is inflated to it, whatever lies in front
// of it in the memory and however much room there is.
func TestInflateWhatOthersMade(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 600 {
		message := noise(r, r.IntN(1<<r.IntN(18)), 1+r.IntN(300))
		if i%4 == 0 { // stored blocks between others
			message = slices.Concat(message, noise(r, 70_000, 1), document(2000))
		}
		payload := squeeze(t, message, []int{flate.HuffmanOnly, 0, 1, 6, 9}[i%5])
		dst := make([]byte, i%3, i%3+r.IntN(2*len(message)+10))
		got, err := Inflate(dst, payload, len(message))
		if err != nil || !bytes.Equal(got[len(dst):], message) {
			t.Fatalf("message %d of %d bytes: %d bytes, %v", i, len(message), len(got)-len(dst), err)
		}
	}
}

// A payload that is cut anywhere is corrupt, or is what compress/flate takes it for.
func TestInflateCutEverywhere(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, level := range []int{flate.HuffmanOnly, 0, 1, 9} {
		payload := squeeze(t, noise(r, 900, 20), level)
		for cut := range payload {
			agree(t, payload[:cut])
		}
	}
}

// Flipped bits give what compress/flate makes of them.
func TestInflateBitFlips(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 6000 {
		payload := squeeze(t, noise(r, r.IntN(1200), 10), []int{flate.HuffmanOnly, 0, 1, 6}[i%4])
		for range 1 + r.IntN(3) {
			payload[r.IntN(len(payload))] ^= 1 << r.IntN(8)
		}
		agree(t, payload)
	}
}

// agree compares Inflate with compress/flate.
func agree(t testing.TB, payload []byte) {
	t.Helper()
	want, wantErr := reference(payload)
	got, err := Inflate(nil, payload, roomy)
	switch {
	case err == ErrTooManyBlocks:
	case (err == nil) != (wantErr == nil):
		t.Fatalf("%x: error %v, compress/flate says %v", payload, err, wantErr)
	case err == nil && !bytes.Equal(got, want):
		t.Fatalf("%x: %d bytes, compress/flate makes %d others", payload, len(got), len(want))
	}
}

// Rows C1 to C3: the limit holds to the byte, and nothing is made beyond it.
func TestInflateLimit(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, message := range [][]byte{make([]byte, 100_000), document(100_000), noise(r, 100_000, 1), document(7)} {
		for _, level := range []int{0, 1, 6} {
			payload := squeeze(t, message, level)
			for _, limit := range []int{0, 1, len(message) / 2, len(message) - 259, len(message) - 1, len(message), len(message) + 1} {
				if limit < 0 {
					continue
				}
				got, err := Inflate(nil, payload, limit)
				if limit >= len(message) {
					if err != nil || !bytes.Equal(got, message) {
						t.Errorf("%d bytes, limit %d: %d bytes, %v", len(message), limit, len(got), err)
					}
					continue
				}
				if err != wire.ErrMessageTooBig {
					t.Errorf("%d bytes, limit %d: %v", len(message), limit, err)
				}
				if len(got) > limit+slack || cap(got) > limit+slack {
					t.Errorf("%d bytes, limit %d: made %d bytes in room for %d", len(message), limit, len(got), cap(got))
				}
			}
		}
	}
}

// emptyTables is a block with codes of its own and nothing in it, in as few bits
// as it takes: 1 bit for the end of the block, and no distances.
func emptyTables() *bitWriter {
	w := new(bitWriter)
	w.put(0b100, 3) // BFINAL 0, BTYPE 2
	w.put(0, 5)     // 257 literals and lengths
	w.put(0, 5)     // 1 distance
	w.put(14, 4)    // 18 lengths of the code for lengths
	for _, symbol := range preOrder[:18] {
		switch symbol {
		case 18, 1:
			w.put(1, 3) // codes 1 and 0
		default:
			w.put(0, 3)
		}
	}
	w.put(1, 1) // 18: zeros
	w.put(127, 7)
	w.put(1, 1)
	w.put(118-11+0, 7) // 138 + 118 = 256
	w.put(0, 1)        // 1: the end of the block
	w.put(0, 1)        // 1: one distance of one bit
	w.put(0, 1)        // the end of the block
	return w
}

// Row C16: blocks that hold nothing cost time. There may be some.
func TestInflateTooManyBlocks(t *testing.T) {
	blocks := func(n int) []byte {
		w := new(bitWriter)
		for range n {
			w.append(emptyTables())
		}
		w.put(0, 3) // the block without the tail
		return w.bytes()
	}
	for _, n := range []int{1, tablesMin} {
		if got, err := Inflate(nil, blocks(n), roomy); err != nil || len(got) != 0 {
			t.Errorf("%d blocks: %d bytes, %v", n, len(got), err)
		}
		agree(t, blocks(n))
	}
	if _, err := Inflate(nil, blocks(tablesMin+1), roomy); err != ErrTooManyBlocks {
		t.Errorf("%d blocks: %v, want %v", tablesMin+1, err, ErrTooManyBlocks)
	}
	// Stored blocks cost little, and are as many as fit.
	flood := bytes.Repeat([]byte{0x00, 0x00, 0x00, 0xff, 0xff}, 200_000)
	if got, err := Inflate(nil, append(flood, 0x00), roomy); err != nil || len(got) != 0 {
		t.Errorf("200,000 stored blocks: %d bytes, %v", len(got), err)
	}
}

// Whoever ends a block after every 128 symbols, as zlib does with the least
// memory, is understood however long the message is.
func TestInflateManyGoodBlocks(t *testing.T) {
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.HuffmanOnly) // it has codes of its own in every block
	if err != nil {
		t.Fatal(err)
	}
	message := document(200_000)
	for chunk := range len(message) / 200 {
		z.Write(message[chunk*200 : chunk*200+200])
		z.Flush()
	}
	if got, err := Inflate(nil, b.Bytes()[:b.Len()-len(tail)], roomy); err != nil || !bytes.Equal(got, message) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// bitWriter writes bits, the first one lowest.
type bitWriter struct{ b []bool }

func (w *bitWriter) put(v, n int) {
	for i := range n {
		w.b = append(w.b, v>>i&1 == 1)
	}
}

func (w *bitWriter) append(o *bitWriter) { w.b = append(w.b, o.b...) }

func (w *bitWriter) bytes() []byte {
	out := make([]byte, (len(w.b)+7)/8)
	for i, set := range w.b {
		if set {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out
}

// What an Inflate leaves in the pool is of no consequence for the next: C4, C13.
func TestInflateAfterError(t *testing.T) {
	good := squeeze(t, document(3000), 6)
	for cut := range good {
		Inflate(nil, good[:cut], 100+cut)
		if got, err := Inflate(nil, good, roomy); err != nil || !bytes.Equal(got, document(3000)) {
			t.Fatalf("after a payload cut at %d: %d bytes, %v", cut, len(got), err)
		}
	}
}

// Inflating into memory that is there costs none.
func TestInflateAllocates(t *testing.T) {
	payload, dst := squeeze(t, document(1000), 6), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { Inflate(dst, payload, roomy) }); n > 0.5 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, n := range []int{128, 1 << 10, 16 << 10, 1 << 20} {
		payload, dst := squeeze(b, document(n), 6), make([]byte, 0, n+slack)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Inflate(dst, payload, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
