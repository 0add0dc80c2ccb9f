package handshake

import (
	"net/http"
	"strings"
	"testing"
)

// H6; RFC 6455, 4.2.2 (4.) and 4.4: another version is answered with 426 and the
// one that is spoken.
func TestWebSocketVersion(t *testing.T) {
	u := anyOrigin(t)
	for _, value := range []string{"12", "13, 8", "8, 13", "013", "+13", "13.0", "1 3", "14", "0", "-13", "1e1", "", "\"13\"", "13;"} {
		response := expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Version", "Sec-WebSocket-Version: "+value).String(), 426)
		for _, field := range []string{"\r\nSec-Websocket-Version: 13\r\n", "\r\nUpgrade: websocket\r\n", "\r\nConnection: close, Upgrade\r\n"} {
			if !strings.Contains(response, field) {
				t.Errorf("%q: no %q in %q", value, field, response)
			}
		}
	}
	expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Version").String(), 426)
	// White space around a value is no part of it (RFC 9110, 5.5).
	expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Version", "Sec-WebSocket-Version:13").String(), 101)
	expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Version", "Sec-WebSocket-Version: \t13 \t").String(), 101)
	// H10; RFC 6455, 11.3.5: "MUST NOT appear more than once".
	for _, second := range []string{"13", "8"} {
		expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: "+second).String(), 400)
		expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Version", "sec-websocket-version: "+second, "Sec-WebSocket-Version: 13").String(), 400)
	}
}

// H7; RFC 6455, 4.2.1 (3.) and RFC 9110, 7.8: websocket is one of a list, in
// either case; a request that does not name it is plain HTTP.
func TestUpgradeField(t *testing.T) {
	u := anyOrigin(t)
	for _, value := range []string{"websocket", "WebSocket", "WEBSOCKET", "h2c, websocket", "websocket,h2c", ",, websocket ,", "\twebsocket\t", "h2c/1, websocket"} {
		expect(t, u, Limits{}, goodRequest().with("Upgrade", "Upgrade: "+value).String(), 101)
	}
	for _, value := range []string{"", ",", "h2c", "websockets", "xwebsocket", "web socket", "websocket;", "websocket/13", "\"websocket\"", "\"a, websocket, b\"", "websoc\u212aet", "(websocket)"} {
		expect(t, u, Limits{}, goodRequest().with("Upgrade", "Upgrade: "+value).String(), 0)
	}
	expect(t, u, Limits{}, goodRequest().with("Upgrade").String(), 0)
	// H10: two lines, whatever they say.
	for _, second := range []string{"websocket", "h2c", ""} {
		expect(t, u, Limits{}, goodRequest().with("Upgrade", "Upgrade: websocket", "Upgrade: "+second).String(), 400)
		expect(t, u, Limits{}, goodRequest().with("Upgrade", "Upgrade: "+second, "upgrade: websocket").String(), 400)
	}
}

// H7; RFC 6455, 4.2.1 (4.): Connection names Upgrade, among others or on a line
// of its own, in either case; a part of a word is none.
func TestConnectionField(t *testing.T) {
	u := anyOrigin(t)
	for _, value := range []string{"Upgrade", "upgrade", "UPGRADE", "keep-alive, Upgrade", "Upgrade,keep-alive", "keep-alive\t,\tupgrade", ",upgrade,"} {
		expect(t, u, Limits{}, goodRequest().with("Connection", "Connection: "+value).String(), 101)
	}
	expect(t, u, Limits{}, goodRequest().with("Connection", "Connection: keep-alive", "connection: Upgrade").String(), 101)
	for _, value := range []string{"", "keep-alive", "upgraded", "no-upgrade", "keep-alive Upgrade", "keep-alive; Upgrade", "\"Upgrade\"", "\"a, Upgrade, b\"", "close"} {
		expect(t, u, Limits{}, goodRequest().with("Connection", "Connection: "+value).String(), 400)
	}
	expect(t, u, Limits{}, goodRequest().with("Connection").String(), 400)
}

// H8; RFC 6455, 4.2.1 (5.): 16 bytes in base64, once.
func TestWebSocketKey(t *testing.T) {
	u := anyOrigin(t)
	const good = "dGhlIHNhbXBsZSBub25jZQ=="
	for value, want := range map[string]int{
		good:                           101,
		"AAAAAAAAAAAAAAAAAAAAAA==":     101,
		"+/+/+/+/+/+/+/+/+/+/+w==":     101,
		"x3JJHMbDL1EzLkh9GBhXDx==":     101, // digits that mean nothing are not zero
		"":                             400,
		"dGhlIHNhbXBsZSBub25j":         400, // 15 bytes
		"dGhlIHNhbXBsZSBub25jZWU=":     400, // 17 bytes, and 24 digits
		"dGhlIHNhbXBsZSBub25jZQ":       400, // no padding
		"dGhlIHNhbXBsZSBub25jZQ=":      400,
		"dGhlIHNhbXBsZSBub25jZQ===":    400,
		"dGhlIHNhbXBsZSBub25jZQ== x":   400,
		"dGhlIHNhbXBsZSBub25jZQ==, a":  400,
		"dGhlIHNhbXBsZSBub25jZ===":     400,
		"-A-A-A-A-A-A-A-A-A-A-A==":     400, // base64url
		"_A_A_A_A_A_A_A_A_A_A_A==":     400,
		"dGhlIHNhbXBsZ SBub25jZ==":     400,
		"dGhlIHNhbXBsZSBub25j=Q==":     400,
		"dGhlIHNhbXBsZSBub25jZ\xe9==":  400,
		"\"dGhlIHNhbXBsZSBub25jZQ==\"": 400,
		"dGhlIHNhbXBsZSBub25jZWUgYWFh": 400, // 18 bytes, and 24 digits
	} {
		expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Key", "Sec-WebSocket-Key: "+value).String(), want)
	}
	expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Key").String(), 400)
	// H10: the last of two would win in gobwas.
	for _, second := range []string{good, "AAAAAAAAAAAAAAAAAAAAAA==", ""} {
		expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Key", "Sec-WebSocket-Key: "+good, "sec-websocket-key: "+second).String(), 400)
	}
}

// H13; RFC 6455, 4.1 knows no body: one that has any is refused.
func TestUpgradeWithBody(t *testing.T) {
	u := anyOrigin(t)
	for fields, want := range map[string]int{
		"Content-Length: 0":                                101,
		"Content-Length: 00":                               101,
		"Content-Length: 1":                                400,
		"Content-Length: 5,5":                              400,
		"Content-Length: -0":                               400,
		"Content-Length: +5":                               400,
		"Content-Length: 18446744073709551616":             400,
		"Content-Length: 0\r\nContent-Length: 0":           400,
		"Transfer-Encoding: chunked":                       400,
		"Transfer-Encoding: identity":                      400,
		"Transfer-Encoding:":                               400,
		"Content-Length: 0\r\nTransfer-Encoding: chunked":  400,
		"Content-Length : 5":                               400,
		"Transfer-Encoding\t: chunked":                     400,
		"Expect: 100-continue":                             101, // H28; there is nothing to continue with
		"Expect: 100-continue\r\nContent-Length: 10":       400,
		"Expect: something-else":                           101,
		"Trailer: X":                                       101,
		"TE: trailers":                                     101,
		"X-Forwarded-For:":                                 101, // H18
		"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: a": 101,
	} {
		expect(t, u, Limits{}, append(goodRequest(), fields).String(), want)
	}
}

// H15: bytes behind the head are left alone, however many, and do not count
// against its limits.
func TestBytesAfterHead(t *testing.T) {
	u := anyOrigin(t)
	head := goodRequest().String()
	var h Head
	for _, after := range []string{"\x81", "\r\n", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\x00\n\r", strings.Repeat("\xff", 100_000)} {
		response, rest, _ := serve(u, &h, Limits{Bytes: len(head)}, []byte(head+after))
		if !strings.HasPrefix(response, "HTTP/1.1 101 ") || string(rest) != after {
			t.Errorf("%.20q: %q, rest %.20q", after, response, rest)
		}
	}
}

// H18, H20; RFC 6455, 9.1: offers of extensions, sane or not, change nothing on a
// server that has none.
func TestExtensionsDeclined(t *testing.T) {
	u := anyOrigin(t)
	plain := expect(t, u, Limits{}, goodRequest().String(), 101)
	for _, value := range []string{"permessage-deflate", "constructor", "__proto__", "", ",", ";;;", strings.Repeat(" ", 4096), strings.Repeat(",", 1000), "\"", "permessage-deflate; a=\"\\\"", "permessage-deflate; client_max_window_bits", "a;b=c,d;e=\"f\"", strings.Repeat("a,", 500), "a\\", "=", ";=;="} {
		in := append(goodRequest(), "Sec-WebSocket-Extensions: "+value, "Sec-WebSocket-Extensions: "+value[:min(len(value), 10)]).String()
		if response := expect(t, u, Limits{Bytes: 10_000}, in, 101); response != plain {
			t.Errorf("%.20q: %q", value, response)
		}
	}
}

// RFC 6455, 9.1: what the negotiation answers is what is sent and reported.
func TestExtensionsNegotiated(t *testing.T) {
	const answer = "permessage-deflate; server_no_context_takeover"
	u := newUpgrader(t, Config{Extensions: func(h *Head) (string, uint8) {
		if string(h.Get("Sec-WebSocket-Extensions")) == "" {
			return "", 0
		}
		return answer, 7
	}})
	var h Head
	if refusal := h.Parse([]byte(chromiumHead), Limits{}); refusal != nil {
		t.Fatal(refusal.Reason)
	}
	res, refusal := u.Check(&h)
	if refusal != nil || res.Extensions != answer || res.Agreed != 7 || res.Subprotocol != -1 {
		t.Fatalf("%+v, %v", res, refusal)
	}
	out, _ := u.Accept(nil, &h, res, nil)
	if !strings.Contains(string(out), "\r\nSec-WebSocket-Extensions: "+answer+"\r\n\r\n") {
		t.Fatalf("%q", out)
	}
	res.Extensions = "a\r\nX: y"
	if out, refusal := u.Accept([]byte("kept"), &h, res, nil); refusal != refuseAnswer || string(out) != "kept" {
		t.Fatalf("%q", out)
	}
}

// H19; RFC 6455, 4.2.2 (5.): the server's own name for the client's first choice
// that it has, or no field at all.
func TestSubprotocol(t *testing.T) {
	u := anyOrigin(t)
	for value, want := range map[string]string{
		"chat, superchat":                  "chat",
		"superchat, chat":                  "superchat",
		"x, y,chat":                        "chat",
		",,\tsuperchat ,":                  "superchat",
		"chat, chat":                       "chat",
		"chat\r\nX: y":                     "chat",
		"x\r\nSec-WebSocket-Protocol:chat": "chat",
		"x\r\nX: y":                        "",
		"chat%0d%0aX: y":                   "",
		"Chat":                             "", // "compared [...] in a case-sensitive manner": names are as registered
		"chat superchat":                   "",
		"\"chat\"":                         "",
		"\"a, chat, b\"":                   "",
		"chat, (x)":                        "",
		"chat\x80":                         "",
		"chat;q=1":                         "",
		"":                                 "",
		",":                                "",
		strings.Repeat("x,", 100):          "",
		strings.Repeat("x,", 100) + "chat": "chat",
	} {
		response := expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: "+value).String(), 101)
		_, fields, _ := strings.Cut(response, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
		wantFields := "\r\n"
		if want != "" {
			wantFields = "Sec-WebSocket-Protocol: " + want + "\r\n\r\n"
		}
		if fields != wantFields {
			t.Errorf("%.40q: %q, want %q", value, fields, want)
		}
	}
	expect(t, u, Limits{}, goodRequest().with("Sec-WebSocket-Protocol").String(), 101)
	if none := expect(t, newUpgrader(t, Config{Origins: Origins{Any: true}}), Limits{}, goodRequest().String(), 101); strings.Contains(none, "Protocol:") {
		t.Errorf("a server without subprotocols chose one: %q", none)
	}
}

// A configuration with a name that could not be sent is refused at the start.
func TestNewRefusesBadSubprotocols(t *testing.T) {
	for _, names := range [][]string{{""}, {"a b"}, {"a,b"}, {"a\r\nX: y"}, {"a", "a"}, {"\x80"}} {
		if _, err := New(Config{Subprotocols: names}); err == nil {
			t.Errorf("%q was accepted", names)
		}
	}
}

// The application's fields come in the 101, in order; what could split the
// response or speak for the handshake makes it a 500, and dst stays as it was.
func TestAcceptHeader(t *testing.T) {
	u := anyOrigin(t)
	var h Head
	h.Parse([]byte(goodRequest().String()), Limits{})
	res, refusal := u.Check(&h)
	if refusal != nil {
		t.Fatal(refusal.Reason)
	}
	out, _ := u.Accept([]byte("kept"), &h, res, http.Header{"Set-Cookie": {"a=1", "b=2"}, "Server": {"roost"}})
	want := "kept" + expect(t, u, Limits{}, goodRequest().String(), 101)
	want = strings.TrimSuffix(want, "\r\n") + "Server: roost\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n"
	if string(out) != want {
		t.Fatalf("%q", out)
	}
	for _, header := range []http.Header{
		{"X": {"a\r\nY: b"}}, {"X": {"a\nb"}}, {"X": {"a\rb"}}, {"X": {"a\x00"}}, {"X": {"ok", "\x7f"}},
		{"X Y": {"a"}}, {"": {"a"}}, {"X:": {"a"}}, {"X\r\nY": {"a"}},
		{"Connection": {"close"}}, {"Upgrade": {"h2c"}}, {"content-length": {"1"}}, {"Transfer-Encoding": {"chunked"}},
		{"Sec-WebSocket-Protocol": {"chat"}}, {"sec-websocket-extensions": {"permessage-deflate"}}, {"Sec-Websocket-Accept": {"x"}},
	} {
		if out, refusal := u.Accept([]byte("kept"), &h, res, header); refusal != refuseAnswer || string(out) != "kept" {
			t.Errorf("%q: %q", header, out)
		}
	}
}
