package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Two people chat: they see each other come, type, speak and leave; what one
// says is text to the other.
func TestDemoChat(t *testing.T) {
	p := startServe(t, "--demo")
	b := chromium(t)
	join := func(name string, width int, scheme string) *tab {
		page := b.openAs(t, "http://"+p.addr+"/demo/chat", width, 740, scheme)
		page.do(t, map[string]any{"do": "fill", "selector": "#name", "text": name})
		page.do(t, map[string]any{"do": "click", "selector": "#join button"})
		page.wait(t, `!document.getElementById('room').hidden`)
		return page
	}
	ada := join("Ada", 1100, "light")
	bob := join("Bob <b>", 360, "dark")
	ada.wait(t, `[...document.querySelectorAll('#members li')].map((m) => m.textContent).sort().join() === 'Ada (you),Bob <b>'`)
	bob.wait(t, `document.querySelectorAll('#members li').length === 2`)
	// It is shown for a moment, which a look at each frame can miss.
	ada.eval(t, `void (window.shown = [], new MutationObserver(() => {
		window.shown.push(document.getElementById('typing').textContent);
	}).observe(document.getElementById('typing'), { childList: true }))`, nil)
	bob.do(t, map[string]any{"do": "fill", "selector": "#text", "text": "<img src=x onerror=window.harm=1>"})
	ada.wait(t, `window.shown.some((text) => text.startsWith('Bob <b> is typing'))`)
	bob.do(t, map[string]any{"do": "click", "selector": "#say button"})
	ada.wait(t, `[...document.querySelectorAll('#messages li')].at(-1).textContent === 'Bob <b><img src=x onerror=window.harm=1>'`)
	bob.wait(t, `[...document.querySelectorAll('#messages li')].at(-1).textContent.endsWith('harm=1>')`) // one's own
	ada.do(t, map[string]any{"do": "fill", "selector": "#text", "text": "hello Bob"})
	ada.do(t, map[string]any{"do": "click", "selector": "#say button"})
	bob.wait(t, `[...document.querySelectorAll('#messages li')].at(-1).textContent === 'Adahello Bob'`)
	var harm bool
	ada.eval(t, `window.harm !== undefined || document.querySelectorAll('img').length > 0`, &harm)
	if harm {
		t.Error("what somebody said became HTML")
	}
	bob.fits(t)
	look(t, map[string]*tab{"chat-desk-light": ada, "chat-phone-dark": bob})
	bob.eval(t, `void location.replace('about:blank')`, nil)
	ada.wait(t, `[...document.querySelectorAll('#messages li')].at(-1).textContent === 'Bob <b> left' && document.querySelectorAll('#members li').length === 1`)
	ada.quiet(t)
}

// look takes a screenshot of each page.
func look(t *testing.T, pages map[string]*tab) {
	t.Helper()
	dir := shots(t)
	for name, page := range pages {
		page.do(t, map[string]any{"do": "shot", "path": filepath.Join(dir, name+".png")})
	}
}

// A goal that one page's button scores is seen by the other, and by who comes
// later; prices change by themselves.
func TestDemoBoard(t *testing.T) {
	p := startServe(t, "--demo")
	b := chromium(t)
	url := "http://" + p.addr + "/demo/board"
	first, second := b.openAs(t, url, 1100, 800, "light"), b.openAs(t, url, 360, 740, "dark")
	for _, page := range []*tab{first, second} {
		page.wait(t, `pusher.channel('cache-score').subscribed`)
	}
	first.do(t, map[string]any{"do": "click", "selector": "button[data-goal=home]"})
	second.wait(t, `document.getElementById('home').textContent === '1'`)
	second.do(t, map[string]any{"do": "click", "selector": "button[data-goal=home]"})
	second.do(t, map[string]any{"do": "click", "selector": "button[data-goal=away]"})
	const want = `document.getElementById('home').textContent + document.getElementById('away').textContent === '21'`
	first.wait(t, want)
	late := b.open(t, url)
	late.wait(t, want)
	first.wait(t, `Number(document.getElementById('ticks').textContent) > 1 && document.querySelectorAll('#prices li').length > 3`)
	late.wait(t, `Number(document.getElementById('ticks').textContent) > 0`)
	second.fits(t)
	look(t, map[string]*tab{"board-desk-light": first, "board-phone-dark": second})
	first.do(t, map[string]any{"do": "click", "selector": "button[data-goal='']"})
	late.wait(t, `document.getElementById('home').textContent === '0'`)
	for _, page := range []*tab{first, second, late} {
		page.quiet(t)
	}
}

// What one draws appears at the other's, with a cursor that has a name; who comes
// later has the board as it is; moving without a pause meets no limit; who may not
// enter is told why.
func TestDemoWhiteboard(t *testing.T) {
	p := startServe(t, "--demo")
	b := chromium(t)
	url := "http://" + p.addr + "/demo/whiteboard"
	const ready = `channel.subscribed`
	first, second := b.openAs(t, url, 1100, 800, "light"), b.openAs(t, url, 360, 740, "dark")
	for _, page := range []*tab{first, second} {
		page.eval(t, `void channel.pusher.connection.bind('error', (e) => { window.refused = JSON.stringify(e); })`, nil)
		page.wait(t, ready+` && document.getElementById('count').textContent === '2'`)
	}
	// A line in waves over the whole board, in as many moves as a mouse makes in two seconds.
	first.eval(t, `(async () => {
		const box = canvas.getBoundingClientRect();
		const at = (i) => ({ pointerId: 1, bubbles: true, clientX: box.left + box.width * (0.1 + 0.8 * i / 120), clientY: box.top + box.height * (0.5 + 0.3 * Math.sin(i / 12)) });
		canvas.setPointerCapture = null; // there is no such pointer
		canvas.dispatchEvent(new PointerEvent('pointerdown', at(0)));
		for (let i = 1; i <= 120; i++) {
			canvas.dispatchEvent(new PointerEvent('pointermove', at(i)));
			await new Promise((done) => setTimeout(done, 16));
		}
		canvas.dispatchEvent(new PointerEvent('pointerup', at(120)));
	})()`, nil)
	const drawn = `(() => {
		const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
		let n = 0;
		for (let i = 3; i < data.length; i += 4) if (data[i] > 0) n++;
		return n;
	})()`
	var pixels int
	first.eval(t, drawn, &pixels)
	if pixels < 5000 {
		t.Fatalf("%d pixels of the first board are drawn on", pixels)
	}
	same := fmt.Sprintf(`Math.abs(%s - %d) < %d`, drawn, pixels, pixels/50)
	second.wait(t, same)
	second.wait(t, `[...document.querySelectorAll('.cursor')].some((c) => c.textContent.length > 2 && Math.abs(parseFloat(c.style.left) - 90) < 2)`)
	late := b.open(t, url)
	late.wait(t, ready)
	late.wait(t, same)
	look(t, map[string]*tab{"whiteboard-desk-light": first, "whiteboard-phone-dark": second})
	second.fits(t)
	second.do(t, map[string]any{"do": "click", "selector": "#clear"})
	for _, page := range []*tab{first, second, late} {
		page.wait(t, drawn+` === 0`)
		page.wait(t, `window.refused === undefined`)
		page.quiet(t)
	}
	late.eval(t, `{
		channel.pusher.config.channelAuthorizer = (_, answer) => answer(new Error('too many'), null);
		channel.pusher.disconnect();
		channel.pusher.connect();
	}`, nil)
	late.wait(t, `document.getElementById('problem').textContent === 'too many'`)
}

// The list of demos leads to each of them, and the server's page to them and the console.
func TestDemoLinks(t *testing.T) {
	p := startServe(t, "--demo")
	b := chromium(t)
	page := b.openAs(t, "http://"+p.addr+"/demo/", 360, 740, "light")
	page.fits(t)
	look(t, map[string]*tab{"demos-phone-light": page})
	var links []string
	page.eval(t, `[...document.links].map((link) => link.href)`, &links)
	var more []string
	b.open(t, "http://"+p.addr+"/").eval(t, `[...document.querySelectorAll('#links:not([hidden]) > a')].map((link) => link.href)`, &more)
	if len(links) < 4 || len(more) != 3 {
		t.Fatalf("links %v, %v", links, more)
	}
	for _, link := range append(links, more...) {
		if status, _ := get(t, link); status != http.StatusOK {
			t.Errorf("GET %s: %d", link, status)
		}
	}
}

// Nobody gets more of pusher-js than its authors have published, and its licence with it.
func TestDemoPusherJS(t *testing.T) {
	const dist = clientsDir + "/node_modules/pusher-js/"
	for ours, theirs := range map[string]string{"pusher.min.js": "dist/web/pusher.min.js", "pusher.LICENCE.txt": "LICENCE"} {
		want, err := os.ReadFile(dist + theirs)
		if err != nil {
			missing(t, "pusher-js")
		}
		got, err := os.ReadFile("../../server/push/demo/web/" + ours)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not pusher-js's %s: %v", ours, theirs, err)
		}
	}
}

// The demos' app survives a reload of the others, with its connections; without
// --demo there is none.
func TestDemoSurvivesReload(t *testing.T) {
	path := write(t, "roost.toml", "[server]\ndemo = true\n"+appText("1", "one"))
	p := start(t, []string{"ROOST_CONFIG=" + path}, "serve", "--listen", "127.0.0.1:0", "--admin", "off")
	c := dialApp(t, p, "roost-demo")
	if got := c.hears(); !strings.Contains(got, "connection_established") {
		t.Fatal(got)
	}
	hangUp(t, p, path, "[server]\ndemo = true\n"+appText("2", "two"), "reloaded")
	if got := c.says(`{"event":"pusher:ping","data":{}}`); !strings.Contains(got, "pong") {
		t.Errorf("after a reload: %s", got)
	}
	if got := dialApp(t, p, "roost-demo").hears(); !strings.Contains(got, "connection_established") {
		t.Errorf("a new connection after a reload: %s", got)
	}

	without := startServe(t)
	if got := dialApp(t, without, "roost-demo").hears(); !strings.Contains(got, "4001") {
		t.Errorf("without --demo: %s", got)
	}
	for _, path := range []string{"/demo/", "/demo/chat", "/demo/pusher.min.js"} {
		if status, _ := get(t, "http://"+without.addr+path); status != http.StatusNotFound {
			t.Errorf("GET %s without --demo: %d", path, status)
		}
	}
	resp, err := http.Post("http://"+without.addr+"/demo/auth", "application/x-www-form-urlencoded", strings.NewReader("socket_id=1.1&channel_name=presence-chat"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("POST /demo/auth without --demo: %s", resp.Status)
	}
}

// /up on the clients' port says whether new connections are welcome.
func TestUpOnClientsPort(t *testing.T) {
	p := startServe(t)
	if status, body := get(t, "http://"+p.addr+"/up"); status != http.StatusOK || body != "OK\n" {
		t.Errorf("GET /up: %d %q", status, body)
	}
	w := httptest.NewRecorder()
	(&site{draining: func() bool { return true }}).up(w, nil)
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "DRAINING\n" {
		t.Errorf("GET /up during a drain: %d %q", w.Code, w.Body)
	}
}
