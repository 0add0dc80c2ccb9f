package handshake

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Requests are put together from these: mostly good lines, and every kind of bad
// one that parsers are known to differ on.
var (
	randomMethods  = []string{"GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "CONNECT", "get", "G\x00T", ""}
	randomTargets  = []string{"/", "/", "/chat", "/a%41b?c=%zz", "/%2e%2E/", "/%00", "/%zz", "*", "//evil/x", "http://example.com/x", "http://u@h/", "https://[::1]:1?q", "http://a#b", "ws://b", "ftp://b/", "/a#b", "/\x80", "x"}
	randomVersions = []string{"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", ""}
	randomNames    = []string{"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin", "Content-Length", "Transfer-Encoding", "X-Other", "X Y", ""}
	randomValues   = []string{"example.com", "a.example.com:443", "websocket", "WebSocket, h2c", "Upgrade", "keep-alive, upgrade", "13", "13, 8", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", "chat", "x, superchat,chat", "http://example.com", "https://a.example.com", "https://example.com.", "null", "0", "5", "chunked", "", ",", "\"", "\x80", "\x00", "\t", "a b"}
	randomColons   = []string{": ", ":", ":", ": ", ":\t", " :", ""}
	randomEnds     = []string{"\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n ", "\r\r\n", ""}
)

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// randomRequest returns a good request with up to three things changed.
func randomRequest(r *rand.Rand) string {
	lines := strings.Split(minimalHead, "\r\n")[1:6]
	start := "GET / HTTP/1.1"
	if r.IntN(3) == 0 {
		start = pick(r, randomMethods) + " " + pick(r, randomTargets) + " " + pick(r, randomVersions)
	}
	for range r.IntN(4) {
		at := r.IntN(len(lines))
		name, _, _ := strings.Cut(lines[at], ":")
		switch r.IntN(4) {
		case 0:
			lines[at] = name + pick(r, randomColons) + pick(r, randomValues)
		case 1:
			lines = append(lines, pick(r, randomNames)+pick(r, randomColons)+pick(r, randomValues))
		case 2:
			lines = append(lines, pick(r, randomNames)+": "+pick(r, randomValues))
		case 3:
			r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			if r.IntN(3) == 0 {
				lines = lines[1:]
			}
		}
	}
	var b strings.Builder
	odd := r.IntN(8) == 0
	for _, line := range append([]string{start}, lines...) {
		end := "\r\n"
		if odd {
			end = pick(r, randomEnds)
		}
		b.WriteString(line + end)
	}
	b.WriteString("\r\n")
	if r.IntN(4) == 0 {
		b.WriteString("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
	}
	return b.String()
}

// H4 to H13, H18 to H22 in combination: what the fuzz targets assert, for
// requests that are nearly right.
func TestRandomRequests(t *testing.T) {
	r := rand.New(rand.NewPCG(6455, 9112))
	statuses := map[string]int{}
	for range 6_000 {
		in := randomRequest(r)
		checkHandshake(t, []byte(in), uint16(r.Uint32()), uint8(r.Uint32()))
		checkHead(t, []byte(in))
		var h Head
		response, _, _ := serve(anyOrigin(t), &h, Limits{}, []byte(in))
		statuses[response[:min(len(response), len("HTTP/1.1 101"))]]++
	}
	// A generator of nothing but bad requests, or good ones, would test little.
	for _, status := range []string{"", "HTTP/1.1 101", "HTTP/1.1 400", "HTTP/1.1 405", "HTTP/1.1 426", "HTTP/1.1 505"} {
		if statuses[status] < 20 {
			t.Errorf("%q came %d times", status, statuses[status])
		}
	}
}
