package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

var customer = push.App{ID: "1", Key: "customer", Secret: "s"}

// start serves the demos beside an app of somebody's, with a clock that stands still.
func start(t *testing.T) (*Demos, net.Addr) {
	t.Helper()
	d := New()
	now := time.Now()
	d.now = func() time.Time { return now }
	hub, err := push.New(push.Config{Apps: []push.App{customer, d.App()}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := hub.NewServer(server.Config{HTTP: d})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.Start(hub)
	t.Cleanup(func() { d.Close(); d.Close(); srv.Close() })
	return d, addr
}

// post sends a body as one of the pages does, but for one change.
func post(h http.Handler, path, contentType, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Host = "localhost:6001"
	r.Header.Set("Origin", "http://localhost:6001")
	r.Header.Set("Content-Type", contentType)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func authorise(d *Demos, socket, channel, name string, change func(*http.Request)) *httptest.ResponseRecorder {
	form := url.Values{"socket_id": {socket}, "channel_name": {channel}, "name": {name}}
	return post(d, "/demo/auth", "application/x-www-form-urlencoded", form.Encode(), change)
}

// Who may enter what: the rooms of the demos, each connection as itself, and
// nothing else. Each row breaks one thing.
func TestAuthorise(t *testing.T) {
	d, addr := start(t)
	c, id := pushtest.Connect(t, addr, appKey)
	other := func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }
	for _, row := range []struct {
		what, socket, channel string
		change                func(*http.Request)
		want                  int
	}{
		{"the chat", id, "presence-chat", nil, 200},
		{"the whiteboard", id, "presence-whiteboard", nil, 200},
		{"another room", id, "presence-other", nil, 403},
		{"a private channel", id, "private-chat", nil, 403},
		{"no channel", id, "", nil, 403},
		{"no socket", "", "presence-chat", nil, 400},
		{"no socket id", "1.2:presence-chat", "presence-chat", nil, 400},
		{"the page of another site", id, "presence-chat", other, 403},
		{"too much", id, "presence-chat", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader("socket_id=" + strings.Repeat("1", formBytes)))
		}, 400},
	} {
		if got := authorise(d, row.socket, row.channel, "Ada", row.change); got.Code != row.want {
			t.Errorf("%s: %d %s, want %d", row.what, got.Code, got.Body, row.want)
		}
	}

	// What it says is what the server takes, and only for the demos' app.
	w := authorise(d, id, "presence-chat", "  <b>Ada\u202e\n Lovelace, Countess of Somewhere", nil)
	var answer struct {
		Auth        string
		ChannelData string `json:"channel_data"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if want := `{"user_id":"` + id + `","user_info":{"name":"\u003cb\u003eAda Lovelace, Countes"}}`; answer.ChannelData != want {
		t.Errorf("channel data %s, want %s", answer.ChannelData, want)
	}
	c.Event("pusher:subscribe", map[string]string{"channel": "presence-chat", "auth": answer.Auth, "channel_data": answer.ChannelData})
	if got := c.Next(); !strings.Contains(got, "subscription_succeeded") {
		t.Error(got)
	}
	stranger, _ := pushtest.Connect(t, addr, customer.Key)
	stranger.Event("pusher:subscribe", map[string]string{"channel": "presence-chat", "auth": answer.Auth, "channel_data": answer.ChannelData})
	if got := stranger.Next(); !strings.Contains(got, "subscription_error") {
		t.Errorf("in another app: %s", got)
	}
	if strings.Contains(w.Body.String()+fmt.Sprint(w.Header()), d.app.Secret) {
		t.Error("the answer has the secret")
	}
	if New().app.Secret == d.app.Secret {
		t.Error("two runs have one secret")
	}
}

// Names do not hide that there is a person.
func TestPersonName(t *testing.T) {
	for name, want := range map[string]string{
		"": "Nobody", " \t\u200b ": "Nobody", "Ada": "Ada", "A\x00da": "Ada", "\u202eadA": "adA",
		strings.Repeat("ü", 30): strings.Repeat("ü", nameRunes), "👩‍🚀": "👩🚀",
	} {
		if got := personName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// All pages together are authorised, and score, so often and no more.
func TestRates(t *testing.T) {
	d, addr := start(t)
	_, id := pushtest.Connect(t, addr, appKey)
	for i := range authorisations + 1 {
		want := http.StatusOK
		if i == authorisations {
			want = http.StatusTooManyRequests
		}
		if w := authorise(d, id, "presence-chat", "x", nil); w.Code != want {
			t.Fatalf("authorisation %d: %d", i+1, w.Code)
		}
	}
	for i := range goals + 1 {
		want := http.StatusNoContent
		if i == goals {
			want = http.StatusTooManyRequests
		}
		if w := post(d, "/demo/goal", "application/json", `{"team":"home"}`, nil); w.Code != want {
			t.Fatalf("goal %d: %d", i+1, w.Code)
		}
	}
}

// A goal reaches who looks, and is there for who comes later; the rest is refused.
func TestGoal(t *testing.T) {
	d, addr := start(t)
	a, _ := pushtest.Connect(t, addr, appKey)
	a.Subscribe("cache-score")
	a.Next() // a miss
	for _, row := range []struct {
		body string
		want int
		says string
	}{
		{`{"team":"home"}`, 204, `{\"home\":1,\"away\":0,\"goal\":\"home\"}`},
		{`{"team":"nobody"}`, 400, ""},
		{`[]`, 400, ""},
		{`{"team":"away"}`, 204, `{\"home\":1,\"away\":1,\"goal\":\"away\"}`},
		{`{"team":""}`, 204, `{\"home\":0,\"away\":0}`},
	} {
		if w := post(d, "/demo/goal", "application/json", row.body, nil); w.Code != row.want {
			t.Errorf("%s: %d %s, want %d", row.body, w.Code, w.Body, row.want)
		}
		if row.says != "" {
			a.Expect(`{"event":"score","channel":"cache-score","data":"` + row.says + `"}`)
		}
	}
	if w := post(d, "/demo/goal", "application/json", `{"team":"home"}`, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); w.Code != 403 {
		t.Errorf("for another site: %d", w.Code)
	}
	d.score.Home = maxGoals
	if w := post(d, "/demo/goal", "application/json", `{"team":"home"}`, nil); w.Code != 400 {
		t.Errorf("goal %d: %d", maxGoals+1, w.Code)
	}
	b, _ := pushtest.Connect(t, addr, appKey)
	b.Subscribe("cache-score")
	b.Expect(`{"event":"score","channel":"cache-score","data":"{\"home\":0,\"away\":0}"}`)
}

// The ticker ticks for those who look, and only for them.
func TestTicker(t *testing.T) {
	d, addr := start(t)
	published := func() uint64 {
		for _, s := range d.hub.AppStats() {
			if s.ID == appID {
				return s.Published
			}
		}
		return 0
	}
	time.Sleep(tickEvery + tickEvery/2)
	if n := published(); n != 0 {
		t.Errorf("%d events for nobody", n)
	}
	a, _ := pushtest.Connect(t, addr, appKey)
	a.Subscribe("cache-ticker")
	a.Next() // a miss
	if got := a.Next(); !strings.Contains(got, `\"EGG\":3.`) {
		t.Error(got)
	}
}

// Prices stay prices.
func TestWalk(t *testing.T) {
	prices := map[string]float64{"LOW": 0.05, "HIGH": 1000}
	for range 1000 {
		before := prices["HIGH"]
		walk(prices)
		if p := prices["HIGH"]; p < before*0.97 || p > before*1.03 || prices["LOW"] < 0.05 {
			t.Fatalf("%v after %v", prices, before)
		}
	}
}

// The pages run the scripts that are beside them and nothing else, and the code
// of each, with what they share, is short.
func TestPages(t *testing.T) {
	d, _ := start(t)
	load := func(path string) string {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest("GET", "/demo/"+path, nil))
		if w.Code != 200 || w.Header().Get("Content-Security-Policy") != policy || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		return w.Body.String()
	}
	lines := func(code string) (n int) {
		for line := range strings.Lines(code) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				n++
			}
		}
		return n
	}
	shared := lines(load("connect.js"))
	for _, name := range []string{"chat", "board", "whiteboard"} {
		html, code := load(name), load(name+".js")
		if n := lines(code) + shared; n >= 100 {
			t.Errorf("%s has %d lines of code", name, n)
		}
		if found := regexp.MustCompile(`<script>| style=| on[a-z]+="|(src|href)="(https?:)?//`).FindString(html); found != "" {
			t.Errorf("%s has %q", name, found)
		}
		if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`).FindString(code); found != "" {
			t.Errorf("%s.js has %q", name, found)
		}
	}
	if !strings.Contains(load(""), `href="chat"`) || !strings.Contains(load("connect.js"), "'"+appKey+"'") {
		t.Error("the index does not lead to the chat, or connect.js connects elsewhere")
	}
	for _, path := range []string{"nowhere", "web/chat", "../demo.go"} {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, httptest.NewRequest("GET", "/demo/"+path, nil))
		if w.Code == 200 {
			t.Errorf("%s is served", path)
		}
	}
}
