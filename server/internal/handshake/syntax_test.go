package handshake

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// decidedAt returns after how many bytes, arriving one by one, the scan refuses,
// and what; it stops at the end of the head.
func decidedAt(in []byte, lim Limits) (int, *Refusal) {
	var s Scanner
	for i := range len(in) + 1 {
		n, refusal := s.Scan(in[:i:i], lim)
		if refusal != nil {
			return i, refusal
		}
		if n > 0 {
			return n, nil
		}
	}
	return len(in), nil
}

// H4; RFC 6585, 5: a head of 8192 bytes is served, one more byte is 431.
func TestHeadBytesLimit(t *testing.T) {
	u := anyOrigin(t)
	sized := func(n int) string {
		r := goodRequest()
		r = append(r, "Cookie: "+strings.Repeat("c", n-len(r.String())-len("Cookie: \r\n")))
		if len(r.String()) != n {
			t.Fatal("wrong size")
		}
		return r.String()
	}
	expect(t, u, Limits{}, sized(8192), 101)
	expect(t, u, Limits{}, sized(8193), 431)
	expect(t, u, Limits{Bytes: 300}, sized(300), 101)
	expect(t, u, Limits{Bytes: 300}, sized(301), 431)

	// A field that never ends is refused when the limit is full, not later.
	endless := []byte("GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20))
	if at, refusal := decidedAt(endless, Limits{}); at != 8192 || refusal != refuseHeadSize {
		t.Fatalf("decided at %d: %v", at, refusal)
	}
}

// H4; RFC 6585, 5: a hundred fields are served; the first byte of another is 431.
func TestHeadFieldsLimit(t *testing.T) {
	u := anyOrigin(t)
	counted := func(n int) string {
		r := goodRequest()
		for len(r) < n+1 {
			r = append(r, "a:")
		}
		return r.String()
	}
	expect(t, u, Limits{}, counted(100), 101)
	expect(t, u, Limits{}, counted(101), 431)
	expect(t, u, Limits{Fields: 8}, counted(8), 101)
	expect(t, u, Limits{Fields: 8}, counted(9), 431)

	start := "GET / HTTP/1.1\r\n"
	flood := []byte(start + strings.Repeat("a:\r\n", 100_000))
	if at, refusal := decidedAt(flood, Limits{}); at != len(start)+100*len("a:\r\n")+1 || refusal != refuseHeadSize {
		t.Fatalf("decided at %d: %v", at, refusal)
	}
}

// H5; RFC 9110, 15.5.15: a target of 4096 bytes is served; one more is 414.
func TestTargetLimit(t *testing.T) {
	u := anyOrigin(t)
	target := func(n int) string {
		return goodRequest().with("GET", "GET /"+strings.Repeat("t", n-1)+" HTTP/1.1").String()
	}
	expect(t, u, Limits{}, target(4096), 101)
	expect(t, u, Limits{}, target(4097), 414)
	expect(t, u, Limits{Target: 1}, target(1), 101)
	expect(t, u, Limits{Target: 1}, target(2), 414)
	if at, refusal := decidedAt([]byte("GET /"+strings.Repeat("t", 9000)), Limits{}); at != len("GET ")+4097 || refusal != refuseTargetSize {
		t.Fatalf("decided at %d: %v", at, refusal)
	}
}

// H4, H1: the scan never looks again at a line that it has seen. Bytes of
// earlier lines are overwritten with what it would refuse.
func TestScanResumes(t *testing.T) {
	in := []byte(chromiumHead)
	var s Scanner
	for i := range in {
		n, refusal := s.Scan(in[:i+1:i+1], Limits{})
		if refusal != nil {
			t.Fatalf("after %d bytes: refused", i+1)
		}
		if n > 0 != (i+1 == len(in)) {
			t.Fatalf("after %d bytes: n is %d", i+1, n)
		}
		if s.lines > 0 {
			clear(in[:s.at])
		}
	}
}

// H9, H26; RFC 9112, 3: method SP request-target SP HTTP-version, to the letter.
func TestRequestLine(t *testing.T) {
	u := anyOrigin(t)
	for _, row := range []struct {
		line string
		want int
	}{
		{"GET / HTTP/1.1", 101},
		{"GET  / HTTP/1.1", 400},
		{"GET /  HTTP/1.1", 400},
		{"GET / HTTP/1.1 ", 400},
		{" GET / HTTP/1.1", 400},
		{"GET\t/ HTTP/1.1", 400},
		{"GET /\tHTTP/1.1", 400},
		{"GET /a b HTTP/1.1", 400},
		{"GET / http/1.1", 400},
		{"GET / HTTP/1.10", 400},
		{"GET / HTTP/01.1", 400},
		{"GET / HTTP/1,1", 400},
		{"GET / HTTP/1.", 400},
		{"GET / HTTP/", 400},
		{"GET / HTTPS/1.1", 400},
		{"GET / HTTP/1.2", 505},
		{"GET / HTTP/2.0", 505},
		{"GET / HTTP/9.9", 505},
		{"GET / HTTP/0.9", 505},
		{"GET / HTTP/1.0", 505},
		{"GET /", 400},
		{"GET", 400},
		{"", 400},
		{"G\x00T / HTTP/1.1", 400},
		{"G@T / HTTP/1.1", 400},
		{"G\xc3\x89T / HTTP/1.1", 400},
		{"GET /\x00 HTTP/1.1", 400},
		{"GET /\x7f HTTP/1.1", 400},
		{"GET /\xc3\xa9 HTTP/1.1", 400},
	} {
		expect(t, u, Limits{}, goodRequest().with("GET", row.line).String(), row.want)
	}
}

// H9; RFC 9110, 15.5.6: other methods get 405 and are told what is allowed; the
// answer to HEAD has no content (RFC 9110, 9.3.2).
func TestOtherMethods(t *testing.T) {
	u := anyOrigin(t)
	for _, method := range []string{"POST", "HEAD", "PUT", "DELETE", "OPTIONS", "get", "Get", "GETS", "GE"} {
		response := expect(t, u, Limits{}, goodRequest().with("GET", method+" /chat HTTP/1.1").String(), 405)
		if !strings.Contains(response, "\r\nAllow: GET\r\n") {
			t.Errorf("%s: %q", method, response)
		}
		if _, body, _ := strings.Cut(response, "\r\n\r\n"); (body == "") != (method == "HEAD") {
			t.Errorf("%s: body %q", method, body)
		}
	}
}

// H26: what is not HTTP/1.1 is refused as soon as it shows.
func TestOtherProtocols(t *testing.T) {
	for _, row := range []struct {
		name, in string
		at       int
	}{
		{"TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1},
		{"SSLv2 hello", "\x80\x2e\x01\x00\x02", 1},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", len("PRI * HTTP/2.0\r\n")},
		{"HTTP/0.9", "GET /\r\n", len("GET /\r")},
		{"PROXY v1", "PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n", len("PROXY TCP4 192.0.2.1 ")},
		{"PROXY v2", "\r\n\r\n\x00\r\nQUIT\n", 1},
		{"SMTP", "EHLO example.com\r\n", len("EHLO example.com\r")},
		{"line feeds", "\n\n\n\n", 1},
		{"a frame", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 1},
	} {
		at, refusal := decidedAt([]byte(row.in), Limits{})
		if refusal != refuseSyntax || at != row.at {
			t.Errorf("%s: %v at %d, want at %d", row.name, refusal, at, row.at)
		}
	}
	random := rand.NewChaCha8([32]byte{1})
	var b [64]byte
	for range 5000 {
		random.Read(b[:])
		if at, refusal := decidedAt(b[:], Limits{}); refusal != refuseSyntax || at > 40 {
			t.Fatalf("%x: %v at %d", b, refusal, at)
		}
	}
}

// H12; RFC 9112, 2.2, 5, 5.1, 5.2: one bad line anywhere among the fields, and
// the request is refused.
func TestFieldLineSyntax(t *testing.T) {
	u := anyOrigin(t)
	for _, bad := range []string{
		"X: a\nY: b",        // a bare LF
		"X: a\n",            // before CRLF
		"\nX: a",            //
		"X: a\rY: b",        // a bare CR
		"X: a\r",            // CR CR LF
		"\rX: a",            //
		"X: a\r\n b",        // obs-fold
		"X: a\r\n\tb",       //
		"X: a\r\n ",         // obs-fold of nothing
		" X: a",             // leading space: a fold, or a hidden field
		"\tX: a",            //
		"X : a",             // white space before the colon
		"X\t: a",            //
		"X",                 // no colon
		":",                 // no name
		": a",               //
		"X\x00: a",          // NUL and other controls
		"X: \x00",           //
		"X: a\x00b",         //
		"X: a\x01b",         //
		"X: a\x0bb",         //
		"X: a\x1bb",         //
		"X: a\x7fb",         //
		"X\x80: a",          // beyond ASCII in a name
		"X\xc3\xa9: a",      //
		"X Y: a",            // a name that is no token
		"X(Y): a",           //
		"X/Y: a",            //
		"\"X\": a",          //
		"X@: a",             //
		"[X]: a",            //
		"GET / HTTP/1.1",    // a second request line has no colon
		"X,Y: a",            //
		"X;Y: a",            //
		"X=Y: a",            //
		"X\\Y: a",           //
		"{X}: a",            //
		"X\ufeff: a",        //
		"X:a\r\n\r\r\nb: c", // an empty line that is none
	} {
		good := goodRequest()
		for at := 1; at <= len(good); at++ {
			expect(t, u, Limits{}, slices.Insert(slices.Clone(good), at, bad).String(), 400)
		}
	}
	for _, fine := range []string{"X:", "X: ", "X:\t \t", "X:a", "X:  a  ", "X: \x80\xff", "X: a\tb", "x!#$%&'*+-.^_`|~9: :", "X: GET / HTTP/1.1"} {
		good := goodRequest()
		for at := 1; at <= len(good); at++ {
			expect(t, u, Limits{}, slices.Insert(slices.Clone(good), at, fine).String(), 101)
		}
	}
}

// H12; RFC 9112, 5.2: a line that begins with white space is refused by that byte.
func TestFoldRefusedAtOnce(t *testing.T) {
	for _, start := range []string{"GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n"} {
		for _, space := range []string{" ", "\t"} {
			if at, refusal := decidedAt([]byte(start+space), Limits{}); refusal != refuseSyntax || at != len(start)+1 {
				t.Errorf("%q: %v at %d", start+space, refusal, at)
			}
		}
	}
}

// RFC 9110, 5.1: names are compared without case, over ASCII and nothing else.
func TestEqualFoldASCII(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			letters := a|0x20 == b|0x20 && 'a' <= a|0x20 && a|0x20 <= 'z'
			if got := equalFold([]byte{byte(a)}, []byte{byte(b)}); got != (a == b || letters) {
				t.Errorf("%#x and %#x: %v", a, b, got)
			}
		}
	}
	if equalFold("k", "\u212a") || equalFold("a", "aa") {
		t.Error("folds more than letters")
	}
}

// H12; RFC 9112, 2.2: an empty line before the request is refused.
func TestEmptyLineBeforeRequest(t *testing.T) {
	u := anyOrigin(t)
	for _, before := range []string{"\r\n", "\r\n\r\n", "\n", "\r", " ", "\r\r\n"} {
		expect(t, u, Limits{}, before+goodRequest().String(), 400)
	}
}

// H10, H11; RFC 9112, 3.2: exactly one Host, and a valid one.
func TestHostField(t *testing.T) {
	u := anyOrigin(t)
	for _, value := range []string{"a", "a.example", "a.example.", "a_b", "192.0.2.1", "[::1]", "[2001:db8::1]:6001", "a:", "a:1", "a:65535", "A.EXAMPLE:80", "xn--bcher-kva.example"} {
		expect(t, u, Limits{}, goodRequest().with("Host", "Host: "+value).String(), 101)
	}
	for _, value := range []string{"", " ", ":80", "user@a", "user:pw@a", "a b", "a,b", "a/b", "a?b", "a#b", "a\\b", "a:b", "a:-1", "a:+1", "a:65536", "a:0",
		"a:80:80", "::1", "[::1", "[::1]x", "[::1]:x", "[fe80::1%25eth0]", "[v1.a]", "[192.0.2.1]", "[]", "a%2eb", "b\xc3\xbccher.example", "http://a", "*", "a\tb", "<a>", "\"a\""} {
		expect(t, u, Limits{}, goodRequest().with("Host", "Host: "+value).String(), 400)
	}
	expect(t, u, Limits{}, goodRequest().with("Host").String(), 400)
	expect(t, u, Limits{}, goodRequest().with("Host", "Host: a", "Host: a").String(), 400)
	expect(t, u, Limits{}, goodRequest().with("Host", "Host: a", "hOST: b").String(), 400)
	// HTTP/1.0 knows no Host, but two are no better there.
	expect(t, u, Limits{}, "GET / HTTP/1.0\r\n\r\n", 0)
	expect(t, u, Limits{}, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400)
}

// H10, H13; RFC 9112, 6.1 to 6.3: the body of plain HTTP has one length or one
// coding, said once.
func TestBodyFraming(t *testing.T) {
	u := anyOrigin(t)
	for _, row := range []struct {
		fields  string
		want    int
		length  int64
		chunked bool
	}{
		{"", 0, 0, false},
		{"Content-Length: 0\r\n", 0, 0, false},
		{"Content-Length: 5\r\n", 0, 5, false},
		{"Content-Length: 9223372036854775807\r\n", 0, 1<<63 - 1, false},
		{"Transfer-Encoding: chunked\r\n", 0, 0, true},
		{"Transfer-Encoding: Chunked\r\n", 0, 0, true},
		{"Content-Length: 9223372036854775808\r\n", 400, 0, false},
		{"Content-Length: 99999999999999999999\r\n", 400, 0, false},
		{"Content-Length:\r\n", 400, 0, false},
		{"Content-Length: -1\r\n", 400, 0, false},
		{"Content-Length: +5\r\n", 400, 0, false},
		{"Content-Length: 5,5\r\n", 400, 0, false},
		{"Content-Length: 5, 6\r\n", 400, 0, false},
		{"Content-Length: 0x5\r\n", 400, 0, false},
		{"Content-Length: 5_0\r\n", 400, 0, false},
		{"Content-Length: 5 5\r\n", 400, 0, false},
		{"Content-Length: 5\r\nContent-Length: 5\r\n", 400, 0, false},
		{"Content-Length: 5\r\ncontent-length: 6\r\n", 400, 0, false},
		{"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400, 0, false},
		{"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400, 0, false},
		{"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400, 0, false},
		{"Transfer-Encoding: gzip, chunked\r\n", 400, 0, false},
		{"Transfer-Encoding: chunked, identity\r\n", 400, 0, false},
		{"Transfer-Encoding: identity\r\n", 400, 0, false},
		{"Transfer-Encoding:\r\n", 400, 0, false},
		{"Transfer-Encoding: xchunked\r\n", 400, 0, false},
		{"Transfer-Encoding: \"chunked\"\r\n", 400, 0, false},
		{"Transfer-Encoding: \x0bchunked\r\n", 400, 0, false},
	} {
		in := "POST /apps/1/events HTTP/1.1\r\nHost: a\r\n" + row.fields + "\r\n"
		expect(t, u, Limits{}, in, row.want)
		var h Head
		if h.Parse([]byte(in), Limits{}) == nil && (h.ContentLength != row.length || h.Chunked != row.chunked) {
			t.Errorf("%q: length %d, chunked %v", row.fields, h.ContentLength, h.Chunked)
		}
	}
	expect(t, u, Limits{}, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400)
}

// Parse stands alone: what is not exactly one head is refused, without a panic.
func TestParseOnlyWholeHeads(t *testing.T) {
	var h Head
	for end := range len(minimalHead) {
		if h.Parse([]byte(minimalHead[:end]), Limits{}) == nil {
			t.Errorf("the first %d bytes are accepted", end)
		}
	}
	for _, more := range []string{"\r", "\r\n", "x", minimalHead} {
		if h.Parse([]byte(minimalHead+more), Limits{}) == nil {
			t.Errorf("accepted with %q behind it", more)
		}
	}
}
