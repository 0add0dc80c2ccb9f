package main

import (
	"strings"
	"testing"
)

// The page at / in a browser: it connects, an event sent with its form and one
// published by a backend arrive, and it fits a phone.
func TestPage(t *testing.T) {
	p := startServe(t, "--demo")
	b := chromium(t)
	page := b.open(t, "http://"+p.addr+"/")
	page.wait(t, `document.getElementById('state').textContent === 'connected'`)
	// A subscription is confirmed by a chip that is not pending any more.
	page.wait(t, `document.querySelector('.chip:not(.pending)') !== null`)
	page.do(t, map[string]any{"do": "fill", "selector": "#data", "text": `{"home": "<b>2</b>", "away": 1}`})
	page.do(t, map[string]any{"do": "click", "selector": "#send"})
	page.wait(t, `document.querySelectorAll('#events li').length === 1`)
	publishFromGo(t, p)([]string{"demo"}, "goal", map[string]any{"minute": 90}, "")
	page.wait(t, `document.querySelectorAll('#events li').length === 2`)

	var text string
	page.eval(t, `document.getElementById('events').innerText`, &text)
	for _, want := range []string{"goal", "hello", "on demo", `{"minute":90}`, `{"home": "<b>2</b>", "away": 1}`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page shows %q, without %q", text, want)
		}
	}
	page.quiet(t)

	phone := b.open(t, "http://"+p.addr+"/", 360, 740)
	phone.wait(t, `document.getElementById('state').textContent === 'connected'`)
	phone.fits(t)
	look(t, map[string]*tab{"page": page, "phone": phone})
	phone.quiet(t)
}

// Without --demo a page cannot publish.
func TestPageWithoutDemo(t *testing.T) {
	p := startServe(t)
	page := chromium(t).open(t, "http://"+p.addr+"/")
	var status int
	page.eval(t, `fetch('/demo/events', {
		method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{"name": "hello", "data": "x"}',
	}).then((answer) => answer.status)`, &status)
	if status != 404 {
		t.Errorf("POST /demo/events: %d, want 404", status)
	}
}

// The page names the console only where a browser on the server's own machine
// would find it.
func TestConsoleURL(t *testing.T) {
	for admin, want := range map[string]string{
		"127.0.0.1:9601": "http://127.0.0.1:9601/", "localhost:9601": "http://localhost:9601/", "[::1]:80": "http://[::1]:80/",
		"off": "", ":9601": "", "0.0.0.0:9601": "", "10.0.0.1:9601": "", "admin.example:9601": "", "127.0.0.1:0": "", "unix:/run/admin": "",
	} {
		var a optionalAddress
		if err := a.UnmarshalText([]byte(admin)); err != nil {
			t.Fatal(err)
		}
		if got := consoleURL(a); got != want {
			t.Errorf("%s: %q, want %q", admin, got, want)
		}
	}
}
