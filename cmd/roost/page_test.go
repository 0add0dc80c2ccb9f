package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The page at / in a browser: it connects, an event sent with its form and one
// published by a backend arrive, and it fits a phone.
func TestPage(t *testing.T) {
	p := startServe(t)
	b := chromium(t)
	page := b.open(t, "http://"+p.addr+"/")
	page.wait(t, `document.getElementById('state').textContent === 'connected'`)
	page.do(t, map[string]any{"do": "fill", "selector": "#channel", "text": "sport"})
	page.do(t, map[string]any{"do": "fill", "selector": "#data", "text": `{"home": "<b>2</b>", "away": 1}`})
	page.do(t, map[string]any{"do": "click", "selector": "button"})
	page.wait(t, `document.querySelectorAll('#events li').length === 1`)
	publishFromGo(t, p)([]string{"sport"}, "goal", map[string]any{"minute": 90}, "")
	page.wait(t, `document.querySelectorAll('#events li').length === 2`)

	var text string
	page.eval(t, `document.getElementById('events').innerText`, &text)
	for _, want := range []string{"goal", "hello", "sport", `{"minute":90}`, `{"home": "<b>2</b>", "away": 1}`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page shows %q, without %q", text, want)
		}
	}
	shots := os.Getenv("ROOST_SHOTS") // a folder to look at them
	if shots == "" {
		shots = t.TempDir()
	}
	page.do(t, map[string]any{"do": "shot", "path": filepath.Join(shots, "page.png")})
	page.quiet(t)

	phone := b.open(t, "http://"+p.addr+"/", 360, 740)
	phone.wait(t, `document.getElementById('state').textContent === 'connected'`)
	var overflow int
	phone.eval(t, `document.documentElement.scrollWidth - window.innerWidth`, &overflow)
	if overflow > 0 {
		t.Errorf("the page is %d pixels wider than a phone", overflow)
	}
	phone.do(t, map[string]any{"do": "shot", "path": filepath.Join(shots, "phone.png")})
	phone.quiet(t)
}

// The page's form is for a browser on this machine that shows the page itself;
// each row breaks one part of that.
func TestPageSendRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(r *http.Request)
		want   bool
	}{
		{"the page itself", func(*http.Request) {}, true},
		{"by IPv6", func(r *http.Request) {
			r.RemoteAddr, r.Host = "[::1]:5", "[::1]:6001"
			r.Header.Set("Origin", "http://[::1]:6001")
		}, true},
		{"from another machine", func(r *http.Request) { r.RemoteAddr = "192.0.2.7:5" }, false},
		{"through a proxy", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.7") }, false},
		{"a name made to point here", func(r *http.Request) {
			r.Host = "evil.example:6001"
			r.Header.Set("Origin", "http://evil.example:6001")
		}, false},
		{"a page of somebody else's", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, false},
		{"no origin", func(r *http.Request) { r.Header.Del("Origin") }, false},
		{"a form of somebody else's", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, false},
	} {
		r := httptest.NewRequest("POST", "/send", nil)
		r.RemoteAddr, r.Host = "127.0.0.1:5", "localhost:6001"
		r.Header.Set("Origin", "http://localhost:6001")
		r.Header.Set("Content-Type", "application/json")
		row.change(r)
		if got := local(r) && sameOrigin(r); got != row.want {
			t.Errorf("%s: allowed %v, want %v", row.name, got, row.want)
		}
	}
}
