package handshake

import (
	"strings"
	"testing"
)

// H11, H22; RFC 9112, 3.2: what a target is taken for.
func TestTarget(t *testing.T) {
	var h Head
	for _, row := range []struct {
		line                       string
		host, rawPath, path, query string
	}{
		{"GET /", "good", "/", "/", ""},
		{"GET /app/key?protocol=7", "good", "/app/key", "/app/key", "protocol=7"},
		{"GET /a?b?c", "good", "/a", "/a", "b?c"},
		{"GET /?", "good", "/", "/", ""},
		{"GET /a;b=c", "good", "/a;b=c", "/a;b=c", ""},
		{"GET /a/../b/./c//d", "good", "/a/../b/./c//d", "/a/../b/./c//d", ""},
		{"GET //", "good", "//", "//", ""}, // absolute-path = 1*( "/" segment ): segments may be empty
		{"GET //evil/a", "good", "//evil/a", "//evil/a", ""},
		{"GET /%2e%2E/%2f", "good", "/%2e%2E/%2f", "/..//", ""},
		{"GET /%252e", "good", "/%252e", "/%2e", ""},
		{"GET /%c0%af%ff", "good", "/%c0%af%ff", "/\xc0\xaf\xff", ""},
		{"GET /a%20b+c", "good", "/a%20b+c", "/a b+c", ""},
		{"GET /%0d%0aX:%20y", "good", "/%0d%0aX:%20y", "/\r\nX: y", ""},
		{"GET /%3f%23", "good", "/%3f%23", "/?#", ""},
		{"GET /a?%zz%00%", "good", "/a", "/a", "%zz%00%"},
		{"GET /[a]|{b}", "good", "/[a]|{b}", "/[a]|{b}", ""},
		{"GET http://evil/app/k", "evil", "/app/k", "/app/k", ""},
		{"GET http://evil:81/app/k?q", "evil:81", "/app/k", "/app/k", "q"},
		{"GET HTTPS://EVIL/", "EVIL", "/", "/", ""},
		{"GET ws://evil", "evil", "/", "/", ""},
		{"GET wss://[::1]:1?q://", "[::1]:1", "/", "/", "q://"},
		{"POST /apps/1/events?a=b", "good", "/apps/1/events", "/apps/1/events", "a=b"},
		{"OPTIONS *", "good", "*", "*", ""},
	} {
		in := row.line + " HTTP/1.1\r\nHost: good\r\n\r\n"
		if refusal := h.Parse([]byte(in), Limits{}); refusal != nil {
			t.Errorf("%s: %s", row.line, refusal.Reason)
			continue
		}
		method, target, _ := strings.Cut(row.line, " ")
		if string(h.Method) != method || string(h.Target) != target || string(h.Host) != row.host ||
			string(h.RawPath) != row.rawPath || string(h.Path) != row.path || string(h.RawQuery) != row.query {
			t.Errorf("%s: host %q, path %q and %q, query %q", row.line, h.Host, h.RawPath, h.Path, h.RawQuery)
		}
	}
}

// H11, H22; RFC 9112, 3.2 and RFC 3986, 2.1: targets that are none of ours.
func TestBadTarget(t *testing.T) {
	u := anyOrigin(t)
	for _, line := range []string{
		"GET /%zz", "GET /%4z", "GET /%z4", "GET /%", "GET /%4", "GET /a%4", "GET /%%41", "GET /%-1", "GET /% 41", "GET /%00", "GET /a%00b", "GET /%u0041",
		"GET /a#b", "GET /a?b#c", "GET #",
		"GET *", "GET *x", "OPTIONS **", "GET ?q", "GET app/k", "GET .", "GET :", "GET :80", "GET \\a", "GET %2f",
		"GET http:/a", "GET http:a", "GET http://", "GET http:///a", "GET http://:80/", "GET ://a/",
		"GET http://user@evil/", "GET http://user:pw@evil/", "GET http://e%76il/", "GET http://[::1/", "GET http://a:b/", "GET http://a:80:80/",
		"GET http://a\\b/", "GET http://a#b", "GET http://a/#b", "GET http://a?b#c", "GET http://a/%zz",
		"GET ftp://a/", "GET file:///etc/passwd", "GET javascript:alert(1)", "GET urn:a",
		"CONNECT good:80", "CONNECT /chat", "CONNECT *", "CONNECT http://good/",
	} {
		expect(t, u, Limits{}, goodRequest().with("GET", line+" HTTP/1.1").String(), 400)
	}
}
