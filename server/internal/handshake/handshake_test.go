package handshake

import (
	"bytes"
	"strings"
	"testing"
)

const tutorialHead = "GET /chat HTTP/1.1\r\n" +
	"Host: server.example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Origin: http://example.com\r\n" +
	"Sec-WebSocket-Protocol: chat, superchat\r\n" +
	"Sec-WebSocket-Version: 13\r\n\r\n"

// chromiumHead is what Chromium sends, field for field, with a cookie.
const chromiumHead = "GET /app/278d525bdf162c739803?protocol=7&client=js&version=8.4.0&flash=false HTTP/1.1\r\n" +
	"Host: localhost:6001\r\n" +
	"Connection: Upgrade\r\n" +
	"Pragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\n" +
	"Origin: http://localhost:6001\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-US,en;q=0.9\r\n" +
	"Cookie: session=0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0; theme=dark\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

const minimalHead = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func newUpgrader(t testing.TB, c Config) *Upgrader {
	t.Helper()
	u, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// serve does what a session does with bytes that arrived in the pieces between
// the cuts. It returns the response, "" while the head is incomplete or when
// the request is plain HTTP, and what is left for the frame decoder.
func serve(u *Upgrader, h *Head, lim Limits, in []byte, cuts ...int) (response string, rest []byte, refusal *Refusal) {
	var s Scanner
	var n int
	for _, cut := range append(cuts, len(in)) {
		if n, refusal = s.Scan(in[:cut:cut], lim); refusal != nil {
			return string(refusal.Append(nil)), nil, refusal
		}
		if n > 0 {
			break
		}
	}
	if n == 0 {
		return "", nil, nil
	}
	if refusal = h.Parse(in[:n:n], lim); refusal != nil {
		return string(refusal.Append(nil)), nil, refusal
	}
	if !h.WantsWebSocket() {
		return "", in[n:], nil
	}
	res, refusal := u.Check(h)
	if refusal != nil {
		return string(refusal.Append(nil)), nil, refusal
	}
	out, refusal := u.Accept(nil, h, res, nil)
	if refusal != nil {
		return string(refusal.Append(nil)), nil, refusal
	}
	return string(out), in[n:], nil
}

// RFC 6455, 1.2 and 1.3: the example of the specification and of every tutorial.
func TestTutorialExampleToTheByte(t *testing.T) {
	u := newUpgrader(t, Config{
		Subprotocols: []string{"superchat", "chat"},
		Origins:      Origins{Allow: []string{"http://example.com"}},
	})
	want := "HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: chat\r\n\r\n"
	frame := "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
	in := []byte(tutorialHead + frame)
	var h Head
	for cut := range in {
		got, rest, _ := serve(u, &h, Limits{}, in, cut)
		if got != want {
			t.Fatalf("cut at %d: %q", cut, got)
		}
		// H15: frames in the handshake's own segment belong to the decoder.
		if string(rest) != frame {
			t.Fatalf("cut at %d: rest %q", cut, rest)
		}
	}
	if !bytes.Equal(in, []byte(tutorialHead+frame)) {
		t.Fatal("the input was written to")
	}
}

func BenchmarkHandshake(b *testing.B) {
	for _, bench := range []struct{ name, head string }{
		{"chromium", chromiumHead},
		{"minimal", minimalHead},
		{"manyFields", strings.TrimSuffix(minimalHead, "\r\n") + strings.Repeat("X-Forwarded-For: 192.0.2.1\r\n", 90) + "\r\n"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			u := newUpgrader(b, Config{Subprotocols: []string{"chat"}})
			head := []byte(bench.head)
			dst := make([]byte, 0, 1024)
			var h Head
			b.SetBytes(int64(len(head)))
			b.ReportAllocs()
			for b.Loop() {
				var s Scanner
				n, refusal := s.Scan(head, Limits{})
				if refusal == nil {
					refusal = h.Parse(head[:n], Limits{})
				}
				if refusal != nil || !h.WantsWebSocket() {
					b.Fatal(refusal)
				}
				res, refusal := u.Check(&h)
				if refusal != nil {
					b.Fatal(refusal.Reason)
				}
				if _, refusal = u.Accept(dst[:0], &h, res, nil); refusal != nil {
					b.Fatal(refusal.Reason)
				}
			}
		})
	}
}
