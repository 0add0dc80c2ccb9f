package handshake

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// seedHeads begin the fuzzing near the places where parsers differ.
var seedHeads = []string{
	tutorialHead, chromiumHead, minimalHead,
	"GET http://u:p@evil:1/a%41?q#f HTTP/1.1\r\nHost: good\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
	"GET http://evil:81?x HTTP/1.1\r\nHost: good\r\nOrigin: null\r\n\r\n",
	"POST /apps/1/events HTTP/1.1\r\nHost: [::1]:6001\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	"OPTIONS * HTTP/1.0\r\n\r\n", "HEAD //a/b HTTP/1.1\r\nhOST:a\r\nX:\t\x80\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\nY : c\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	strings.Replace(minimalHead, "Upgrade: websocket", "Upgrade: h2c/1, WebSocket", 1),
	strings.Replace(minimalHead, "Connection: Upgrade", "Connection: keep-alive\r\nConnection: \"a, Upgrade, b\"", 1),
	strings.Replace(tutorialHead, "Protocol: chat", "Protocol: x\r\nSec-WebSocket-Protocol: superchat, chat", 1),
	strings.Replace(tutorialHead, "Version: 13", "Version: 13, 8\r\nOrigin: https://a.b.example.com:443", 1),
}

var fuzzConfigs = []Config{
	{},
	{Origins: Origins{Any: true}, Subprotocols: []string{"chat", "superchat"}},
	{Origins: Origins{Allow: []string{"https://*.example.com", "http://example.com"}}, Subprotocols: []string{"chat"}},
}

// A request gets a WebSocket exactly when the model gives it one, however it was
// cut; every other answer is one of the package's own, well-formed, last ones;
// and no byte of an earlier line is looked at twice.
func FuzzHandshake(f *testing.F) {
	for i, seed := range seedHeads {
		f.Add([]byte(seed), uint16(i*7), uint8(i))
		f.Add([]byte(seed+"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), uint16(i*31), uint8(i*5))
	}
	f.Fuzz(checkHandshake)
}

func checkHandshake(t *testing.T, in []byte, cut uint16, which uint8) {
	t.Helper()
	config := fuzzConfigs[int(which)%len(fuzzConfigs)]
	u := newUpgrader(t, config)
	lim := []Limits{{}, {Bytes: 200, Target: 20, Fields: 7}}[which>>7]
	var h Head
	response, rest, refusal := serve(u, &h, lim, in)
	split, _, _ := serve(u, &h, lim, in, int(cut)%(len(in)+1))
	if split != response {
		t.Fatalf("cut at %d: %q, whole: %q", int(cut)%(len(in)+1), split, response)
	}
	checkScanLinear(t, in, lim)

	model, n, parsed := modelParse(in, lim.orDefault())
	if accepted := refusal == nil && rest != nil; accepted && (!parsed || len(rest) != len(in)-n) {
		t.Fatalf("accepted, but the model refuses: %q", in)
	}
	var accept, subprotocol string
	upgraded := false
	if parsed {
		accept, subprotocol, upgraded = modelUpgrade(model, config)
	}
	switch {
	case refusal != nil:
		if upgraded || !slices.Contains(refusals, refusal) {
			t.Fatalf("%q is refused: %s", in, refusal.Reason)
		}
		method := "GET"
		if refusal.bodiless {
			method = "HEAD"
		}
		if r, _ := readResponse(t, method, []byte(response)); !r.Close {
			t.Fatalf("keeps the connection: %q", response)
		}
	case response == "":
		if upgraded {
			t.Fatalf("%q is taken for HTTP, or as incomplete", in)
		}
	default:
		r, _ := readResponse(t, "GET", []byte(response))
		want := http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {accept}}
		if subprotocol != "" {
			want.Set("Sec-WebSocket-Protocol", subprotocol)
		}
		if !upgraded || r.StatusCode != 101 || !equalHeader(r.Header, want) {
			t.Fatalf("%q gets %q, want %v %v", in, response, upgraded, want)
		}
	}
}

func equalHeader(a, b http.Header) bool {
	for name := range a {
		if !slices.Equal(a[name], b[name]) {
			return false
		}
	}
	return len(a) == len(b)
}

// checkScanLinear scans byte by byte, with all earlier lines overwritten by
// what would be refused, and wants the answer that the whole gets.
func checkScanLinear(t *testing.T, in []byte, lim Limits) {
	t.Helper()
	var whole, bytewise Scanner
	n, refusal := whole.Scan(in, lim)
	b := bytes.Clone(in)
	for i := range b {
		got, gotRefusal := bytewise.Scan(b[:i+1:i+1], lim)
		if got != 0 || gotRefusal != nil {
			if got != n || gotRefusal != refusal {
				t.Fatalf("byte by byte: %d, %v; whole: %d, %v; of %q", got, gotRefusal, n, refusal, in)
			}
			return
		}
		if bytewise.lines > 0 {
			clear(b[:bytewise.at])
		}
	}
	if n != 0 || refusal != nil {
		t.Fatalf("byte by byte: nothing; whole: %d, %v; of %q", n, refusal, in)
	}
}

// net/http may refuse less, but what it refuses is refused here, and of what
// both accept they must see the same: method, target, host, fields, the length
// of the body, and so where the next request begins.
func FuzzHead(f *testing.F) {
	for _, seed := range seedHeads {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkHead)
}

func checkHead(t *testing.T, in []byte) {
	t.Helper()
	var s Scanner
	n, refusal := s.Scan(in, Limits{})
	if n == 0 || refusal != nil {
		return
	}
	var h Head
	if h.Parse(in[:n:n], Limits{}) != nil {
		return
	}
	model, _, _ := modelParse(in[:n], Limits{}.orDefault())
	if model == nil || string(h.Method) != model.method || string(h.Path) != model.path || string(h.RawQuery) != model.query {
		t.Fatalf("%q: %+v, model %+v", in, h, model)
	}
	if h.Chunked && h.Count("Trailer") > 0 {
		return // net/http alone has an opinion on which fields may be announced
	}
	br := bufio.NewReaderSize(bytes.NewReader(in), len(in)+16)
	r, err := http.ReadRequest(br)
	if err != nil {
		t.Fatalf("net/http refuses: %v: %q", err, in)
	}
	length := h.ContentLength
	if h.Chunked {
		length = -1
	}
	if r.Method != string(h.Method) || r.RequestURI != string(h.Target) || r.Host != string(h.Host) ||
		r.ProtoMinor != h.Minor || r.ContentLength != length {
		t.Fatalf("net/http sees %s %s for %s, %d bytes: %q", r.Method, r.RequestURI, r.Host, r.ContentLength, in)
	}
	if path := r.URL.Path; path != string(h.Path) && !(path == "" && string(h.Path) == "/") || r.URL.RawQuery != string(h.RawQuery) {
		t.Fatalf("net/http sees path %q and query %q: %q", path, r.URL.RawQuery, in)
	}
	if left := br.Buffered(); left != len(in)-n {
		t.Fatalf("net/http leaves %d bytes, not %d: %q", left, len(in)-n, in)
	}
	checkFields(t, &h, r)
}

// checkFields compares the fields; net/http keeps some elsewhere.
func checkFields(t *testing.T, h *Head, r *http.Request) {
	t.Helper()
	for _, field := range h.Fields {
		name := http.CanonicalHeaderKey(string(field.Name))
		if name == "Host" || name == "Transfer-Encoding" || name == "Cache-Control" {
			continue
		}
		var values []string
		for value := range h.Values(name) {
			values = append(values, string(value))
		}
		if !slices.Equal(values, r.Header[name]) || h.Count(name) != len(values) || string(h.Get(name)) != values[0] {
			t.Fatalf("%s: %q, net/http sees %q", name, values, r.Header[name])
		}
	}
}

// An origin is accepted exactly when the slow matcher accepts it, and letter
// case never matters.
func FuzzOrigin(f *testing.F) {
	for _, pattern := range []string{"", "https://app.example.com", "https://*.example.com", "http://*.example.com:8080", "capacitor://localhost", "http://[::1]:1"} {
		for _, value := range append(notOrigins, "https://app.example.com", "http://a.b.example.com:8080", "https://example.com:443", "http://[::1]:1") {
			f.Add(value, "app.example.com", pattern)
			f.Add(value, "example.com:443", pattern)
			f.Add(value, "[::1]:1", pattern)
		}
	}
	f.Fuzz(func(t *testing.T, value, host, pattern string) {
		var origins Origins
		if pattern != "" {
			origins.Allow = []string{pattern}
		}
		rules, err := origins.compile()
		if err != nil {
			return
		}
		got := rules.accepts([]byte(value), true, []byte(host))
		if want := modelAccepts(origins, value, host); got != want {
			t.Fatalf("origin %q, host %q, pattern %q: %v, want %v", value, host, pattern, got, want)
		}
		if isASCII(value) && rules.accepts([]byte(strings.ToUpper(value)), true, []byte(strings.ToLower(host))) != got && isASCII(host) {
			t.Fatalf("origin %q, host %q, pattern %q: letter case matters", value, host, pattern)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// The subprotocol is the client's first that the server has, and the bytes of
// the answer are the server's.
func FuzzSubprotocol(f *testing.F) {
	f.Add("chat, superchat", "superchat,chat")
	f.Add("a,,b ;c\r\nd", "d")
	f.Add("\"a, chat, b\"", "chat")
	f.Add(strings.Repeat(",", 50)+"\tchat\t", "x,chat")
	f.Fuzz(func(t *testing.T, client, server string) {
		u, err := New(Config{Subprotocols: strings.Split(server, ",")})
		if err != nil {
			return
		}
		var h Head
		in := strings.Replace(tutorialHead, "chat, superchat", client, 1)
		in = strings.Replace(in, "Origin: http://example.com\r\n", "", 1)
		if h.Parse([]byte(in), Limits{}) != nil {
			return
		}
		res, refusal := u.Check(&h)
		if refusal != nil {
			return
		}
		var offered []string
		for _, value := range h.Fields {
			if strings.EqualFold(string(value.Name), "Sec-WebSocket-Protocol") {
				for element := range strings.SplitSeq(string(value.Value), ",") {
					if element = strings.Trim(element, " \t"); element != "" {
						offered = append(offered, element)
					}
				}
			}
		}
		chosen := ""
		if res.Subprotocol >= 0 {
			chosen = u.subprotocols[res.Subprotocol]
		}
		if want := modelSubprotocol(offered, u.subprotocols); chosen != want {
			t.Fatalf("of %q and %q: %q, want %q", client, server, chosen, want)
		}
		out, _ := u.Accept(nil, &h, res, nil)
		r, _ := readResponse(t, "GET", out)
		if r.Header.Get("Sec-WebSocket-Protocol") != chosen || len(r.Header["Sec-Websocket-Protocol"]) > 1 {
			t.Fatalf("%q", out)
		}
	})
}
