package wire

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// A header alone must not make the decoder hold what it announces: ten
// thousand connections that announce a MiB each would be ten gigabytes.
func TestDecoderHoldsReceivedBytesOnly(t *testing.T) {
	lim := Limits{Message: 1 << 20, Fragments: 4}
	for _, in := range []string{"82", "82 ff 00 00", "82 ff 00 00 00 00 00 10 00 00 37 fa 21 3d", "89 fd 37 fa 21 3d 00 00", "02 80 00 00 00 00"} {
		s := stream{t: t, lim: lim}
		s.feed(unhex(in))
		if held := heldBytes(&s.d); held == 0 || held >= 512 {
			t.Errorf("% x holds %d bytes, want some and less than 512", in, held)
		}
		s.d.Reset()
	}
	s := stream{t: t, lim: lim}
	s.feed(unhex("82 ff 00 00 00 00 00 10 00 00 37 fa 21 3d 00"))
	if held := heldBytes(&s.d); held > 2*bufferMin {
		t.Errorf("one byte of a MiB holds %d bytes", held)
	}
	s.d.Reset()
}

// Reassembly is linear: whatever the pieces, a buffer is replaced a number of
// times that grows with the logarithm of the message.
func TestDecoderReassemblyIsLinear(t *testing.T) {
	const size = 3 << 20 // beyond the biggest class
	lim := Limits{Message: size, Fragments: size}
	for _, frame := range []int{size, 4096} {
		var d Decoder
		moves, moved, capacity := 0, 0, 0
		for sent := 0; sent < size; sent += frame {
			op := ws.OpContinuation
			if sent == 0 {
				op = ws.OpBinary
			}
			in := clientFrame(opcode(sent+frame >= size, op), testKey, strings.Repeat("x", frame))
			for len(in) > 0 {
				before := 0
				if d.p != nil && d.p.buf != nil {
					before = len(d.p.buf.b)
				}
				_, n, _, err := d.Next(in[:min(len(in), 97)], &lim)
				if err != nil {
					t.Fatal(err)
				}
				in = in[n:]
				if d.p != nil && d.p.buf != nil && cap(d.p.buf.b) != capacity {
					capacity = cap(d.p.buf.b)
					moves++
					moved += before
				}
			}
		}
		if moves > 14 || moved > 2*size {
			t.Errorf("frames of %d: %d buffers, %d bytes moved for %d received", frame, moves, moved, size)
		}
		if capacity > size+size/2 {
			t.Errorf("frames of %d: %d bytes held for %d received", frame, capacity, size)
		}
		d.Reset()
	}
}

// A frame that lies whole in the buffer costs no allocation.
func TestDecoderInPlaceDoesNotAllocate(t *testing.T) {
	lim := Limits{Message: 1 << 20, Fragments: 4, Deflate: true}
	for _, in := range [][]byte{
		text(true, strings.Repeat("x", 128)),
		text(true, strings.Repeat("ж", 4096)),
		blob(true, strings.Repeat("x", 100_000)),
		clientFrame(0xc2, testKey, "compressed"),
		ping("are you there?"),
	} {
		var d Decoder
		work := make([]byte, len(in))
		if n := testing.AllocsPerRun(100, func() {
			copy(work, in)
			if _, _, ok, err := d.Next(work, &lim); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if d.p != nil {
				t.Fatal("memory is held")
			}
		}); n != 0 {
			t.Errorf("frame % x: %v allocations", in[:2], n)
		}
	}
}

// Between messages a decoder holds nothing, once Next has said that it needs
// more; Reset gives everything back at any moment.
func TestDecoderGivesMemoryBack(t *testing.T) {
	in := join(text(false, "ab"), ping("p"), cont(true, "cd"))
	for cut := range in {
		var d Decoder
		for _, piece := range [][]byte{in[:cut], in[cut:]} {
			piece = append([]byte(nil), piece...)
			for {
				_, n, ok, err := d.Next(piece, &testLimits)
				if err != nil {
					t.Fatal(err)
				}
				if piece = piece[n:]; !ok {
					break
				}
			}
		}
		if d.p != nil || d.Pending() {
			t.Fatalf("cut at %d: memory is held after the message", cut)
		}
	}
	for cut := 1; cut < len(in); cut++ {
		var d Decoder
		for piece, ok := append([]byte(nil), in[:cut]...), true; ok; {
			var n int
			_, n, ok, _ = d.Next(piece, &testLimits)
			piece = piece[n:]
		}
		if !d.Pending() {
			t.Fatalf("cut at %d: not pending", cut)
		}
		d.Reset()
		if d.p != nil || d.Pending() {
			t.Fatalf("cut at %d: memory is held after Reset", cut)
		}
		if got := decode(t, testLimits, text(true, "fresh")); len(got) != 1 || got[0].what != `text "fresh"` {
			t.Fatalf("cut at %d: pooled memory is not clean: %v", cut, got)
		}
	}
}

// Pooled memory belongs to one connection at a time: many decoders, each fed
// in pieces while the others hold theirs, never show each other's bytes.
func TestDecodersDoNotMix(t *testing.T) {
	lim := Limits{Message: 1 << 16, Fragments: 100}
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(worker)))
			type conn struct {
				d    Decoder
				in   []byte
				want []string
			}
			conns := make([]conn, 50)
			for i := range conns {
				c := &conns[i]
				for k := range 20 {
					mark := fmt.Sprintf("%d/%d/%d ", worker, i, k)
					half := strings.Repeat(mark, 1+r.IntN(200))
					c.in = append(c.in, join(text(false, half), ping(mark), cont(true, half))...)
					c.want = append(c.want, mark, half+half)
				}
			}
			for busy := true; busy; {
				busy = false
				for i := range conns {
					c := &conns[i]
					n := min(len(c.in), 1+r.IntN(3000))
					piece := c.in[:n]
					c.in = c.in[n:]
					busy = busy || n > 0
					for {
						ev, n, ok, err := c.d.Next(piece, &lim)
						if err != nil {
							t.Error(err)
							return
						}
						if !ok {
							break
						}
						piece = piece[n:]
						if len(c.want) == 0 || string(ev.Payload) != c.want[0] {
							t.Errorf("worker %d, connection %d: another's bytes", worker, i)
							return
						}
						c.want = c.want[1:]
					}
				}
			}
			for i := range conns {
				if len(conns[i].want) > 0 {
					t.Errorf("worker %d, connection %d: %d events missing", worker, i, len(conns[i].want))
				}
			}
		})
	}
	wait.Wait()
}

// The size classes: the smallest that holds n, and back to the same pool.
func TestBufferClasses(t *testing.T) {
	for _, n := range []int{0, 1, bufferMin - 1, bufferMin, bufferMin + 1, 2 * bufferMin, 2*bufferMin + 1, bufferMax - 1, bufferMax} {
		b := newBuffer(n)
		if c := b.room(); len(b.b) != ServerHeaderMax || c < n || c > max(bufferMin, 2*n) || classOf(c) != classOf(n) {
			t.Errorf("newBuffer(%d): length %d, capacity %d", n, len(b.b), c)
		}
		b.free()
	}
	if b := newBuffer(bufferMax + 1); b.room() != bufferMax+1 {
		t.Errorf("a buffer beyond the biggest class has %d bytes", b.room())
	} else {
		b.free() // left to the garbage collector
	}
	for i := range classes {
		for range 10 { // what the pools hand out has the capacity of its class
			if b, ok := buffers[i].Get().(*buffer); ok && (b.room() != bufferMin<<i || len(b.b) != ServerHeaderMax) {
				t.Errorf("pool %d holds a buffer of %d bytes", i, b.room())
			}
		}
	}
}
