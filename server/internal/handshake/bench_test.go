package handshake

import (
	"strings"
	"testing"
)

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
