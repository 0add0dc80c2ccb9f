package page

import (
	"crypto/sha256"
	"encoding/base64"
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

var app = push.App{ID: "42", Key: "the-key", Secret: "the-</script>-secret"}

func newPage(t *testing.T, config Config) (*push.Hub, *Page) {
	t.Helper()
	hub, err := push.New(push.Config{Apps: []push.App{app}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(hub, app.ID, config)
	if err != nil {
		t.Fatal(err)
	}
	return hub, h
}

// The page knows the app and the key, and not the secret; it runs its own
// script and style, and loads nothing.
func TestPage(t *testing.T) {
	_, h := newPage(t, Config{Console: "http://127.0.0.1:9601/", Version: "</script><b>1.2.3"})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	html := w.Body.String()
	if w.Code != 200 || !strings.Contains(html, `{"app":"42","channel":"demo","console":"http://127.0.0.1:9601/","demo":false,"key":"the-key","version":"\u003c/script\u003e\u003cb\u003e1.2.3"}`) {
		t.Fatalf("%d, and the configuration is not in the page", w.Code)
	}
	if strings.Contains(html, "-secret") {
		t.Error("the secret is in the page")
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, element := range []string{"script", "style"} {
		inner := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(html, -1)
		if len(inner) != 1 {
			t.Fatalf("%d %s elements", len(inner), element)
		}
		sum := sha256.Sum256([]byte(inner[0][1]))
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("%s is not in the policy %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || regexp.MustCompile(`<[^>]+ style=| on[a-z]+="|<(img|link|iframe)[^>]+(src|href)="(https?:)?//`).MatchString(html) {
		t.Error("the page needs more than its policy gives")
	}
}

// The page follows its app to another key, and another app when it is told.
func TestPageOfAppThatChanges(t *testing.T) {
	hub, p := newPage(t, Config{Demo: true})
	shows := func(want string) {
		t.Helper()
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d, and %s is not in the page", w.Code, want)
		}
	}
	set := func(app push.App) {
		t.Helper()
		if err := hub.SetApps([]push.App{app}); err != nil {
			t.Fatal(err)
		}
	}
	changed := app
	changed.Key = "new-key"
	set(changed)
	shows(`"app":"42","channel":"demo","console":"","demo":true,"key":"new-key"`)
	set(push.App{ID: "43", Key: "other-key", Secret: "s"})
	shows("not served any more")
	p.Show("43")
	shows(`"app":"43","channel":"demo","console":"","demo":true,"key":"other-key"`)
	if got := send(p, `{"name":"e","data":"x"}`, nil); got != 204 {
		t.Errorf("sending to the other app: %d", got)
	}
}

func TestUnknownApp(t *testing.T) {
	hub, _ := newPage(t, Config{})
	if _, err := New(hub, "43", Config{}); err == nil {
		t.Error("accepted")
	}
}

// send posts to the demo endpoint as the page does, but for one change.
func send(h http.Handler, body string, change func(*http.Request)) int {
	r := httptest.NewRequest("POST", "/demo/events", strings.NewReader(body))
	r.Host = "localhost:6001"
	r.Header.Set("Origin", "http://localhost:6001")
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// Who may send and what: each row breaks one thing.
func TestDemoRefuses(t *testing.T) {
	const good = `{"name":"e","data":"x"}`
	_, off := newPage(t, Config{})
	if got := send(off, good, nil); got != 404 {
		t.Errorf("without Demo: %d, want 404", got)
	}
	for _, c := range []struct {
		what, body string
		change     func(*http.Request)
		want       int
	}{
		{"the page", good, nil, 204},
		{"a channel of its choice", `{"name":"e","data":"x","channel":"other","channels":["other"]}`, nil, 204},
		{"a page of elsewhere", good, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"a page of elsewhere that hides its name", good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"an opaque origin", good, func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"no browser", good, func(r *http.Request) { r.Header.Del("Origin") }, 204},
		{"a form", good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415},
		{"nonsense", `[]`, nil, 400},
		{"a reserved name", `{"name":"pusher:error","data":"x"}`, nil, 400},
		{"no data", `{"name":"e"}`, nil, 400},
		{"too much", `{"name":"e","data":"` + strings.Repeat("x", bodyBytes) + `"}`, nil, 413},
		{"GET", good, func(r *http.Request) { r.Method = "GET" }, 405},
	} {
		_, h := newPage(t, Config{Demo: true})
		if got := send(h, c.body, c.change); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}

// All pages together send as much as one may.
func TestDemoRate(t *testing.T) {
	_, p := newPage(t, Config{})
	now := time.Unix(1, 0)
	d := &demo{page: p, now: func() time.Time { return now }}
	count := func() (sent int) {
		for send(d, `{"name":"e","data":"x"}`, nil) == 204 {
			sent++
		}
		return sent
	}
	if got := count(); got != sendRate {
		t.Errorf("%d at once, want %d", got, sendRate)
	}
	now = now.Add(500 * time.Millisecond)
	if got := count(); got != sendRate/2 {
		t.Errorf("%d after half a second, want %d", got, sendRate/2)
	}
	now = now.Add(time.Hour)
	if got := count(); got != sendRate {
		t.Errorf("%d after an hour, want %d", got, sendRate)
	}
}

// What the form sends arrives on demo and nowhere else.
func TestDemoDelivers(t *testing.T) {
	hub, h := newPage(t, Config{Demo: true})
	srv, err := hub.NewServer(server.Config{HTTP: h})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	c, _ := pushtest.Connect(t, addr, app.Key)
	c.Subscribe("demo")
	c.Subscribe("other")
	r, err := http.NewRequest("POST", "http://"+addr.String()+"/demo/events", strings.NewReader(`{"name":"e","data":"{\"a\":1}","channel":"other"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "http://"+addr.String())
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 204 {
		t.Fatal(resp.Status)
	}
	c.Expect(`{"event":"e","channel":"demo","data":"{\"a\":1}"}`)
	c.Ping()
}
