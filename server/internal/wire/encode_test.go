package wire

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

// RFC 6455, 5.1 and 5.2: a server frame is not masked, has no reserved bit,
// and its length takes the fewest bytes. gobwas reads back what we write.
func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20} {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpPing, ws.OpPong, ws.OpClose} {
			payload := bytes.Repeat([]byte("x"), n)
			frame := AppendFrame([]byte("before"), op, payload)[len("before"):]
			if len(frame) != HeaderSize(n)+n {
				t.Fatalf("%d bytes: a frame of %d, HeaderSize says %d", n, len(frame), HeaderSize(n))
			}
			r := bytes.NewReader(frame)
			got, err := ws.ReadHeader(r)
			if err != nil || r.Len() != n {
				t.Fatalf("%d bytes: %v, %d bytes behind the header", n, err, r.Len())
			}
			want := ws.Header{Fin: true, OpCode: op, Length: int64(n)}
			if got != want || !bytes.Equal(frame[len(frame)-n:], payload) {
				t.Fatalf("%d bytes: %+v, want %+v", n, got, want)
			}
			theirs, err := ws.CompileFrame(ws.NewFrame(op, true, payload))
			if err != nil || !bytes.Equal(frame, theirs) {
				t.Fatalf("%d bytes: header % x, gobwas writes % x", n, head(frame)[:2], head(theirs)[:2])
			}
		}
	}
}

// The three ways to write a header write the same one.
func TestHeadersAgree(t *testing.T) {
	for _, n := range []int{0, 125, 126, 65535, 65536, 1 << 30} {
		var b [ServerHeaderMax]byte
		size := PutHeader(&b, ws.OpText, n)
		if appended := AppendHeader(nil, ws.OpText, n); size != HeaderSize(n) || !bytes.Equal(appended, b[:size]) {
			t.Errorf("%d bytes: % x and % x, size %d", n, b[:size], appended, HeaderSize(n))
		}
	}
}

// FrameLen walks frames that lie behind each other, as they do in a queue.
func TestFrameLen(t *testing.T) {
	var queue []byte
	sizes := []int{0, 1, 125, 126, 300, 65535, 65536, 70000}
	for _, n := range sizes {
		frame := AppendFrame(nil, ws.OpBinary, make([]byte, n))
		for cut := range HeaderSize(n) {
			if got := FrameLen(frame[:cut]); got != 0 {
				t.Errorf("%d bytes, %d of the header: %d, want 0", n, cut, got)
			}
		}
		if got := FrameLen(frame[:HeaderSize(n)]); got != len(frame) {
			t.Errorf("%d bytes: %d, want %d", n, got, len(frame))
		}
		queue = append(queue, frame...)
	}
	frames := 0
	for len(queue) > 0 {
		queue = queue[FrameLen(queue):]
		frames++
	}
	if frames != len(sizes) {
		t.Errorf("%d frames, want %d", frames, len(sizes))
	}
}

// An echo written over the client's header, in place: the server's header
// always fits in the room that Event.Whole promises.
func TestEchoInPlace(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("y"), n)
		in := append(text(true, string(payload)), "next"...)
		var d Decoder
		ev, used, ok, err := d.Next(in, &Limits{Message: n, Fragments: 1})
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		size := HeaderSize(len(ev.Payload))
		if room := len(ev.Whole) - len(ev.Payload); room < size {
			t.Fatalf("%d bytes: %d bytes of room for a header of %d", n, room, size)
		}
		start := used - len(ev.Payload) - size
		AppendHeader(in[:start], ev.Op, len(ev.Payload))
		if want := append(AppendFrame(nil, ws.OpText, payload), "next"...); !bytes.Equal(in[start:], want) {
			t.Fatalf("%d bytes: echoed % x", n, head(in[start:]))
		}
	}
}

// The same for a message that came in pieces and lies in pooled memory.
func TestEchoOfPieces(t *testing.T) {
	for _, n := range []int{1, 125, 126, 511, 512, 513, 65535, 65536, 1 << 20, 1<<20 + 1} {
		payload := bytes.Repeat([]byte("y"), n)
		in := text(true, string(payload))
		var d Decoder
		cut := len(in) - n/2 - 1
		if _, _, ok, err := d.Next(in[:cut], &Limits{Message: n, Fragments: 1}); ok || err != nil {
			t.Fatal(ok, err)
		}
		ev, _, ok, err := d.Next(in[cut:], &Limits{Message: n, Fragments: 1})
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		start := len(ev.Whole) - len(ev.Payload) - HeaderSize(n)
		if start < 0 {
			t.Fatalf("%d bytes: no room for a header", n)
		}
		AppendHeader(ev.Whole[:start], ev.Op, n)
		if want := AppendFrame(nil, ws.OpText, payload); !bytes.Equal(ev.Whole[start:], want) {
			t.Fatalf("%d bytes: echoed % x", n, head(ev.Whole[start:]))
		}
	}
}
