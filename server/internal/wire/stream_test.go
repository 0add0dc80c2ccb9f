package wire

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

var (
	testKey = [4]byte{0x37, 0xfa, 0x21, 0x3d} // the mask of RFC 6455, 5.7
	noKey   = [4]byte{}                       // legal, and leaves the payload readable
)

// clientFrame builds a masked frame with the shortest length; first is its
// whole first byte.
func clientFrame(first byte, key [4]byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// unhex reads bytes as the tables write them: "81 85 37".
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// stream feeds a decoder with pieces and writes down what comes of it.
type stream struct {
	t        testing.TB
	d        Decoder
	lim      Limits
	fed      int // bytes of all pieces so far
	used     int // bytes the decoder says it used
	outcomes []outcome
	failed   bool
}

// feed gives one piece, as a read would, and checks what must hold after
// every call whatever the bytes are.
func (s *stream) feed(piece []byte) {
	s.fed += len(piece)
	in := slices.Clone(piece)
	for !s.failed {
		began := !s.d.Pending() // the next frame begins in this piece
		ev, n, ok, err := s.d.Next(in, &s.lim)
		if n < 0 || n > len(in) {
			s.t.Fatalf("used %d bytes of %d", n, len(in))
		}
		s.used += n
		if err != nil {
			s.failed = true
			var e *Error
			if !errors.As(err, &e) || ok || s.d.p != nil {
				s.t.Fatalf("error %v of type %T, ok %v, memory %p", err, err, ok, s.d.p)
			}
			s.outcomes = append(s.outcomes, outcome{s.used, fail(int(e.Code))})
			return
		}
		if !ok {
			if n != len(in) {
				s.t.Fatalf("used %d bytes of %d and wants more", n, len(in))
			}
			break
		}
		s.checkPlace(in, n, ev, began)
		s.outcomes = append(s.outcomes, outcome{s.used, describe(byte(ev.Op), ev.Compressed, ev.Payload)})
		in = in[n:]
	}
	s.checkMemory()
}

// checkPlace holds the promises about where a payload lies: in place whenever
// its frame lay whole in the piece, then with the header's room in front.
func (s *stream) checkPlace(in []byte, n int, ev Event, began bool) {
	if cap(ev.Payload) != len(ev.Payload) {
		s.t.Fatalf("payload of %d bytes has room for %d: an append would overwrite the next frame", len(ev.Payload), cap(ev.Payload))
	}
	size := 0
	if began && n >= HeaderSize(len(ev.Payload))+4+len(ev.Payload) {
		size = HeaderSize(len(ev.Payload)) + 4
	}
	whole := size > 0 && n == size+len(ev.Payload) // one frame, not several fragments
	head := len(ev.Whole) - len(ev.Payload)
	if whole && head != size {
		s.t.Fatalf("a frame of %d bytes, whole and in place, has %d bytes of room, want %d", n, head, size)
	}
	if ev.Whole == nil {
		return
	}
	if len(ev.Payload) > 0 && &ev.Whole[head] != &ev.Payload[0] {
		s.t.Fatal("the room is not in front of the payload")
	}
}

// checkMemory bounds what a decoder between two reads holds: nothing between
// messages, under half a KiB with no payload, and at most twice the payload.
func (s *stream) checkMemory() {
	if !s.d.Pending() && s.d.p != nil {
		s.t.Fatal("memory is held between messages")
	}
	if held := heldBytes(&s.d); held > bufferMin+ServerHeaderMax+max(bufferMin, 2*s.fed) {
		s.t.Fatalf("%d bytes held for %d received", held, s.fed)
	}
}

func heldBytes(d *Decoder) int {
	if d.p == nil {
		return 0
	}
	held := int(unsafe.Sizeof(*d.p))
	if d.p.buf != nil {
		held += int(unsafe.Sizeof(*d.p.buf)) + cap(d.p.buf.b)
	}
	return held
}

// decode runs a new decoder over the pieces.
func decode(t testing.TB, lim Limits, pieces ...[]byte) []outcome {
	t.Helper()
	s := stream{t: t, lim: lim}
	for _, piece := range pieces {
		s.feed(piece)
	}
	s.d.Reset()
	return s.outcomes
}

// checkStream decodes in as one piece, byte by byte, and in two pieces cut at
// every offset; each way must give what want says, and what the model says.
func checkStream(t *testing.T, lim Limits, in []byte, want []outcome) {
	t.Helper()
	check := func(how string, got []outcome) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Fatalf("%s of % x:\n%s\nwant\n%s", how, head(in), show(got), show(want))
		}
	}
	check("model", model(in, lim))
	check("one piece", decode(t, lim, in))
	check("byte by byte", decode(t, lim, slices.Collect(slices.Chunk(in, 1))...))
	for cut := range in {
		check("cut in two", decode(t, lim, in[:cut], in[cut:]))
	}
}

func head(b []byte) []byte { return b[:min(len(b), 64)] }

// randomPieces cuts in by a seed, with many short pieces and a few long ones.
func randomPieces(in []byte, seed uint64) (pieces [][]byte) {
	r := rand.New(rand.NewPCG(seed, 0))
	for len(in) > 0 {
		n := min(len(in), 1+r.IntN(1<<r.IntN(12)))
		pieces = append(pieces, in[:n])
		in = in[n:]
	}
	return pieces
}

func opcode(fin bool, op ws.OpCode) byte {
	if fin {
		return bitFin | byte(op)
	}
	return byte(op)
}
