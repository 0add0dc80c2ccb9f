package push

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// listener is a client of server-sent events. It has no goroutine.
type listener struct {
	t    testing.TB
	conn net.Conn
	res  *http.Response
	body *bufio.Reader
	id   string // of the last event, as EventSource keeps it
}

// ask sends a request for a stream and reads the head of the answer.
func ask(t testing.TB, addr net.Addr, target string, fields ...string) *listener {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", target, addr, strings.Join(append(fields, ""), "\r\n"))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &listener{t: t, conn: conn, res: res, body: bufio.NewReader(res.Body)}
}

// tune opens a stream. what follows the path of the app is query.
func tune(t testing.TB, addr net.Addr, query string, fields ...string) *listener {
	t.Helper()
	l := ask(t, addr, "/app/key/sse?"+query, fields...)
	if l.res.StatusCode != 200 || l.res.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(l.res.Body)
		t.Fatalf("%s: %s %s", query, l.res.Status, text)
	}
	return l
}

// block reads one block, which ends in an empty line.
func (l *listener) block() (fields []string, err error) {
	for {
		line, err := l.body.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line == "\n" {
			return fields, nil
		}
		fields = append(fields, strings.TrimSuffix(line, "\n"))
	}
}

// next returns the data of the next event.
func (l *listener) next() string {
	l.t.Helper()
	data, err := l.read()
	if err != nil {
		l.t.Fatal(err)
	}
	return data
}

func (l *listener) read() (string, error) {
	for {
		fields, err := l.block()
		if err != nil {
			return "", err
		}
		data := ""
		for _, f := range fields {
			if id, ok := strings.CutPrefix(f, "id: "); ok {
				l.id = id
			} else if data == "" {
				data, _ = strings.CutPrefix(f, "data: ")
			} else {
				l.t.Errorf("a block of %q", fields)
			}
		}
		if data != "" && !strings.HasPrefix(data, "retry: ") && data != ": ping" {
			return data, nil
		}
	}
}

func (l *listener) expect(want string) {
	l.t.Helper()
	if got := l.next(); got != want {
		l.t.Fatalf("got  %s\nwant %s", got, want)
	}
}

// rest reads to the end of the stream and returns what was left of it.
func (l *listener) rest() string {
	l.t.Helper()
	b, err := io.ReadAll(l.body)
	if err != nil {
		l.t.Error(err)
	}
	return string(b)
}

// subscribers waits until a channel has n of them.
func subscribers(t testing.TB, h *Hub, channel string, n int) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " follow ", channel), func() bool {
		info, _ := h.Channel("1", channel)
		return info.Subscriptions == n
	})
}

// Section 2, 3: what WebSocket clients get as messages streams get as events,
// byte for byte, and count like them.
func TestStreamOfEvents(t *testing.T) {
	app := testApp
	app.ClientEvents, app.SubscriptionCount = true, true
	heard := &record{}
	h, addr := start(t, Config{Apps: []App{app}, Notifier: heard})
	l := ask(t, addr, "/some/prefix/app/key/sse?channel=a,b&channels=news,private-x&auth="+signToken(t, app, claims(map[string]any{"subscribe": []string{"private-*"}})))
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "Access-Control-Allow-Origin": "*", "Vary": "",
	} {
		if got := l.res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if first, err := l.block(); err != nil || len(first) != 1 || !strings.HasPrefix(first[0], "retry: ") {
		t.Errorf("it begins with %q, %v", first, err)
	}
	for _, channel := range []string{"a,b", "news", "private-x"} {
		l.expect(`{"event":"pusher_internal:subscription_count","channel":"` + channel + `","data":"{\"subscription_count\":1}"}`)
	}
	heard.expect(t, "channel_occupied a,b", "subscription_count a,b 1", "channel_occupied news", "subscription_count news 1",
		"channel_occupied private-x", "subscription_count private-x 1")
	publish(t, h, "news", "e", "line\nline <é> \u2028")
	l.expect(`{"event":"e","channel":"news","data":"line\nline <é> ` + "\u2028" + `"}`)
	data, _ := ParseJSON([]byte("{\n\"a\": 1}"))
	if err := h.Publish("1", Event{Channels: []string{"a,b"}, Name: Quote("e"), Data: data}); err != nil {
		t.Fatal(err)
	}
	l.expect(`{"event":"e","channel":"a,b","data":"{\n\"a\": 1}"}`)

	c, id := pushtest.Connect(t, addr, "key")
	c.SubscribeAs("key", "secret", id, "private-x", "")
	l.expect(`{"event":"pusher_internal:subscription_count","channel":"private-x","data":"{\"subscription_count\":2}"}`)
	c.Send(`{"event":"client-e","channel":"private-x","data":{"a":1}}`)
	l.expect(`{"event":"client-e","channel":"private-x","data":"{\"a\":1}"}`)

	if s := h.Stats(); s.Connections != 2 || s.Subscriptions != 4 || h.server.Stats().Streams != 1 {
		t.Errorf("stats %+v", s)
	}
	l.conn.Close()
	subscribers(t, h, "private-x", 1)
	eventually(t, "the stream is gone", func() bool { return h.Stats().Connections == 1 && h.server.Stats().Streams == 0 })
	if all, _ := h.Channels("1", ""); len(all) != 1 {
		t.Errorf("channels that are left: %v", all)
	}
}

// All streams of a channel share one encoding, and none is made for nobody.
func TestStreamEncodings(t *testing.T) {
	m := &message{prepared: server.Prepare(server.Text, []byte("{}"))}
	if m.encoding(formStream) != m.encoding(formBare) || m.encoding(formID) != m.prepared || m.encoding(formStock) != m.prepared {
		t.Error("a message without a position is encoded more than twice")
	}
	m = &message{prepared: m.prepared, kept: &kept{position: position{1, 2}, frame: []byte("{}")}}
	if first := m.encoding(formStream); first != m.encoding(formStream) || first == m.encoding(formBare) {
		t.Error("streams share no encoding")
	}
	if m.others[formID-1].prepared != nil {
		t.Error("an encoding was made that nobody wanted")
	}
}

// Errors come before the stream, as statuses with a sentence, and cost nothing.
func TestRefusedStreams(t *testing.T) {
	app := testApp
	app.Limits.ChannelsPerConnection = 4
	app.History = []HistoryRule{{Pattern: "h*"}}
	configs := []App{
		app,
		{ID: "2", Key: "off", Secret: "secret", Disabled: true},
		{ID: "3", Key: "tls", Secret: "secret", TLSOnly: true},
		{ID: "4", Key: "home", Secret: "secret", Origins: []string{"https://home.example"}},
		{ID: "5", Key: "late", Secret: "secret", AuthorisedWithin: time.Minute},
		{ID: "6", Key: "full", Secret: "secret", Limits: AppLimits{Connections: 1}},
		{ID: "7", Key: "wide", Secret: "secret", History: []HistoryRule{{Pattern: "h*"}}},
	}
	h, addr := start(t, Config{Apps: configs})
	good := "&auth=" + signToken(t, testApp, claims(map[string]any{"subscribe": []string{"private-a"}, "sub": "5"}))
	var many []string
	for i := range MaxStreamHistory + 1 {
		many = append(many, fmt.Sprint("h", i))
	}
	ask(t, addr, "/app/full/sse?channels=a")
	for target, want := range map[string]string{
		"/app/nobody/sse?channels=a":                                   "404 Application does not exist",
		"/app//sse?channels=a":                                         "404 Application does not exist",
		"/app/off/sse?channels=a":                                      "403 Application disabled",
		"/app/tls/sse?channels=a":                                      "403 Application only accepts SSL",
		"/app/home/sse?channels=a":                                     "200",
		"/app/late/sse?channels=a":                                     "401 The app takes no connections without",
		"/app/late/sse?channels=a" + good:                              "200",
		"/app/full/sse?channels=a":                                     "503 Application is over its connection quota",
		"/app/key/sse":                                                 "400 channels: name at least one",
		"/app/key/sse?channels=":                                       "400 channels: a name has",
		"/app/key/sse?channels=a,":                                     "400 channels: a name has",
		"/app/key/sse?channels=a,b,c,d,e":                              "400 channels: name at least one",
		"/app/key/sse?channels=a,b,a":                                  "400 channels: one is there twice",
		"/app/key/sse?channels=a%20b":                                  "400 channels: a name has",
		"/app/key/sse?channels=presence-a" + good:                      "400 channels: a presence channel",
		"/app/key/sse?channels=private-a":                              "401 A private channel takes a token",
		"/app/key/sse?channels=private-encrypted-a":                    "401 A private channel takes a token",
		"/app/key/sse?channels=private-a&auth=jwt:x":                   "401 Invalid token: it is not three parts",
		"/app/key/sse?channels=a&auth=jwt:x":                           "401 Invalid token: it is not three parts",
		"/app/key/sse?channels=private-a&auth=key:00":                  "401 auth: a stream takes a token",
		"/app/key/sse?channels=private-b" + good:                       "403 The token does not permit",
		"/app/key/sse?channels=private-a" + good:                       "200",
		"/app/key/sse?channels=%23server-to-user-5":                    "403 A user's own channel",
		"/app/key/sse?channels=%23server-to-user-6" + good:             "403 A user's own channel",
		"/app/key/sse?channels=%23server-to-user-5" + good:             "200",
		"/app/wide/sse?channels=" + strings.Join(many, ","):            "400 channels: too many of them have history",
		"/app/wide/sse?channels=x," + strings.Join(many[1:], ","):      "200",
		"/app/key/sse/?channels=a":                                     "426", // no stream: an upgrade is missing
		"/app/key/sse?channels=a&x=" + strings.Repeat("x", 4096-27-22): "200",
	} {
		l := ask(t, addr, target)
		got := fmt.Sprint(l.res.StatusCode)
		if l.res.StatusCode != 200 {
			text, _ := io.ReadAll(l.res.Body)
			got += " " + string(text)
			if typ := l.res.Header.Get("Content-Type"); typ != "text/plain; charset=utf-8" {
				t.Errorf("%.60s: an error in %s", target, typ)
			}
		}
		if !strings.HasPrefix(got, want) && !(want == "426" && strings.HasPrefix(got, "400")) {
			t.Errorf("%.60s: %s, want %s", target, got, want)
		}
		if (l.res.StatusCode == 503) != (l.res.Header.Get("Retry-After") != "") {
			t.Errorf("%.60s: %s with Retry-After %q", target, got, l.res.Header.Get("Retry-After"))
		}
		l.conn.Close()
	}
	eventually(t, "nobody is counted but one", func() bool { return h.Stats().Connections == 1 })
}

// Pages from elsewhere may listen where the app says so, and see why if not.
func TestStreamOrigins(t *testing.T) {
	app := testApp
	app.Origins = []string{"https://home.example"}
	_, addr := start(t, Config{Apps: []App{app}})
	for origin, want := range map[string]int{"": 200, "https://home.example": 200, "https://other.example": 403} {
		var fields []string
		if origin != "" {
			fields = []string{"Origin: " + origin}
		}
		l := ask(t, addr, "/app/key/sse?channels=a", fields...)
		allowed, vary := l.res.Header.Get("Access-Control-Allow-Origin"), l.res.Header.Get("Vary")
		if l.res.StatusCode != want || (want == 200) != (allowed == origin) || (vary == "Origin") != (allowed != "") {
			t.Errorf("origin %q: %d, allowed %q, vary %q", origin, l.res.StatusCode, allowed, vary)
		}
	}
	l := ask(t, addr, "/app/key/sse?channels=private-a", "Origin: https://home.example")
	if l.res.StatusCode != 401 || l.res.Header.Get("Access-Control-Allow-Origin") != "https://home.example" {
		t.Errorf("an allowed page is answered %v", l.res)
	}
}

// A token that names a user makes the stream a connection of that user.
func TestStreamOfUser(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	watcher, id := pushtest.Connect(t, addr, "key")
	watcher.SignIn("key", "secret", id, `{"id":"1","watchlist":["5"]}`)
	watcher.Next()
	watcher.Next()
	token := strings.TrimPrefix(signToken(t, testApp, claims(map[string]any{"sub": "5"})), "jwt:")
	l := tune(t, addr, "channels=%23server-to-user-5", "authorization: bearer "+token)
	watcher.Expect(`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"5\"]}]}"}`)
	publish(t, h, "#server-to-user-5", "e", "x")
	l.expect(`{"event":"e","channel":"#server-to-user-5","data":"x"}`)
	if n, err := h.Terminate("1", "5"); n != 1 || err != nil {
		t.Errorf("terminated %d, %v", n, err)
	}
	l.expect(`{"event":"pusher:error","data":{"code":4009,"message":"Connection terminated by the application"}}`)
	if rest := l.rest(); rest != "" {
		t.Errorf("behind it comes %q", rest)
	}
	watcher.Expect(`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"offline\",\"user_ids\":[\"5\"]}]}"}`)
}

// Streams of an app that is taken away end at once: they never say anything, to
// be told then. Those of others stay.
func TestStreamsOfGoneApps(t *testing.T) {
	other, third := App{ID: "2", Key: "other", Secret: "s"}, App{ID: "3", Key: "third", Secret: "s"}
	h, addr := start(t, Config{Apps: []App{testApp, other, third}})
	gone, stays, disabled := tune(t, addr, "channels=a,b"), ask(t, addr, "/app/other/sse?channels=a"), ask(t, addr, "/app/third/sse?channels=a")
	third.Disabled = true
	if err := h.SetApps([]App{other, third}); err != nil {
		t.Fatal(err)
	}
	gone.expect(`{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist any more"}}`)
	gone.rest()
	disabled.expect(`{"event":"pusher:error","data":{"code":4003,"message":"Application disabled"}}`)
	disabled.rest()
	if err := h.Publish("2", Event{Channels: []string{"a"}, Name: Quote("e"), Data: Quote("x")}); err != nil {
		t.Fatal(err)
	}
	stays.expect(`{"event":"e","channel":"a","data":"x"}`)
}

// A stream whose app goes between its request and its start ends too. Until then
// it has subscribed to nothing, so whoever takes the app away does not find it.
func TestStreamOfAppThatGoesMeanwhile(t *testing.T) {
	other := App{ID: "2", Key: "other", Secret: "s"}
	h, err := New(Config{Apps: []App{testApp, other}})
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	h.now = func() time.Time { // which is asked for when a token is read
		once.Do(func() {
			if err := h.SetApps([]App{other}); err != nil {
				t.Error(err)
			}
		})
		return time.Now()
	}
	l := tune(t, serve(t, h), "channels=a&auth="+signToken(t, testApp, claims(map[string]any{"sub": "5"})))
	l.conn.SetDeadline(time.Now().Add(5 * time.Second))
	l.expect(`{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist any more"}}`)
	l.rest()
}

// A cache channel's last event comes first, or the news that there is none.
func TestStreamOfCacheChannel(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	l := tune(t, addr, "channels=cache-a")
	l.expect(`{"event":"pusher:cache_miss","channel":"cache-a","data":"{}"}`)
	publish(t, h, "cache-a", "e", "x")
	l.expect(`{"event":"e","channel":"cache-a","data":"x"}`)
	tune(t, addr, "channels=cache-a").expect(`{"event":"e","channel":"cache-a","data":"x"}`)
}

// A quiet stream is sent comments.
func TestStreamIsPinged(t *testing.T) {
	_, addr := start(t, Config{Apps: []App{testApp}, ActivityTimeout: time.Second})
	l := tune(t, addr, "channels=a")
	l.block()
	for range 2 {
		if block, err := l.block(); err != nil || len(block) != 1 || block[0] != ": ping" {
			t.Errorf("got %q, %v", block, err)
		}
	}
}

// A request on a connection that net/http has already kept alive is a stream all
// the same, and what is no such request is said so.
func TestStreamBehindHTTP(t *testing.T) {
	h, err := New(Config{Apps: []App{testApp}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := h.NewServer(server.Config{HTTP: http.NotFoundHandler()})
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
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	for _, c := range []struct {
		request string
		want    int
	}{
		{"GET /elsewhere HTTP/1.1\r\n", 404},
		{"POST /app/key/sse?channels=a HTTP/1.1\r\n", 405},
		{"OPTIONS /app/key/sse?channels=a HTTP/1.1\r\nOrigin: https://home.example\r\n", 204},
		{"GET /app/key/sse?channels=a HTTP/1.1\r\nContent-Length: 1\r\n", 400},
		{"GET /app/key/sse?channels=a HTTP/1.1\r\n", 200},
	} {
		fmt.Fprintf(conn, "%sHost: x\r\n\r\n%s", c.request, map[bool]string{true: "x"}[c.want == 400])
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != c.want {
			t.Fatalf("%q: %v, %v, want %d", c.request, res, err, c.want)
		}
		if (c.want == 204) != strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("%q gets %v", c.request, res.Header)
		}
		if c.want != 200 {
			io.Copy(io.Discard, res.Body)
			continue
		}
		l := &listener{t: t, conn: conn, body: bufio.NewReader(res.Body)}
		publish(t, h, "a", "e", "x")
		l.expect(`{"event":"e","channel":"a","data":"x"}`)
	}
	if l := ask(t, addr, "/app/key/sse?channels=private-a"); l.res.StatusCode != 401 {
		t.Errorf("directly: %v", l.res.Status)
	}
}

// A stream whose client does not read ends, and is no burden until then.
func TestSlowStream(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	slow, quick := tune(t, addr, "channels=a"), tune(t, addr, "channels=a")
	data := strings.Repeat("x", DefaultDataBytes)
	for i := 0; h.server.Stats().SlowConsumers == 0; i++ {
		if i > 10_000 {
			t.Fatal("a client that reads nothing is kept")
		}
		publish(t, h, "a", "e", data)
		quick.next()
	}
	subscribers(t, h, "a", 1)
	for {
		if _, err := slow.read(); err != nil {
			break
		}
	}
}

// DESIGN, invariant 11: no goroutine is started for a stream, in any number.
func TestStreamsHaveNoGoroutines(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	tune(t, addr, "channels=a")
	before := runtime.NumGoroutine()
	const count = 2000
	all := make([]*listener, count)
	for i := range all {
		all[i] = tune(t, addr, "channels=a")
	}
	if after := runtime.NumGoroutine(); after > before+50 {
		t.Errorf("%d goroutines with one stream, %d with %d", before, after, count)
	}
	subscribers(t, h, "a", count+1)
	publish(t, h, "a", "e", "x")
	for _, l := range all {
		l.expect(`{"event":"e","channel":"a","data":"x"}`)
	}
	for i := range all {
		all[i].conn.Close()
	}
	subscribers(t, h, "a", 1)
}
