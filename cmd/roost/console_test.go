package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shots is where screenshots go: a folder to look at them, if one was named.
func shots(t *testing.T) string {
	if dir := os.Getenv("ROOST_SHOTS"); dir != "" {
		return dir
	}
	return t.TempDir()
}

// openAs opens a page of a width and a colour scheme.
func (b *browser) openAs(t *testing.T, url string, width, height int, scheme string) *tab {
	t.Helper()
	return b.load(t, map[string]any{"url": url, "width": width, "height": height, "colorScheme": scheme})
}

// fits fails the test when the page is wider than its window.
func (p *tab) fits(t *testing.T) {
	t.Helper()
	var overflow int
	p.eval(t, `document.documentElement.scrollWidth - window.innerWidth`, &overflow)
	if overflow > 0 {
		t.Errorf("the page is %d pixels wider than its window", overflow)
	}
}

// The console in a browser: it counts, shows events as they are published and
// what they say as text, sends one, and says why connections ended; as wide as a
// screen and as a phone, light and dark.
func TestConsole(t *testing.T) {
	p := startServe(t)
	b := chromium(t)
	desk := b.openAs(t, "http://"+p.admin+"/", 1280, 800, "light")
	desk.wait(t, `document.getElementById('state').textContent === 'live'`)
	desk.wait(t, `document.querySelector('#apps td').textContent === '`+appID+`'`)
	desk.wait(t, `stream?.readyState === EventSource.OPEN`)

	c := dialApp(t, p, appKey)
	c.hears()
	c.says(`{"event":"pusher:subscribe","data":{"channel":"news"}}`)
	desk.wait(t, `document.querySelector('#stats dd').firstChild.textContent === '1'`)
	desk.wait(t, `document.querySelector('#channels span').textContent === 'news'`)
	const hostile = `<img src=x onerror="window.harm=1"><script>window.harm=1</script>`
	publishFromGo(t, p)([]string{"news"}, "goal", map[string]any{"text": hostile}, "")
	desk.wait(t, `document.querySelector('#feed .event b')?.textContent === 'goal'`)
	if got := c.hears(); !strings.Contains(got, "goal") {
		t.Errorf("the client got %s", got)
	}

	desk.do(t, map[string]any{"do": "fill", "selector": "#channel", "text": "news"})
	desk.do(t, map[string]any{"do": "fill", "selector": "#event", "text": hostile})
	desk.do(t, map[string]any{"do": "fill", "selector": "#data", "text": hostile})
	desk.do(t, map[string]any{"do": "click", "selector": "#send"})
	if got := c.hears(); !strings.Contains(got, "window.harm") {
		t.Errorf("the client got %s", got)
	}
	desk.wait(t, `document.querySelectorAll('#feed .event').length === 2`)
	desk.do(t, map[string]any{"do": "fill", "selector": "#channel", "text": "a b"})
	desk.do(t, map[string]any{"do": "click", "selector": "#send"})
	desk.wait(t, `document.getElementById('problem').textContent.includes('a b')`)

	desk.do(t, map[string]any{"do": "click", "selector": "#all"})
	desk.wait(t, `stream?.readyState === EventSource.OPEN && stream.url.endsWith('&all')`)
	// What a client says at its end is hostile, too.
	c.conn.WriteControl(8, append([]byte{0x0f, 0xa0}, "<img src=x onerror=window.harm=1>"...), time.Now().Add(patience))
	desk.wait(t, `document.querySelector('#recent .why')?.textContent.includes('<img')`)
	desk.wait(t, `document.querySelector('#endings li').textContent.includes('4000')`)
	desk.wait(t, `[...document.querySelectorAll('#feed .disconnected')].some((row) => !row.hidden)`)
	desk.do(t, map[string]any{"do": "fill", "selector": "#filter", "text": "goal"})
	desk.wait(t, `[...document.querySelectorAll('#feed li')].filter((row) => !row.hidden).length === 1`)
	var harm bool
	desk.eval(t, `window.harm !== undefined || document.querySelectorAll('img').length > 0`, &harm)
	if harm {
		t.Error("what somebody published became HTML")
	}

	dir := shots(t)
	for _, view := range []struct {
		name          string
		width, height int
		scheme        string
	}{{"desk-dark", 1280, 800, "dark"}, {"phone-light", 360, 740, "light"}, {"phone-dark", 360, 740, "dark"}} {
		page := b.openAs(t, "http://"+p.admin+"/", view.width, view.height, view.scheme)
		page.wait(t, `document.querySelectorAll('#apps tr').length === 1`)
		page.fits(t)
		page.do(t, map[string]any{"do": "shot", "path": filepath.Join(dir, "console-"+view.name+".png")})
		page.quiet(t)
	}
	desk.do(t, map[string]any{"do": "shot", "path": filepath.Join(dir, "console-desk-light.png")})
	desk.fits(t)
	desk.quiet(t)
}

// A feed that nobody has open any more is nobody's: its place is free again,
// and an app that nobody watches is not looked at.
func TestConsolePause(t *testing.T) {
	p := startServe(t)
	page := chromium(t).open(t, "http://"+p.admin+"/")
	page.wait(t, `stream?.readyState === EventSource.OPEN`)
	page.do(t, map[string]any{"do": "click", "selector": "#pause"})
	page.wait(t, `stream === null`)
	publishFromGo(t, p)([]string{"news"}, "unseen", "x", "")
	page.do(t, map[string]any{"do": "click", "selector": "#pause"})
	page.wait(t, `stream?.readyState === EventSource.OPEN`)
	publishFromGo(t, p)([]string{"news"}, "seen", "x", "")
	page.wait(t, `document.querySelector('#feed b')?.textContent === 'seen'`)
	var rows int
	page.eval(t, `document.querySelectorAll('#feed li').length`, &rows)
	if rows != 1 {
		t.Errorf("%d rows, want 1", rows)
	}
	page.quiet(t)
}
