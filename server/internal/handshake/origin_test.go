package handshake

import (
	"strings"
	"testing"
)

// fromOrigin is a request for wss://host/ with the Origin lines given.
func fromOrigin(host string, origins ...string) string {
	r := goodRequest().with("Host", "Host: "+host).with("Origin")
	for _, o := range origins {
		r = append(r, "Origin: "+o)
	}
	return r.String()
}

// H21; RFC 6455, 10.2 and RFC 6454: what is not an origin, under every policy
// that compares.
var notOrigins = []string{
	"", "null", "NULL", "*", "://", "https://", "https:", "//app.example.com", "app.example.com", "https:app.example.com",
	"https://app.example.com/", "https://app.example.com/path", "https://app.example.com?q", "https://app.example.com#f",
	"https://app.example.com@evil.example", "https://user@app.example.com", "https://user:pw@app.example.com",
	"https://app.example.com, https://app.example.com", "https://app.example.com https://app.example.com",
	"https://app.example.com:", "https://app.example.com:x", "https://app.example.com:443:443", "https://app.example.com:99999",
	"https://app.example.com\\.evil.example", "https://app.example.com%2eevil.example", "https://app.example.com%00.evil.example",
	"https://\xd0\xb0pp.example.com", "https://app.example.com\xe3\x80\x82evil.example", "https ://app.example.com",
	"https:///app.example.com", "https:\\\\app.example.com", "1https://app.example.com", "file://", "file:///", "data:text/html,x", "javascript://app.example.com/%0a",
}

// H21: the zero value asks for the origin's host and port in Host, whatever the
// scheme; a proxy may have ended the TLS.
func TestOriginsSameOrigin(t *testing.T) {
	u := newUpgrader(t, Config{})
	for _, row := range []struct {
		host, origin string
		want         int
	}{
		{"app.example.com", "https://app.example.com", 101},
		{"app.example.com", "http://app.example.com", 101},
		{"APP.example.com", "HTTPS://app.EXAMPLE.com", 101},
		{"app.example.com", "https://app.example.com:443", 101},
		{"app.example.com:443", "https://app.example.com", 101},
		{"app.example.com:80", "http://app.example.com", 101},
		{"app.example.com:", "http://app.example.com", 101},
		{"app.example.com:6001", "http://app.example.com:6001", 101},
		{"[::1]:6001", "http://[::1]:6001", 101},
		{"127.0.0.1:6001", "http://127.0.0.1:6001", 101},
		{"app.example.com.", "https://app.example.com.", 101},
		{"app.example.com", "https://app.example.com:80", 403},
		{"app.example.com:443", "http://app.example.com", 403},
		{"app.example.com:80", "https://app.example.com", 403},
		{"app.example.com:6001", "http://app.example.com", 403},
		{"app.example.com", "http://app.example.com:6001", 403},
		{"app.example.com:6001", "http://app.example.com:6002", 403},
		{"app.example.com", "https://app.example.com.", 403},
		{"app.example.com.", "https://app.example.com", 403},
		{"app.example.com", "https://app.example.com.evil.example", 403},
		{"app.example.com", "https://evilapp.example.com", 403},
		{"app.example.com", "https://example.com", 403},
		{"example.com", "https://app.example.com", 403},
		{"app.example.com", "https://app-example.com", 403},
		{"127.0.0.1:6001", "http://localhost:6001", 403},
		{"app.example.com", "ftp://app.example.com", 403},
		{"app.example.com", "chrome-extension://app.example.com", 403},
		{"app.example.com", "file://app.example.com", 403},
	} {
		expect(t, u, Limits{}, fromOrigin(row.host, row.origin), row.want)
	}
	for _, o := range notOrigins {
		expect(t, u, Limits{}, fromOrigin("app.example.com", o), 403)
	}
	// An absolute-form's authority is what the request is for (RFC 9112, 3.2.2).
	absolute := goodRequest().with("GET", "GET http://example.com/chat HTTP/1.1").String()
	expect(t, u, Limits{}, absolute, 101)
	expect(t, u, Limits{}, goodRequest().with("GET", "GET http://evil/chat HTTP/1.1").with("Host", "Host: example.com").String(), 403)
}

// H21: a list means its entries, to the scheme and the port.
func TestOriginsAllow(t *testing.T) {
	u := newUpgrader(t, Config{Origins: Origins{Allow: []string{
		"https://app.example.com", "http://dev.example.com:8080", "capacitor://localhost",
	}}})
	for o, want := range map[string]int{
		"https://app.example.com":            101,
		"HTTPS://APP.EXAMPLE.COM":            101,
		"https://app.example.com:443":        101,
		"http://dev.example.com:8080":        101,
		"capacitor://localhost":              101,
		"http://app.example.com":             403,
		"https://app.example.com:444":        403,
		"https://app.example.com:80":         403,
		"https://app.example.com:0443":       403,
		"https://app.example.com.evil":       403,
		"https://app.example.com.":           403,
		"https://evilapp.example.com":        403,
		"https://sub.app.example.com":        403,
		"https://example.com":                403,
		"https://app.example.co":             403,
		"https://xn--pp-7kc.example.com":     403,
		"wss://app.example.com":              403,
		"http://dev.example.com":             403,
		"capacitor://localhost:1":            403,
		"ionic://localhost":                  403,
		"https://server.example.com":         403, // the same origin is not in the list
		"https://app.example.com.example.co": 403,
	} {
		expect(t, u, Limits{}, fromOrigin("server.example.com", o), want)
	}
	for _, o := range notOrigins {
		expect(t, u, Limits{}, fromOrigin("app.example.com", o), 403)
	}
	empty := newUpgrader(t, Config{Origins: Origins{Allow: []string{}}})
	expect(t, empty, Limits{}, fromOrigin("a", "http://a"), 403)
	expect(t, empty, Limits{}, fromOrigin("a"), 101)
}

// H21: a wildcard stands for one or more labels, left of a dot.
func TestOriginsWildcard(t *testing.T) {
	u := newUpgrader(t, Config{Origins: Origins{Allow: []string{"https://*.example.com", "http://*.example.com:8080"}}})
	for o, want := range map[string]int{
		"https://app.example.com":          101,
		"https://a.b.example.com":          101,
		"https://A.EXAMPLE.com":            101,
		"https://app.example.com:443":      101,
		"http://app.example.com:8080":      101,
		"https://example.com":              403,
		"https://.example.com":             403,
		"https://..example.com":            403,
		"https://a..example.com":           403,
		"https://.a.example.com":           403,
		"https://evilexample.com":          403,
		"https://app.example.com.evil":     403,
		"https://app.example.com.":         403,
		"https://evil/.example.com":        403,
		"https://evil?.example.com":        403,
		"https://evil#.example.com":        403,
		"https://evil:80.example.com":      403,
		"https://evil@app.example.com":     403,
		"https://evil\\.example.com":       403,
		"https://*.example.com":            403,
		"http://app.example.com":           403,
		"https://app.example.com:444":      403,
		"http://app.example.com:80":        403,
		"https://[::1].example.com":        403,
		"https://evil\xc0\xae.example.com": 403,
	} {
		expect(t, u, Limits{}, fromOrigin("server.example.com", o), want)
	}
	for _, o := range notOrigins {
		if !strings.HasPrefix(o, "https://user") {
			expect(t, u, Limits{}, fromOrigin("app.example.com", o), 403)
		}
	}
}

// H21, RFC 6454, 7.3: "the user agent [...] MUST NOT include more than one
// Origin header field". Two are refused, even alike, even where any is welcome.
func TestTwoOrigins(t *testing.T) {
	for _, origins := range []Origins{{}, {Any: true}, {Allow: []string{"https://a"}}, {Check: func(_, _ string) bool { return true }}} {
		u := newUpgrader(t, Config{Origins: origins})
		expect(t, u, Limits{}, fromOrigin("a", "https://a", "https://a"), 400)
		expect(t, u, Limits{}, fromOrigin("a", "https://a", "https://b"), 400)
		expect(t, u, Limits{}, fromOrigin("a", "", "https://a"), 400)
	}
}

// H21: who is no browser sends no Origin and is served; an empty one is not none.
func TestAbsentOrigin(t *testing.T) {
	for _, origins := range []Origins{{}, {Any: true}, {Allow: []string{"https://a"}}} {
		expect(t, newUpgrader(t, Config{Origins: origins}), Limits{}, fromOrigin("a"), 101)
	}
	expect(t, newUpgrader(t, Config{}), Limits{}, fromOrigin("a", ""), 403)
}

// Any and Check decide alone; Check is asked about absent origins too.
func TestOriginsAnyAndCheck(t *testing.T) {
	any := newUpgrader(t, Config{Origins: Origins{Any: true, Allow: []string{"https://a"}}})
	for _, o := range notOrigins {
		expect(t, any, Limits{}, fromOrigin("b", o), 101)
	}
	var asked []string
	answer := false
	check := newUpgrader(t, Config{Origins: Origins{
		Allow: []string{"https://a"},
		Check: func(origin, host string) bool {
			asked = append(asked, origin+" "+host)
			return answer
		},
	}})
	var h Head
	for _, origins := range [][]string{{"https://a"}, {"null"}, nil} {
		for _, answer = range []bool{false, true} {
			want := 403
			if answer {
				want = 101
			}
			if got, _ := verdict(check, &h, Limits{}, []byte(fromOrigin("a:1", origins...))); got != want {
				t.Errorf("%q: got %d, want %d", origins, got, want)
			}
		}
	}
	if got := strings.Join(asked, "; "); got != "https://a a:1; https://a a:1; null a:1; null a:1;  a:1;  a:1" {
		t.Errorf("asked %q", got)
	}
}

// A pattern that could never match, or match too much, is refused at the start.
func TestNewRefusesBadOrigins(t *testing.T) {
	for _, pattern := range []string{
		"", "*", "null", "example.com", "https://", "https://*", "https://*.", "*://example.com", "https://*example.com",
		"https://*.*.example.com", "https://app.*.com", "https://example.*", "https://example.com/", "https://example.com/*",
		"https://example.com:*", "https://example.com:", "https://user@example.com", "https://b\u00fccher.example",
		"https://*.[::1]", "https://example.com:70000", " https://example.com", "https://*.example.com https://a",
	} {
		if _, err := New(Config{Origins: Origins{Allow: []string{pattern}}}); err == nil {
			t.Errorf("%q was accepted", pattern)
		}
	}
}
