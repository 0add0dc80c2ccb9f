package api

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// callTo signs a call like an SDK and sends it.
func callTo(h http.Handler, method, path, body string, query map[string]string) *httptest.ResponseRecorder {
	if body == "" {
		if query == nil {
			query = map[string]string{}
		}
		query["body_md5"] = ""
	}
	return do(h, method, signed(method, path, body, query), body)
}

// audience is an app with a few connections.
func audience(t *testing.T, config push.App) *Handler {
	t.Helper()
	hub, err := push.New(push.Config{Apps: []push.App{config}})
	if err != nil {
		t.Fatal(err)
	}
	h := New(hub)
	h.now = func() time.Time { return then }
	srv, err := hub.NewServer(server.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	for _, user := range []string{"10", `"b"`, "10"} {
		c, id := pushtest.Connect(t, addr, config.Key)
		c.Subscribe("news")
		c.SubscribeAs(config.Key, config.Secret, id, "presence-room", `{"user_id":`+user+`}`)
		for !strings.Contains(c.Next(), "subscription_succeeded") {
		}
	}
	c, id := pushtest.Connect(t, addr, config.Key)
	c.SignIn(config.Key, config.Secret, id, `{"id":"10"}`)
	c.Next()
	c.Subscribe("#server-to-user-10")
	return h
}

// 1.12: what each call answers, to the byte.
func TestQueries(t *testing.T) {
	h := audience(t, app)
	expect(t, "fill the cache", post(h, `{"name":"e","channel":"cache-x","data":"{\"a\":\"<\"}"}`), 200)
	for _, c := range []struct {
		path, info, prefix string
		status             int
		want               string
	}{
		{"channels", "", "", 200, `{"channels":{"news":{},"presence-room":{}}}`},
		{"channels", "subscription_count", "", 200, `{"channels":{"news":{"subscription_count":3},"presence-room":{"subscription_count":3}}}`},
		{"channels", "user_count", "presence-", 200, `{"channels":{"presence-room":{"user_count":2}}}`},
		{"channels", "subscription_count,user_count", "presence-r", 200, `{"channels":{"presence-room":{"user_count":2,"subscription_count":3}}}`},
		{"channels", "", "nothing", 200, `{"channels":{}}`},
		{"channels", "user_count", "", 400, "info: user_count is known of presence channels only: filter_by_prefix must begin with presence-"},
		{"channels", "user_count", "pres", 400, "info: user_count is known of presence channels only: filter_by_prefix must begin with presence-"},
		{"channels", "cache", "", 400, "info: cache is known of one channel at a time"},
		{"channels", "colour", "", 400, `info: there is user_count, subscription_count and cache, but not "colour"`},
		{"channels/news", "", "", 200, `{"occupied":true}`},
		{"channels/nobody", "", "", 200, `{"occupied":false}`},
		{"channels/nobody", "subscription_count", "", 200, `{"occupied":false,"subscription_count":0}`},
		{"channels/news", "subscription_count", "", 200, `{"occupied":true,"subscription_count":3}`},
		{"channels/news", "user_count", "", 400, "info: user_count is known of presence channels only"},
		{"channels/news", "cache", "", 400, "info: cache is known of cache channels only"},
		{"channels/presence-room", "user_count,subscription_count", "", 200, `{"occupied":true,"user_count":2,"subscription_count":3}`},
		{"channels/presence-empty", "user_count", "", 200, `{"occupied":false,"user_count":0}`},
		{"channels/cache-x", "cache", "", 200, `{"occupied":false,"cache":{"data":"{\"a\":\"<\"}","ttl":1800}}`},
		{"channels/cache-y", "subscription_count,cache", "", 200, `{"occupied":false,"subscription_count":0,"cache":null}`},
		{"channels/presence-cache-x", "user_count,cache", "", 200, `{"occupied":false,"user_count":0,"cache":null}`},
		{"channels/a%20b", "", "", 400, `channel: no channel can be named "a b"`},
		{"channels/%23server-to-user-10", "", "", 400, `channel: no channel can be named "#server-to-user-10"`},
		{"channels/presence-room/users", "", "", 200, `{"users":[{"id":"10"},{"id":"b"}]}`},
		{"channels/presence-empty/users", "", "", 200, `{"users":[]}`},
		{"channels/news/users", "", "", 400, "channel: users are known of presence channels only"},
		{"channels/news/stats", "", "", 200, `{"occupied":true}`},
	} {
		query := map[string]string{"info": c.info, "filter_by_prefix": c.prefix}
		w := callTo(h, "GET", "/apps/3/"+c.path, "", query)
		expect(t, c.path, w, c.status)
		if w.Body.String() != c.want {
			t.Errorf("%s info=%s prefix=%s:\ngot  %s\nwant %s", c.path, c.info, c.prefix, w.Body, c.want)
		}
	}
}

// 1.12: a publisher hears of the channels it asked about, and no other byte.
func TestInfoOnEvents(t *testing.T) {
	h := audience(t, app)
	for body, want := range map[string]string{
		`{"name":"e","channels":["news","presence-room","nobody","news"],"data":"x","info":"user_count,subscription_count"}`: `{"channels":{"news":{"subscription_count":3},"presence-room":{"user_count":2,"subscription_count":3},"nobody":{"subscription_count":0}}}`,
		`{"name":"e","channels":["news","presence-room"],"data":"x","info":"user_count"}`:                                    `{"channels":{"news":{},"presence-room":{"user_count":2}}}`,
		`{"name":"e","channel":"cache-x","data":"x","info":"cache"}`:                                                         `{"channels":{"cache-x":{"cache":{"data":"x","ttl":1800}}}}`,
		`{"name":"e","channel":"#server-to-user-10","data":"x","info":"subscription_count"}`:                                 `{"channels":{"#server-to-user-10":{"subscription_count":1}}}`,
		`{"name":"e","channel":"news","data":"x"}`:                                                                           `{}`,
	} {
		if w := post(h, body); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s:\ngot  %d %s\nwant %s", body, w.Code, w.Body, want)
		}
	}
}

// Row A8: ten events and no more, all or none, answers in their order.
func TestBatch(t *testing.T) {
	h := audience(t, app)
	batch := func(events ...string) string { return `{"batch":[` + strings.Join(events, ",") + `]}` }
	one := `{"name":"e","channel":"news","data":"x"}`
	ten := strings.Split(strings.Repeat(one+"|", 10), "|")[:10]
	large := `{"name":"e","channel":"news","data":"` + strings.Repeat("x", 10240) + `"}`
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{batch(one), 200, "{}"},
		{batch(), 200, "{}"},
		{batch(ten...), 200, "{}"},
		{batch(append(ten, one)...), 400, "batch: at most 10 events"},
		{batch(strings.Split(strings.Repeat(large+"|", 10), "|")[:10]...), 200, "{}"},
		{batch(one, `{"name":"e","channel":"presence-room","data":"x","info":"user_count"}`, `{"name":"e","channel":"nobody","data":"x","info":"subscription_count"}`), 200,
			`{"batch":[{},{"user_count":2},{"subscription_count":0}]}`},
		{batch(one, `{"name":"e","channel":"a b","data":"x"}`), 400, `channel "a b": a name has 1 to 200 of the characters a-z A-Z 0-9 _ - = @ , . ;`},
		{batch(one, `{"name":"e","channels":["a","b"],"data":"x"}`), 400, "batch[1]: channel: an event of a batch has exactly one"},
		{batch(one, `null`), 400, "batch[1]: body: expected an object, got null"},
		{batch(`{"name":"e","channel":"c","data":"` + strings.Repeat("x", 10241) + `"}`), 413, "data: at most 10240 bytes, got 10241"},
		{`{"batch":{}}`, 400, "body: batch: expected an array, got an object"},
		{`{}`, 400, "body: batch: expected an array, got absent"},
		{`[]`, 400, "body: expected an object, got an array"},
	} {
		if w := callTo(h, "POST", "/apps/3/batch_events", c.body, nil); w.Code != c.status || w.Body.String() != c.want {
			t.Errorf("%.200s:\ngot  %d %s\nwant %d %s", c.body, w.Code, w.Body, c.status, c.want)
		}
	}
}

// 1.12: old SDKs put all but the data into the query.
func TestLegacyEvents(t *testing.T) {
	h := newHandler(t)
	path := "/apps/3/channels/news/events"
	for _, c := range []struct {
		name, socketID string
		status         int
	}{{"e", "1.2", 202}, {"e", "", 202}, {"e", "x", 400}, {"", "", 400}, {"pusher:x", "", 400}} {
		if w := callTo(h, "POST", path, `{"a":1}`, map[string]string{"name": c.name, "socket_id": c.socketID}); w.Code != c.status {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}

// 1.12: a limit of calls is exact, each app has its own, and strangers use up nobody's.
func TestCallsPerSecond(t *testing.T) {
	limited := app
	limited.Limits.CallsPerSecond = 3
	hub, err := push.New(push.Config{Apps: []push.App{limited, {ID: "4", Key: "four", Secret: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	h, now := New(hub), then
	h.now = func() time.Time { return now }
	for range 5 {
		expect(t, "a stranger's", do(h, "POST", "/apps/3/events?"+goodQuery+"&auth_signature=00", goodBody), 401)
	}
	for range 3 {
		expect(t, "within the limit", post(h, goodBody), 200)
	}
	w := post(h, goodBody)
	expect(t, "over the limit", w, 429)
	if w.Header().Get("Retry-After") != "1" {
		t.Error("nothing says when to try again")
	}
	now = now.Add(time.Second)
	for range 3 {
		expect(t, "a second later", post(h, goodBody), 200)
	}
	want := CallStats{Calls: 7, TooMany: 1, Received: 6 * uint64(len(goodBody)), Sent: 6 * uint64(len("{}"))}
	if got := h.Stats("3"); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if got := h.Stats("4"); got != (CallStats{}) {
		t.Errorf("counted for the other app: %+v", got)
	}
}

// A crowd of callers is bounded, whatever keeps them.
func TestCallsAtTheSameTime(t *testing.T) {
	h := newHandler(t)
	h.Calls = 1
	body := &gate{entered: make(chan struct{}), open: make(chan struct{})}
	var wait sync.WaitGroup
	wait.Go(func() {
		r := httptest.NewRequest("POST", signed("POST", "/apps/3/events", goodBody, nil), body)
		h.ServeHTTP(httptest.NewRecorder(), r)
	})
	<-body.entered
	expect(t, "one too many", post(h, goodBody), 503)
	close(body.open)
	wait.Wait()
	expect(t, "after the other", post(h, goodBody), 200)
}

// Row A6: a body that trickles in has an absolute deadline, on the server's own HTTP side.
func TestBodyTimeout(t *testing.T) {
	hub, err := push.New(push.Config{Apps: []push.App{app}})
	if err != nil {
		t.Fatal(err)
	}
	h := New(hub)
	h.BodyTimeout = 200 * time.Millisecond
	h.now = func() time.Time { return then }
	srv, err := hub.NewServer(server.Config{HTTP: h})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", signed("POST", "/apps/3/events", goodBody, nil), len(goodBody), goodBody[:10])
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("%v, %v", resp, err)
	}
}

// gate is a body that comes when the test says so.
type gate struct {
	once          sync.Once
	entered, open chan struct{}
}

func (g *gate) Read([]byte) (int, error) {
	g.once.Do(func() { close(g.entered) })
	<-g.open
	return 0, fmt.Errorf("enough")
}

// postWithKey is an event under an Idempotency-Key.
func postWithKey(h http.Handler, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", signed("POST", "/apps/3/events", body, nil), strings.NewReader(body))
	r.Header.Set("Idempotency-Key", key)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Row A14: a hundred at the same time under one key are one event, and all hear the same.
func TestIdempotencyKeys(t *testing.T) {
	h, now := newHandler(t), then
	h.now = func() time.Time { return now }
	published := func() uint64 { return h.hub.Stats().Published }
	body := `{"name":"e","channel":"cache-c","data":"x","info":"cache"}`
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() {
			if w := postWithKey(h, "k", body); w.Code != 200 || w.Body.String() != `{"channels":{"cache-c":{"cache":{"data":"x","ttl":1800}}}}` {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	wait.Wait()
	if published() != 1 {
		t.Errorf("%d events came of one key", published())
	}
	expect(t, "another body", postWithKey(h, "k", goodBody), 422)
	expect(t, "another key", postWithKey(h, "k2", body), 200)
	expect(t, "no key", post(h, body), 200)
	expect(t, "longest key", postWithKey(h, strings.Repeat("k", 255), body), 200)
	expect(t, "longer", postWithKey(h, strings.Repeat("k", 256), body), 400)
	if published() != 4 {
		t.Errorf("%d events, want 4", published())
	}
	// What failed may be tried again.
	bad := strings.Replace(body, "cache-c", "a b", 1)
	expect(t, "mistake", postWithKey(h, "k3", bad), 400)
	expect(t, "corrected", postWithKey(h, "k3", body), 200)
	// The window ends.
	now = now.Add(repeatWindow - time.Second)
	if first, mine := h.callers["3"].once.claim(now, "/apps/3/events k", [32]byte{}); mine || first == nil {
		t.Error("the key was forgotten too early")
	}
	if _, mine := h.callers["3"].once.claim(now.Add(time.Second), "/apps/3/events k", [32]byte{}); !mine {
		t.Error("the key is kept too long")
	}
}

// Keys cannot fill the memory: the oldest go, and only these.
func TestIdempotencyKeysAreBounded(t *testing.T) {
	var r repeats
	for i := range repeatsMax + 5 {
		a, mine := r.claim(then, fmt.Sprint(i), [32]byte{})
		if !mine {
			t.Fatal("not mine")
		}
		r.settle(a)
	}
	if len(r.byKey) != repeatsMax || len(r.order) != repeatsMax || r.byKey["4"] != nil || r.byKey["5"] == nil {
		t.Errorf("%d keys are kept, in a line of %d", len(r.byKey), len(r.order))
	}
	for i := range 100 { // of large replies there are fewer
		a, _ := r.claim(then, fmt.Sprint("large", i), [32]byte{})
		a.reply = make([]byte, 1<<20)
		r.settle(a)
	}
	if n := len(r.byKey); n != 7 || len(r.order) != n || r.bytes > RepeatBytes {
		t.Errorf("%d replies of a megabyte are kept", n)
	}
	if _, mine := r.claim(then.Add(repeatWindow), "later", [32]byte{}); !mine || r.bytes != 0 {
		t.Errorf("%d bytes are said to be kept when nothing is", r.bytes)
	}
}
