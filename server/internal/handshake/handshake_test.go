package handshake

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// verdict is the status that a request gets: 0 when it is plain HTTP, -1 when
// its end is still to come.
func verdict(u *Upgrader, h *Head, lim Limits, in []byte, cuts ...int) (int, string) {
	response, rest, _ := serve(u, h, lim, in, cuts...)
	if response == "" && rest == nil {
		return -1, ""
	}
	if response == "" {
		return 0, ""
	}
	status, err := strconv.Atoi(response[len("HTTP/1.1 "):len("HTTP/1.1 200")])
	if err != nil {
		return -2, response
	}
	return status, response
}

// expect asserts the answer to a request, in one piece, in two for every cut
// there is, and byte by byte. It returns the response. Heads of kilobytes are
// mostly filler and are cut at every fourth or fifth byte.
func expect(t *testing.T, u *Upgrader, lim Limits, in string, want int) string {
	t.Helper()
	var h Head // reused for all: nothing of one request may stay for the next (H17)
	status, response := verdict(u, &h, lim, []byte(in))
	if status != want {
		t.Fatalf("got %d, want %d, for %.200q", status, want, in)
	}
	var every []int
	for cut := range in {
		every = append(every, cut)
		if cut%(1+len(in)/2000) != 0 {
			continue
		}
		if s, r := verdict(u, &h, lim, []byte(in), cut); s != status || r != response {
			t.Fatalf("cut at %d: got %d, want %d, for %.200q", cut, s, want, in)
		}
	}
	if s, r := verdict(u, &h, lim, []byte(in), every...); s != status || r != response {
		t.Fatalf("byte by byte: got %d, want %d, for %.200q", s, want, in)
	}
	return response
}

// request is a head made of lines; replacing and removing lines makes the bad ones.
type request []string

func goodRequest() request {
	return strings.Split(strings.TrimSuffix(tutorialHead, "\r\n\r\n"), "\r\n")
}

// with replaces the line that begins with the prefix by the lines given; without
// such a line it adds them at the end.
func (r request) with(prefix string, lines ...string) request {
	for i, line := range r {
		if strings.HasPrefix(line, prefix) {
			return slices.Concat(r[:i], lines, r[i+1:])
		}
	}
	return slices.Concat(r, lines)
}

func (r request) String() string { return strings.Join(r, "\r\n") + "\r\n\r\n" }

// anyOrigin accepts tutorialHead's Origin, which is not that of its Host.
func anyOrigin(t testing.TB) *Upgrader {
	return newUpgrader(t, Config{Origins: Origins{Any: true}, Subprotocols: []string{"superchat", "chat"}})
}

// H17: a Head that served one request carries nothing into the next.
func TestHeadReusedIsClean(t *testing.T) {
	var used, fresh Head
	for _, in := range []string{chromiumHead, "GET http://u@h/ HTTP/1.1\r\nHost: a\r\n\r\n", "POST /%41?q HTTP/1.1\r\nHost: b\r\nContent-Length: 7\r\n\r\n"} {
		used.Parse([]byte(in), Limits{})
	}
	in := []byte("GET / HTTP/1.0\r\n\r\n")
	if used.Parse(in, Limits{}) != nil || fresh.Parse(in, Limits{}) != nil {
		t.Fatal("refused")
	}
	if len(used.Fields) != 0 || len(used.Host) != 0 || used.ContentLength != 0 || used.RawQuery != nil ||
		string(used.Path) != "/" || used.Minor != 0 || used.Chunked || string(used.Target) != string(fresh.Target) {
		t.Fatalf("%+v", used)
	}
}

// DESIGN, invariant 8, and H4: parsing into a used Head allocates nothing.
func TestParseAllocatesNothing(t *testing.T) {
	head := []byte(chromiumHead)
	var h Head
	allocs := testing.AllocsPerRun(100, func() {
		if h.Parse(head, Limits{}) != nil || !h.WantsWebSocket() {
			t.Error("refused")
		}
	})
	if allocs != 0 {
		t.Fatalf("%v allocations", allocs)
	}
}

// One Upgrader serves all loops; answers made at the same time do not mix.
func TestUpgraderSharedByGoroutines(t *testing.T) {
	u := anyOrigin(t)
	var wg sync.WaitGroup
	for _, name := range []string{"chat", "superchat", "none"} {
		wg.Go(func() {
			var h Head
			in := []byte(goodRequest().with("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: "+name).String())
			for range 200 {
				if h.Parse(in, Limits{}) != nil {
					t.Error("refused")
					return
				}
				res, _ := u.Check(&h)
				out, _ := u.Accept(nil, &h, res, http.Header{"X-Name": {name}})
				if !bytes.Contains(out, []byte("X-Name: "+name+"\r\n")) ||
					bytes.Contains(out, []byte("Protocol: "+name+"\r\n")) != (name != "none") {
					t.Errorf("%s: %q", name, out)
					return
				}
			}
		})
	}
	wg.Wait()
}
