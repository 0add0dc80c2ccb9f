package secure

import (
	"crypto/tls"
	"encoding/binary"
	"testing"
)

// hello is a real ClientHello.
func hello(t testing.TB) []byte {
	t.Helper()
	c := newClient(t, &tls.Config{ServerName: "roost.test", InsecureSkipVerify: true})
	go c.Handshake()
	return c.sent(t)
}

// record is a record of the handshake protocol.
func record(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{22, 3, 1}, uint16(len(b))), b...)
}

// RFC 8446, 5.1: a ClientHello may be cut into any records, of one byte even.
func TestCollectorEveryCut(t *testing.T) {
	whole := hello(t)
	for size := 1; size < 300; size += 7 {
		var raw []byte
		for piece := range pieces(whole[recordHead:], size) {
			raw = append(raw, record(piece)...)
		}
		for _, read := range []int{1, 2, 5, len(raw)} {
			var c Collector
			seen := 0
			for piece := range pieces(raw, read) {
				done, err := c.Add(piece, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if seen += len(piece); done != (seen == len(raw)) {
					t.Fatalf("records of %d, reads of %d: whole after %d of %d bytes: %v", size, read, seen, len(raw), done)
				}
			}
		}
	}
}

// L3 and H26: what is no ClientHello, or too much of one, is known as soon as it can be.
func TestCollectorRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want error
		at   int // bytes that it takes to know
	}{
		"HTTP":             {[]byte("GET / HTTP/1.1\r\n"), ErrHTTP, 1},
		"HTTP/2":           {[]byte("PRI * HTTP/2.0\r\n"), ErrHTTP, 1},
		"an alert":         {[]byte{21, 3, 1, 0, 2, 1, 0}, ErrNoHello, 1},
		"SSL 2":            {[]byte{0x80, 0x2e, 1, 0, 2}, ErrNoHello, 1},
		"a version":        {[]byte{22, 2, 0, 0, 5}, ErrNoHello, 2},
		"an empty record":  {[]byte{22, 3, 1, 0, 0}, ErrNoHello, 5},
		"a big record":     {[]byte{22, 3, 1, 0x40, 1}, ErrBigHello, 5},
		"another message":  {record([]byte{2, 0, 0, 5}), ErrNoHello, 6},
		"a big message":    {record([]byte{1, 1, 0, 0}), ErrBigHello, 9},
		"another record":   {append(record([]byte{1, 0}), 23), ErrNoHello, 8},
		"bytes of its own": {record(make([]byte, 1)), ErrNoHello, 6},
		"tiny records":     {tiny(5000), ErrBigHello, 16<<10 + 1},
	} {
		var col Collector
		for i, x := range c.b {
			whole, err := col.Add([]byte{x}, 16<<10)
			if whole || err != nil && (err != c.want || i+1 != c.at) {
				t.Errorf("%s: whole %v, %v after %d bytes; want %v after %d", name, whole, err, i+1, c.want, c.at)
			}
			if err != nil {
				break
			}
			if i == len(c.b)-1 {
				t.Errorf("%s: nothing is wrong with it", name)
			}
		}
	}
}

// tiny is a ClientHello of n bytes in records of one byte.
func tiny(n int) (raw []byte) {
	message := append([]byte{1, 0, byte(n >> 8), byte(n)}, make([]byte, n)...)
	for _, x := range message {
		raw = append(raw, record([]byte{x})...)
	}
	return raw
}

// Whatever comes, in whatever pieces: the verdict is the same as for all at
// once, it comes within the limit, and crypto/tls reads no further than it for
// what is called whole.
func FuzzCollector(f *testing.F) {
	whole := hello(f)
	f.Add(whole, byte(1))
	f.Add(append(record(whole[5:20]), record(whole[20:])...), byte(3))
	f.Add([]byte("GET / HTTP/1.1"), byte(2))
	f.Add(tiny(100), byte(7))
	f.Fuzz(func(t *testing.T, b []byte, size byte) {
		const most = 4096
		var once, cut Collector
		want, wantErr := once.Add(b, most)
		var got bool
		var gotErr error
		for piece := range pieces(b, int(size)+1) {
			if got, gotErr = cut.Add(piece, most); got || gotErr != nil {
				break
			}
		}
		if got != want || gotErr != wantErr {
			t.Fatalf("in pieces %v, %v; at once %v, %v", got, gotErr, want, wantErr)
		}
		if !want && wantErr == nil && len(b) > most {
			t.Fatalf("%d bytes, and no verdict", len(b))
		}
		if want {
			s := new(Stream)
			s.Begin(&tls.Config{}, nowhere{}, b)
			if done, _ := s.Step(nil); !done && s.Pending() == nil {
				t.Error("crypto/tls waits for more of what was whole, and has nothing to say to it")
			}
			s.Abandon()
		}
	})
}
