package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	klauspost "github.com/klauspost/compress/flate"
)

// chatter is the kind of messages that contexts are for.
func chatter(r *rand.Rand, i int) []byte {
	message := fmt.Appendf(nil, `{"event":"price","channel":"market-%d","data":{"id":%d,"symbol":"ACME%d","price":%d,"volume":%d,"changed":"%d","open":%v,"source":"floor %d"}}`,
		i%7, r.IntN(100_000), i%5, r.IntN(1000), r.IntN(100_000), r.IntN(1<<30), i%3 == 0, r.IntN(9))
	switch r.IntN(10) {
	case 0:
		return append(message, noise(r, r.IntN(6000), 10)...)
	case 1:
		return noise(r, 1+r.IntN(300), 1)
	}
	return message
}

// RFC 7692, 7.2.1: what refers to messages before is inflated by whoever keeps the
// window that was agreed on, however compressed and other messages take turns.
func TestAppendAfter(t *testing.T) {
	for level := LevelMin; level <= LevelMax; level++ {
		for bits := windowBitsMin; bits <= contextBits; bits++ {
			p, r := Params(bits)|serverTakeover, rand.New(rand.NewPCG(uint64(level), uint64(bits)))
			c, alone := NewCompressor(level), NewCompressor(level)
			var x Context
			var window []byte // what the client keeps
			var with, without int
			for i := range 150 {
				message := chatter(r, i)
				compress := func() ([]byte, bool) { return c.AppendAfter(&x, []byte("kept"), message, p) }
				if i%9 == 0 { // a Prepared
					compress = func() ([]byte, bool) { return alone.Append([]byte("kept"), message, p) }
				}
				payload, ok := compress()
				if !ok {
					continue // sent as it is: it is in no window
				}
				x.Sent(message, p)
				in := io.MultiReader(bytes.NewReader(payload[4:]), strings.NewReader(tail+"\x01\x00\x00\xff\xff"))
				got, err := io.ReadAll(flate.NewReaderDict(in, window))
				if err != nil || !bytes.Equal(got, message) || string(payload[:4]) != "kept" {
					t.Fatalf("level %d, window %d, message %d: %v", level, bits, i, err)
				}
				if far := farthest(t, payload[4:]); far > 1<<bits {
					t.Fatalf("level %d, window %d, message %d: a distance of %d", level, bits, i, far)
				}
				window = append(window, message...)
				window = window[max(0, len(window)-1<<bits):]
				if message[0] == '{' && len(message) < 200 {
					with, without = with+len(payload)-4, without+len(message)
				}
			}
			if cap(x.sent) > contextSent || x.received != nil {
				t.Errorf("window %d: %d and %d bytes are kept", bits, cap(x.sent), cap(x.received))
			}
			if bits == contextBits && with > without/2 {
				t.Errorf("level %d: %d bytes became %d", level, without, with)
			}
		}
	}
}

// A client's messages may refer to those before, back to what it was told to.
func TestInflateAfter(t *testing.T) {
	for bits := windowBitsMin; bits <= contextBits; bits++ {
		r := rand.New(rand.NewPCG(1, uint64(bits)))
		var b bytes.Buffer
		z, err := klauspost.NewWriterWindow(&b, 1<<bits)
		if err != nil {
			t.Fatal(err)
		}
		p := Params(windowBitsMax) | clientTakeover
		var x Context
		memory := make([]byte, 0, 100)
		for i := range 200 {
			want := chatter(r, i)
			b.Reset()
			z.Write(want)
			z.Flush()
			payload := b.Bytes()[:b.Len()-len(tail)]
			var got []byte
			if got, memory, err = InflateAfter(&x, memory[:0], payload, len(want), p); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("window %d, message %d: %d bytes of %d, %v", bits, i, len(got), len(want), err)
			}
		}
		if cap(x.received) > 1<<contextBits || x.sent != nil {
			t.Errorf("%d and %d bytes are kept", cap(x.received), cap(x.sent))
		}
	}
	// 7.2.3.2: the second Hello refers to the first one.
	first, second := unhex(t, "f248cdc9c90700"), unhex(t, "f200110000")
	for _, p := range []Params{windowBitsMax, windowBitsMax | serverTakeover} {
		var x Context
		if got, _, err := InflateAfter(&x, nil, first, 5, p); err != nil || string(got) != "Hello" {
			t.Errorf("%q, %v", got, err)
		}
		if got, _, err := InflateAfter(&x, nil, second, 5, p); err != ErrCorrupt {
			t.Errorf("without client takeover: %q, %v", got, err)
		}
	}
}

// What a context costs: 4 KB at most.
func TestContextBytes(t *testing.T) {
	var x Context
	p := Params(contextBits) | serverTakeover | clientTakeover
	for _, n := range []int{10, 100, 1000, 3000, 100_000, 1} {
		message := document(n)
		x.Sent(message, p)
		if _, _, err := InflateAfter(&x, nil, squeeze(t, message, 6), n, p); err != nil {
			t.Fatal(err)
		}
		if kept := cap(x.sent) + cap(x.received); kept > 4<<10 {
			t.Errorf("after %d bytes: %d are kept", n, kept)
		}
		if !bytes.HasSuffix(x.sent, message[max(0, n-contextSent):]) {
			t.Errorf("after %d bytes: the end of the message is not there", n)
		}
	}
}
