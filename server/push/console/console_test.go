package console

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

const patience = 10 * time.Second

var (
	shop = push.App{ID: "1", Key: "shop", Secret: "the-secret-of-the-shop"}
	game = push.App{ID: "2", Key: "game", Secret: "the-secret-of-the-game"}
)

// start serves two apps and a console, and returns where clients connect.
func start(t *testing.T) (c *Console, addr net.Addr) {
	t.Helper()
	hub, err := push.New(push.Config{Apps: []push.App{shop, game}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := hub.NewServer(server.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	if addr, err = srv.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return New(Config{Server: srv, Hub: hub, Version: "1.2.3"}), addr
}

// ask makes a request as the console's page would, but for one change.
func ask(h http.Handler, method, target, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:9601"
	r.Header.Set("Origin", "http://localhost:9601")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The page runs its own script and style and nothing else; what clients and
// publishers say never becomes HTML.
func TestPage(t *testing.T) {
	c, _ := start(t)
	w := ask(c, "GET", "/", "", nil)
	html := w.Body.String()
	if w.Code != 200 || !strings.Contains(html, "roost console") {
		t.Fatalf("%d", w.Code)
	}
	got := w.Header().Get("Content-Security-Policy")
	if !regexp.MustCompile(`default-src 'none'.*frame-ancestors 'none'.*connect-src 'self'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'$`).MatchString(got) {
		t.Errorf("policy %q", got)
	}
	if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", w.Header())
	}
	if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(| style=| on[a-z]+="|(src|href)="https?:`).FindString(html); found != "" {
		t.Errorf("the page has %q", found)
	}
}

// A snapshot has what the page shows, of the app that was asked about, and no secret.
func TestState(t *testing.T) {
	c, addr := start(t)
	a, _ := pushtest.Connect(t, addr, "shop")
	a.Subscribe("news")
	pushtest.Connect(t, addr, "game")
	gone, id := pushtest.Connect(t, addr, "shop")
	gone.SendFrame(pushtest.Close, []byte{0x0f, 0xa0, 'b', 'y', 'e'})
	gone.ExpectClose(4000)
	gone.Drop()
	if err := c.config.Hub.Publish("1", push.Event{Channels: []string{"news"}, Name: push.Quote("e"), Data: push.Quote("x")}); err != nil {
		t.Fatal(err)
	}
	a.Next()

	var text string
	look := func() (s state) {
		t.Helper()
		w := ask(c, "GET", "/console/state?app=1", "", nil)
		text = w.Body.String()
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || w.Code != 200 {
			t.Fatalf("%d %v: %s", w.Code, err, text)
		}
		return s
	}
	var s state
	for end := time.Now().Add(patience); ; {
		if s = look(); s.Push.Connections == 2 && s.Endings[4000] == 1 && s.Push.Delivered == 1 && len(s.Channels) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the snapshot is %s", text)
		}
	}
	if s.Version != "1.2.3" || s.App != "1" || s.AllChannels != 1 || s.Channels[0] != (push.ChannelInfo{Name: "news", Subscriptions: 1}) {
		t.Errorf("of the app that was asked about: %s", text)
	}
	if len(s.Apps) != 2 || s.AllApps != 2 || s.Apps[0].ID != "1" || s.Apps[0].Published != 1 || s.Apps[1].ID != "2" {
		t.Errorf("apps: %+v", s.Apps)
	}
	if len(s.Recent) != 1 || s.Recent[0].SocketID != id || s.Recent[0].Why != "bye" || !s.Recent[0].Remote || s.Recent[0].Code != 4000 {
		t.Errorf("endings: %+v", s.Recent)
	}
	if strings.Contains(text, "secret") {
		t.Errorf("the snapshot has a secret: %s", text)
	}
	var first state
	w := ask(c, "GET", "/console/state?app=nobody", "", nil)
	if err := json.Unmarshal(w.Body.Bytes(), &first); err != nil || first.App != "1" {
		t.Errorf("asked about an app that is not there: %v, app %q", err, first.App)
	}
}

// To look for the largest channels takes a small part of the time, however many look.
func TestTopChannelsAreRemembered(t *testing.T) {
	c, addr := start(t)
	a, _ := pushtest.Connect(t, addr, "shop")
	a.Subscribe("one")
	now := time.Now()
	if _, all := c.tops.get(c.config.Hub, "1", now); all != 1 {
		t.Fatalf("%d channels", all)
	}
	a.Subscribe("two")
	if _, all := c.tops.get(c.config.Hub, "1", now.Add(time.Second/10)); all != 1 {
		t.Error("looked again at once")
	}
	if _, all := c.tops.get(c.config.Hub, "2", now.Add(time.Second/10)); all != 0 {
		t.Error("another app has this one's channels")
	}
	if _, all := c.tops.get(c.config.Hub, "1", now.Add(time.Hour)); all != 2 {
		t.Error("never looked again")
	}
}

// Each row breaks one thing.
func TestSend(t *testing.T) {
	c, addr := start(t)
	a, _ := pushtest.Connect(t, addr, "shop")
	a.Subscribe("news")
	event := func(app, channel, name, data string) string {
		text, err := json.Marshal(map[string]string{"App": app, "Channel": channel, "Name": name, "Data": data})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	good := event("1", "news", "hello", `{"a":1}`)
	for _, row := range []struct {
		what, body string
		change     func(*http.Request)
		want       int
	}{
		{"the page", good, nil, 204},
		{"a program", good, func(r *http.Request) { r.Header.Del("Origin"); r.Header.Del("Sec-Fetch-Site") }, 204},
		{"a form of another site", good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415},
		{"another site", good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"another port of this machine", good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		{"another site in an old browser", good, func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "http://evil.example")
		}, 403},
		{"nonsense", `[]`, nil, 400},
		{"an app that is not there", event("3", "news", "hello", "x"), nil, 404},
		{"a bad channel", event("1", "a b", "hello", "x"), nil, 400},
		{"a reserved name", event("1", "news", "pusher:error", "x"), nil, 400},
		{"too much for the app", event("1", "news", "hello", strings.Repeat("x", 11<<10)), nil, 413},
		{"too much for the form", event("1", "news", "hello", strings.Repeat("x", sendBytes)), nil, 413},
	} {
		if got := ask(c, "POST", "/console/events", row.body, row.change); got.Code != row.want {
			t.Errorf("%s: %d %s, want %d", row.what, got.Code, got.Body, row.want)
		}
	}
	for range 2 {
		a.Expect(`{"event":"hello","channel":"news","data":"{\"a\":1}"}`)
	}
	a.Ping()
}

// Other sites cannot make a browser look at anything but the page.
func TestReadingIsForThePage(t *testing.T) {
	c, _ := start(t)
	for _, path := range []string{"/console/state", "/console/feed?app=1"} {
		w := ask(c, "GET", path, "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
		if w.Code != 403 {
			t.Errorf("%s for another site: %d, want 403", path, w.Code)
		}
	}
	if w := ask(c, "GET", "/", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); w.Code != 200 {
		t.Errorf("following a link to the page: %d", w.Code)
	}
}

// A feed shows an app's events as they come and nothing of another, ends with
// the console, and gives its place back; places are few.
func TestFeed(t *testing.T) {
	c, _ := start(t)
	site := httptest.NewServer(c)
	defer site.Close()
	get := func(ctx context.Context, app string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, "GET", site.URL+"/console/feed?app="+app, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	if resp := get(t.Context(), "3"); resp.StatusCode != 404 {
		t.Errorf("an app that is not there: %s", resp.Status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var feeds []*bufio.Scanner
	for range push.MaxWatches {
		resp := get(ctx, "1")
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(resp.Status, resp.Header)
		}
		feeds = append(feeds, bufio.NewScanner(resp.Body))
	}
	if resp := get(ctx, "1"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one feed more than there may be: %s", resp.Status)
	}
	for _, app := range []string{"2", "1"} {
		err := c.config.Hub.Publish(app, push.Event{Channels: []string{"news"}, Name: push.Quote("<b>"), Data: push.Quote("for " + app)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, lines := range feeds {
		got := portion{}
		for len(got.Items) == 0 && lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(text), &got); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(got.Items) != 1 || got.Items[0].Event != "<b>" || got.Items[0].Data != "for 1" || got.Items[0].Kind != push.WatchEvent || got.Items[0].At == 0 {
			t.Fatalf("a feed shows %+v", got)
		}
	}
	c.Close()
	c.Close() // does nothing
	for _, lines := range feeds {
		for lines.Scan() {
		}
	}
	if ctx.Err() != nil {
		t.Fatal("a feed goes on after the console was closed")
	}
	for end := time.Now().Add(patience); ; {
		w, err := c.config.Hub.Watch("1")
		if err == nil {
			w.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
