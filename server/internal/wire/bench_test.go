package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

var benchLimits = Limits{Message: 1 << 20, Fragments: 1024}

// A readable event on a pipelined connection: sixteen frames in one read.
func BenchmarkDecode16x128(b *testing.B) {
	for _, kind := range []struct {
		name string
		op   ws.OpCode
		text string
	}{
		{"binary", ws.OpBinary, strings.Repeat("x", 128)},
		{"ascii", ws.OpText, strings.Repeat("x", 128)},
		{"cyrillic", ws.OpText, strings.Repeat("ж", 64)},
	} {
		b.Run(kind.name, func(b *testing.B) {
			one := clientFrame(bitFin|byte(kind.op), testKey, kind.text)
			in := bytes.Repeat(one, 16)
			benchDecode(b, in, 16)
		})
	}
}

// benchDecode decodes a read of frames again and again. Unmasking is its own
// inverse, so every second pass would see masked bytes as text: the payload is
// put back before each pass, and the copy is part of the figure.
func benchDecode(b *testing.B, in []byte, frames int) {
	var d Decoder
	work := make([]byte, len(in))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, in)
		rest, got := work, 0
		for {
			_, n, ok, err := d.Next(rest, &benchLimits)
			if err != nil {
				b.Fatal(err)
			}
			if !ok {
				break
			}
			got++
			rest = rest[n:]
		}
		if got != frames {
			b.Fatalf("%d frames of %d", got, frames)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*frames), "ns/frame")
}

func BenchmarkDecodePing(b *testing.B) {
	benchDecode(b, clientFrame(bitFin|byte(ws.OpPing), testKey, "are you there?"), 1)
}

func BenchmarkDecodeOne(b *testing.B) {
	for _, size := range []int{0, 16, 128, 1024, 16 << 10, 64 << 10} {
		for _, op := range []ws.OpCode{ws.OpBinary, ws.OpText} {
			b.Run(fmt.Sprintf("op=%d/%d", op, size), func(b *testing.B) {
				benchDecode(b, clientFrame(bitFin|byte(op), testKey, strings.Repeat("x", size)), 1)
			})
		}
	}
}

// A message of 16 KiB that comes in reads of 4 KiB, and 1 MiB in reads of 64 KiB.
func BenchmarkDecodeReassembly(b *testing.B) {
	for _, c := range []struct{ size, read int }{{16 << 10, 4 << 10}, {1 << 20, 64 << 10}} {
		b.Run(fmt.Sprintf("%d by %d", c.size, c.read), func(b *testing.B) {
			in := clientFrame(bitFin|byte(ws.OpText), testKey, strings.Repeat("x", c.size))
			var d Decoder
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				for rest := in; len(rest) > 0; {
					piece := rest[:min(len(rest), c.read)]
					rest = rest[len(piece):]
					if _, _, ok, err := d.Next(piece, &benchLimits); err != nil || ok != (len(rest) == 0) {
						b.Fatal(ok, err)
					}
				}
			}
			d.Reset()
		})
	}
}

func BenchmarkUnmask(b *testing.B) {
	for _, size := range []int{5, 16, 125, 128, 256, 512, 1024, 4096, 16 << 10} {
		p := make([]byte, size)
		b.Run(fmt.Sprintf("ours/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			key := binary.LittleEndian.Uint32(testKey[:])
			for b.Loop() {
				unmask(p, key)
			}
		})
		b.Run(fmt.Sprintf("gobwas/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				ws.Cipher(p, testKey, 0)
			}
		})
	}
}

func BenchmarkUTF8(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"ascii", strings.Repeat("a", 4096)},
		{"cyrillic", strings.Repeat("ж", 2048)},
		{"mixed", strings.Repeat("naïve – 日本 ", 220)},
	} {
		p := []byte(c.text)
		b.Run("incremental/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				var v UTF8
				v.Write(p)
			}
		})
		b.Run("ValidUTF8/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				ValidUTF8(p)
			}
		})
		b.Run("utf8.Valid/"+c.name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				utf8.Valid(p)
			}
		})
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	for _, size := range []int{128, 16 << 10} {
		p := make([]byte, size)
		dst := make([]byte, 0, size+ServerHeaderMax)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendFrame(dst[:0], ws.OpBinary, p)
			}
		})
	}
}
