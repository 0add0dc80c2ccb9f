package deflate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// params are all that can be agreed on.
func params() (all []Params) {
	for bits := windowBitsMin; bits <= windowBitsMax; bits++ {
		all = append(all, Params(bits))
	}
	return all
}

// RFC 7692, 7.2: what is compressed is inflated by another's decoder, at every level
// and for every window. Each payload stands alone.
func TestCompressRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for level := LevelMin; level <= LevelMax; level++ {
		c := NewCompressor(level)
		for _, p := range params() {
			for _, n := range []int{1, 2, 16, 200, 256, 257, 512, 1000, 4096, 40_000, 131_072} {
				message := noise(r, n, 50)
				payload, ok := c.Append([]byte("kept"), message, p)
				if !ok {
					if string(payload) != "kept" || n > 512 {
						t.Errorf("level %d, window %d, %d bytes: no gain, %d bytes kept", level, p, n, len(payload))
					}
					continue
				}
				if string(payload[:4]) != "kept" || len(payload)-4 >= n {
					t.Fatalf("level %d, window %d, %d bytes: %d", level, p, n, len(payload))
				}
				if got, err := reference(payload[4:]); err != nil || !bytes.Equal(got, message) {
					t.Fatalf("level %d, window %d, %d bytes: %v", level, p, n, err)
				}
			}
		}
	}
}

// RFC 7692, 7.1.2.1: nothing refers to what the client's window does not hold any
// more, and what it holds is made use of.
func TestCompressHonoursWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	c := NewCompressor(LevelMin)
	for _, p := range params() {
		window := 1 << p.windowBits()
		for _, gap := range []int{window - window/4, window - 1, window, window + 1, window + 2, window + 300} {
			// The same random bytes again, gap bytes later: whoever looks that far back halves them.
			message := noise(r, gap, 1)
			message = append(message, message...)
			payload, ok := c.Append(nil, message, p)
			if gap > window && ok {
				t.Errorf("window %d: a distance of %d was used", window, gap)
			}
			if gap == window-window/4 && (!ok || len(payload) > len(message)*3/4) {
				t.Errorf("window %d: a distance of %d was not used", window, gap)
			}
			if ok {
				if far := farthest(t, payload); far > window {
					t.Errorf("window %d, gap %d: a distance of %d", window, gap, far)
				}
			}
		}
		message := noise(r, 5*window, 40)
		if payload, ok := c.Append(nil, message, p); !ok || farthest(t, payload) > window {
			t.Errorf("window %d: gain %v, a distance of %d", window, ok, farthest(t, payload))
		}
	}
}

// farthest is the longest distance in a payload.
func farthest(t *testing.T, payload []byte) (distance int) {
	t.Helper()
	z := &inflater{in: payload, end: len(payload), limit: roomy, tables: roomy}
	for !z.last || z.at < z.end || z.nbits > 0 {
		z.need(3)
		lit, dist := &fixed.lit, &fixed.dist
		switch z.take(3) >> 1 {
		case 0:
			if err := z.stored(); err != nil {
				t.Fatal(err)
			}
			continue
		case 2:
			if err := z.readTables(); err != nil {
				t.Fatal(err)
			}
			lit, dist = &z.lit, &z.dist
		}
		for {
			z.fill()
			e, n := lookup(lit[:], litBits, z.bits)
			z.take(n)
			if e&kindEnd != 0 {
				break
			}
			if e&kindLiteral != 0 {
				continue
			}
			z.take(e.extra())
			z.fill()
			d, n := lookup(dist[:], distBits, z.bits)
			z.take(n)
			distance = max(distance, d.value()+int(z.take(d.extra())))
		}
	}
	return distance
}

// Forms are shared only where a payload for the one window serves the other.
func TestForm(t *testing.T) {
	for _, p := range params() {
		for _, n := range []int{1, 1 << p, 1<<p + 1, 1 << 20} {
			want := int(p)
			if n <= 1<<p {
				want = windowBitsMax
			}
			if got := p.Form(n); got != want {
				t.Errorf("window %d bits, %d bytes: form %d, want %d", p, n, got, want)
			}
		}
	}
}

// What does not compress is not sent compressed.
func TestCompressNoGain(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for level := LevelMin; level <= LevelMax; level++ {
		c := NewCompressor(level)
		for _, n := range []int{0, 1, 100, 10_000, 100_000} {
			random := noise(r, n, 1)
			if payload, ok := c.Append([]byte("kept"), random, windowBitsMax); ok || string(payload) != "kept" {
				t.Errorf("level %d: %d random bytes became %d", level, n, len(payload)-4)
			}
			// It does not spoil what comes next.
			if payload, ok := c.Append(nil, document(1000), windowBitsMax); !ok || len(payload) > 500 {
				t.Errorf("level %d: after %d random bytes, 1,000 became %d", level, n, len(payload))
			}
		}
	}
}

// Row C13: any number of goroutines, one Compressor.
func TestCompressConcurrently(t *testing.T) {
	c := NewCompressor(LevelMin)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(4, uint64(g)))
			for range 300 {
				message := noise(r, 1+r.IntN(5000), 30)
				payload, ok := c.Append(nil, message, Params(8+r.IntN(8)))
				if !ok {
					continue
				}
				if got, err := Inflate(nil, payload, roomy); err != nil || !bytes.Equal(got, message) {
					t.Errorf("%d bytes: %v", len(message), err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkCompress(b *testing.B) {
	for _, p := range []Params{windowBitsMax, 9} {
		for _, n := range []int{128, 1 << 10, 16 << 10} {
			b.Run(fmt.Sprintf("window=%d/%d", p, n), func(b *testing.B) {
				c, message, dst := NewCompressor(LevelMin), document(n), make([]byte, 0, n+slack)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					c.Append(dst, message, p)
				}
			})
		}
	}
}
