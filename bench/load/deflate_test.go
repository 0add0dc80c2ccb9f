package load

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"testing"
)

// collector is a sink that takes what comes.
type collector struct {
	lengths []uint64
	leads   []lead
}

func (r *collector) begin(_ *conn, h header) *fault {
	r.lengths = append(r.lengths, h.length)
	return nil
}
func (r *collector) accept(*conn, lead) *fault          { return nil }
func (r *collector) control(*conn, byte, []byte) *fault { return nil }
func (r *collector) text(*conn, []byte) *fault          { return nil }
func (r *collector) message(_ *conn, l lead) *fault     { r.leads = append(r.leads, l); return nil }

// inflateAll inflates a message with compress/flate alone.
func inflateAll(t *testing.T, payload []byte) []byte {
	t.Helper()
	b, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 7692, 7.2.1: what a client sends compressed is the message that it would have sent.
func TestDeflatedMessage(t *testing.T) {
	p := newPattern(1)
	p.compress()
	for _, size := range []int{SizeMin, 17, 100, 1024, 70_000} {
		for seq := range uint64(70) {
			l := lead{conn: 5, run: 7, seq: seq}
			frame := p.appendMessage(nil, opText, size, l)
			if frame[0] != 0x80|bitCompressed|opText {
				t.Fatalf("the first byte is %#x", frame[0])
			}
			head := 6
			switch frame[1] & 0x7f {
			case 126:
				head = 8
			case 127:
				head = 14
			}
			payload := frame[head:]
			for i := range payload {
				payload[i] ^= p.key[i&3]
			}
			want := make([]byte, SizeMin, size)
			l.put(want)
			want = append(want, p.plain[l.shift():l.shift()+size-SizeMin]...)
			if got := inflateAll(t, payload); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, message %d: it inflates to %d bytes", size, seq, len(got))
			}
			if size == 1024 && len(payload) > size/2 {
				t.Fatalf("%d bytes became %d", size, len(payload))
			}
		}
	}
}

// A compressed reply is compared like others, cut anywhere.
func TestDeflatedReply(t *testing.T) {
	const size = 1500
	p := newPattern(1)
	p.compress()
	l := lead{conn: 1, run: 2, seq: 3}
	message := make([]byte, SizeMin)
	l.put(message)
	message = append(message, p.plain[l.shift():l.shift()+size-SizeMin]...)
	reply := func(m []byte) []byte {
		var b bytes.Buffer
		z, _ := flate.NewWriter(&b, 6) // there is such a level
		z.Write(m)
		z.Flush()
		frame := serverFrame(opBinary, b.Bytes()[:b.Len()-4])
		frame[0] |= bitCompressed
		return frame
	}
	good := reply(message)
	for cut := range good {
		c, to := &conn{state: open}, &collector{}
		for _, piece := range [][]byte{good[:cut], good[cut:]} {
			if f := c.feed(piece, p, to); f != nil {
				t.Fatalf("cut at %d: %v", cut, f)
			}
		}
		if len(to.leads) != 1 || to.leads[0] != l || to.lengths[0] != size {
			t.Fatalf("cut at %d: %+v", cut, to)
		}
	}
	changed := bytes.Clone(message)
	changed[1000] ^= 1
	for name, tt := range map[string]struct {
		frame   []byte
		pattern *pattern
		kind    Kind
	}{
		"a changed byte":      {reply(changed), p, Corrupt},
		"cut off":             {serverFrame(bitCompressed|opBinary, good[4:len(good)/2]), p, Corrupt},
		"not compressed":      {serverFrame(opBinary, message), p, Protocol},
		"nobody asked for it": {good, newPattern(1), Protocol},
	} {
		c := &conn{state: open}
		if f := c.feed(tt.frame, tt.pattern, &collector{}); f == nil || f.kind != tt.kind {
			t.Errorf("%s: %v, want %v", name, f, tt.kind)
		}
	}
}
