package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

var testApp = App{ID: "1", Key: "key", Secret: "secret"}

// start serves a Hub on loopback.
func start(t testing.TB, config Config) (*Hub, net.Addr) {
	t.Helper()
	h, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return h, serve(t, h)
}

func serve(t testing.TB, h *Hub) net.Addr {
	t.Helper()
	srv, err := h.NewServer(server.Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return addr
}

// publish sends one event with a string for data.
func publish(t testing.TB, h *Hub, channel, name, data string) {
	t.Helper()
	if err := h.Publish(testApp.ID, Event{Channels: []string{channel}, Name: Quote(name), Data: Quote(data)}); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what the server does after a test's last word to it.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("still not: " + what)
}

// 1.1: the first frame to the byte, data as JSON within a string.
func TestConnectionEstablished(t *testing.T) {
	_, addr := start(t, Config{Apps: []App{testApp}, ActivityTimeout: 77 * time.Second})
	_, id := pushtest.Connect(t, addr, "key")
	if _, ok := ParseSocketID(id); !ok {
		t.Errorf("socket id %q", id)
	}
	c := pushtest.Open(t, addr, "/a/prefix/app/key?version=8&protocol=7")
	got := c.Next()
	_, rest, _ := strings.Cut(got, `socket_id\":\"`)
	id, _, _ = strings.Cut(rest, `\`)
	if want := `{"event":"pusher:connection_established","data":"{\"socket_id\":\"` + id + `\",\"activity_timeout\":77}"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// 1.4: the error as an event and as a Close frame with the same code.
func TestRefusedConnections(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp,
		{ID: "2", Key: "off", Secret: "s", Disabled: true},
		{ID: "3", Key: "full", Secret: "s", Limits: AppLimits{Connections: 1}}}})
	first, _ := pushtest.Connect(t, addr, "full")
	for target, code := range map[string]int{
		"/app/nokey?protocol=7": 4001, "/app/off?protocol=7": 4003, "/app/full?protocol=7": 4004, "/nowhere?protocol=7": 4005,
		"/app/key?protocol=x": 4006, "/app/key?protocol=3": 4007, "/app/key": 4008,
	} {
		c := pushtest.Open(t, addr, target)
		if got, want := c.Next(), fmt.Sprintf(`{"event":"pusher:error","data":{"code":%d,"message":"`, code); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s...", target, got, want)
		}
		if reason := c.ExpectClose(code); reason == "" {
			t.Errorf("%s: closed without a reason", target)
		}
	}
	// A refused connection holds no place, a closed one gives it back.
	first.Drop()
	eventually(t, "the app is empty", func() bool { return h.Stats().Connections == 0 })
	pushtest.Connect(t, addr, "full")
}

// 1.6: subscribe, receive, unsubscribe; what is not for one does not arrive.
func TestPublicChannel(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp, {ID: "2", Key: "other", Secret: "s"}}})
	a, _ := pushtest.Connect(t, addr, "key")
	b, _ := pushtest.Connect(t, addr, "key")
	stranger, _ := pushtest.Connect(t, addr, "other")
	a.Subscribe("news")
	b.Subscribe("news")
	stranger.Subscribe("news")

	publish(t, h, "news", "hello", `{"a":"<b>"}`)
	for _, c := range []*pushtest.Client{a, b} {
		c.Expect(`{"event":"hello","channel":"news","data":"{\"a\":\"<b>\"}"}`)
	}
	b.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`)
	b.Ping()
	publish(t, h, "news", "again", "x")
	a.Expect(`{"event":"again","channel":"news","data":"x"}`)
	b.Ping()
	stranger.Ping()
}

// 1.6: a duplicate subscribe is answered like the first and delivers once.
func TestSubscribeTwice(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	c, _ := pushtest.Connect(t, addr, "key")
	c.Subscribe("news")
	c.Subscribe("news")
	publish(t, h, "news", "e", "x")
	c.Expect(`{"event":"e","channel":"news","data":"x"}`)
	c.Ping()
	c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`)
	c.Ping()
	publish(t, h, "news", "e", "x")
	c.Ping()
	if n := h.Stats().Channels; n != 0 {
		t.Errorf("%d channels left", n)
	}
}

// Some clients send data as a string, some leave auth out.
func TestSubscribeForms(t *testing.T) {
	_, addr := start(t, Config{Apps: []App{testApp}})
	c, _ := pushtest.Connect(t, addr, "key")
	c.Send(`{"event":"pusher:subscribe","data":"{\"channel\":\"a\"}"}`)
	c.Expect(`{"event":"pusher_internal:subscription_succeeded","channel":"a","data":"{}"}`)
	c.Send(`{"data":{"channel":"b","channel_data":null,"auth":null},"event":"pusher:subscribe","more":[1]}`)
	c.Expect(`{"event":"pusher_internal:subscription_succeeded","channel":"b","data":"{}"}`)
	c.SendFrame(pushtest.Binary, []byte(`{"event":"pusher:subscribe","data":{"channel":"c"}}`))
	c.Expect(`{"event":"pusher_internal:subscription_succeeded","channel":"c","data":"{}"}`)
	c.Send(`{"event":"pusher:pong"}`)
	c.Ping()
}

func TestPrivateChannels(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	c, id := pushtest.Connect(t, addr, "key")
	for _, channel := range []string{"private-x", "private-encrypted-x"} {
		c.Send(`{"event":"pusher:subscribe","data":{"auth":"key:` + sign("secret", id+":"+channel) + `","channel":"` + channel + `"}}`)
		c.Expect(`{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":"{}"}`)
	}
	publish(t, h, "private-x", "e", "x")
	c.Expect(`{"event":"e","channel":"private-x","data":"x"}`)

	// Signed for another connection: normal just after a reconnect, so the
	// connection stays.
	c.Send(`{"event":"pusher:subscribe","data":{"auth":"key:` + sign("secret", "1.1:private-y") + `","channel":"private-y"}}`)
	c.Expect(`{"event":"pusher:subscription_error","channel":"private-y","data":{"type":"AuthError","error":"Invalid signature: expected the app key, a colon and the HMAC SHA256 hex digest of ` + id + `:private-y","status":401}}`)
	publish(t, h, "private-y", "e", "x")
	c.Ping()
}

func sign(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// What is refused is refused with the channel's name, and nothing else happens.
func TestRefusedSubscriptions(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{{ID: "1", Key: "key", Secret: "s", Limits: AppLimits{ChannelsPerConnection: 2}}}})
	c, _ := pushtest.Connect(t, addr, "key")
	c.Subscribe("one")
	c.Subscribe("two")
	long := strings.Repeat("x", MaxChannelName+1)
	for channel, want := range map[string]string{
		`"three"`: `LimitReached`, `"presence-x"`: `AuthError`, `"cache-x"`: `LimitReached`, `"private-cache-x"`: `AuthError`,
		`"private-x"`: `AuthError`, `""`: `InvalidChannel`, `"a b"`: `InvalidChannel`, `"a\n"`: `InvalidChannel`, `"#server-to-user-1"`: `AuthError`, `"#server-to-users"`: `InvalidChannel`, `"` + long + `"`: `InvalidChannel`,
	} {
		c.Send(`{"event":"pusher:subscribe","data":{"channel":` + channel + `}}`)
		if got := c.Next(); !strings.HasPrefix(got, `{"event":"pusher:subscription_error","channel":`+channel+`,"data":{"type":"`+want+`","error":"`) {
			t.Errorf("%s: %s, want %s", channel, got, want)
		}
	}
	c.Subscribe("two") // at the limit, but not a new one
	if n := h.Stats().Channels; n != 2 {
		t.Errorf("%d channels, want 2", n)
	}
}

// Rows A7, B10: nonsense is answered and costs nobody anything.
func TestNonsenseIsAnswered(t *testing.T) {
	_, addr := start(t, Config{Apps: []App{testApp}})
	c, _ := pushtest.Connect(t, addr, "key")
	for _, text := range nonsense {
		c.Send(text)
		if got := c.Next(); !strings.HasPrefix(got, `{"event":"pusher:error","data":{"code":null,"message":"`) {
			t.Errorf("%.80s: %s", text, got)
		}
	}
	c.Ping()
	c.SendFrame(pushtest.Binary, []byte{0, 1, 2})
	c.ExpectClose(1003)
}

var nonsense = []string{
	``, `x`, `null`, `1`, `"pusher:ping"`, `[]`, `{}`, `{"event":null}`, `{"event":1}`, `{"event":{}}`, `{"event":["pusher:ping"]}`,
	`{"event":"pusher:ping","event":"pusher:ping"}`, `{"event":""}`, `{"event":"pusher:nonsense"}`, `{"event":"hello","data":{}}`,
	`{"event":"pusher:subscribe"}`, `{"event":"pusher:subscribe","data":null}`, `{"event":"pusher:subscribe","data":[]}`, `{"event":"pusher:subscribe","data":"x"}`,
	`{"event":"pusher:subscribe","data":"null"}`, `{"event":"pusher:subscribe","data":{}}`, `{"event":"pusher:subscribe","data":{"channel":null}}`,
	`{"event":"pusher:subscribe","data":{"channel":1}}`, `{"event":"pusher:subscribe","data":{"channel":["a"]}}`, `{"event":"pusher:subscribe","data":{"channel":"a","channel":"b"}}`,
	`{"event":"pusher:unsubscribe"}`, `{"event":"pusher:unsubscribe","data":{"channel":{}}}`, `{"event":"pusher:unsubscribe","data":{"Channel":"a"}}`,
	`{"event":"client-x","channel":"news","data":{}}`, `{"event":"client-","data":{}}`, `{"event":"pusher:signin","data":{}}`,
	`{"event":"pusher:signin"}`, `{"event":"pusher:signin","data":[1]}`, `{"event":"client-x","channel":{},"data":1}`, `{"event":"client-x","channel":"private-x","channel":"private-y"}`,
	`{"event":"pusher:ping"}{"event":"pusher:ping"}`, strings.Repeat("[", 60_000), `{"event":"pusher:ping","data":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`,
}

// Row A10: the excluded connection, and nobody else, is left out.
func TestExclude(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	var clients []*pushtest.Client
	var ids []string
	for range 4 {
		c, id := pushtest.Connect(t, addr, "key")
		c.Subscribe("news")
		clients, ids = append(clients, c), append(ids, id)
	}
	for i := range clients {
		exclude, _ := ParseSocketID(ids[i])
		if err := h.Publish("1", Event{Channels: []string{"news", "empty"}, Name: Quote("e"), Data: Quote(ids[i]), Exclude: exclude}); err != nil {
			t.Fatal(err)
		}
		for j, c := range clients {
			if j != i {
				c.Expect(`{"event":"e","channel":"news","data":"` + ids[i] + `"}`)
			}
			c.Ping()
		}
	}
}

// One event to many channels arrives once on each, and once when one is named twice.
func TestManyChannels(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	c, _ := pushtest.Connect(t, addr, "key")
	c.Subscribe("a")
	c.Subscribe("b")
	if err := h.Publish("1", Event{Channels: []string{"a", "b", "a", "c"}, Name: Quote("e"), Data: Quote("x")}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{c.Next(): true, c.Next(): true}
	for _, channel := range []string{"a", "b"} {
		if !got[`{"event":"e","channel":"`+channel+`","data":"x"}`] {
			t.Errorf("nothing on %s: %v", channel, got)
		}
	}
	c.Ping()
}

// All events of a call are published, or none.
func TestPublishIsAllOrNothing(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	c, _ := pushtest.Connect(t, addr, "key")
	c.Subscribe("a")
	good := Event{Channels: []string{"a"}, Name: Quote("e"), Data: Quote("x")}
	var fault *EventError
	if err := h.Publish("1", good, Event{Channels: []string{"a"}, Name: Quote("e")}); !errors.As(err, &fault) {
		t.Fatalf("%v, want an EventError", err)
	}
	if err := h.Publish("nobody", good); !errors.Is(err, ErrNoApp) {
		t.Fatalf("%v, want ErrNoApp", err)
	}
	c.Ping()
	if err := h.Publish("1", good, good); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c.Expect(`{"event":"e","channel":"a","data":"x"}`)
	}
}

// Rows B2, B3: with many publishers and subscribers on every loop, all subscribers see
// one order, each publisher's own events in theirs, and none is missing.
func TestOneOrderForAllSubscribers(t *testing.T) {
	const publishers, each, subscribers = 8, 100, 12
	h, addr := start(t, Config{Apps: []App{testApp}})
	var clients []*pushtest.Client
	for range subscribers {
		c, _ := pushtest.Connect(t, addr, "key")
		c.Subscribe("news")
		clients = append(clients, c)
	}
	var wait sync.WaitGroup
	for p := range publishers {
		wait.Go(func() {
			for n := range each {
				if err := h.Publish("1", Event{Channels: []string{"news"}, Name: Quote("e"), Data: Quote(fmt.Sprintf("%d:%d", p, n))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	var first []string
	for i, c := range clients {
		var got []string
		var last [publishers]int
		for range publishers * each {
			frame := c.Next()
			var p, n int
			if _, err := fmt.Sscanf(frame, `{"event":"e","channel":"news","data":"%d:%d"}`, &p, &n); err != nil {
				t.Fatalf("%s: %v", frame, err)
			}
			if n != last[p] {
				t.Fatalf("subscriber %d: event %d of publisher %d came where %d was due", i, n, p, last[p])
			}
			last[p]++
			got = append(got, frame)
		}
		c.Ping()
		if first == nil {
			first = got
		}
		for k := range got {
			if got[k] != first[k] {
				t.Fatalf("subscriber %d has %s where the first has %s", i, got[k], first[k])
			}
		}
	}
	stats := h.Stats()
	if stats.Published != publishers*each || stats.Delivered != publishers*each*subscribers || stats.Pending != 0 || stats.Connections != subscribers || stats.Channels != 1 {
		t.Errorf("counters %+v", stats)
	}
}

// Row B9: an event for more subscribers than a loop serves in one go reaches all
// of them, while others come and go.
func TestFanoutInTurns(t *testing.T) {
	const subscribers = turnSends + 50
	h, addr := start(t, Config{Apps: []App{testApp}})
	var clients []*pushtest.Client
	for range subscribers {
		c, _ := pushtest.Connect(t, addr, "key")
		c.Subscribe("big")
		clients = append(clients, c)
	}
	leaving, staying := clients[:50], clients[50:]
	for n := range 5 {
		publish(t, h, "big", "e", fmt.Sprint(n))
		for _, c := range leaving[n*10 : n*10+10] {
			c.Drop()
		}
		publish(t, h, "small", "e", "x")
	}
	for _, c := range staying {
		for n := range 5 {
			c.Expect(fmt.Sprintf(`{"event":"e","channel":"big","data":"%d"}`, n))
		}
		c.Ping()
	}
	eventually(t, "those who left are gone", func() bool { return h.Stats().Connections == int64(len(staying)) })
}

// Row B7: events come only between the answer to subscribe and the unsubscribe
// that was served, however fast a client changes its mind.
func TestSubscribeUnsubscribeRace(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				publish(t, h, "news", "e", fmt.Sprint(n))
				time.Sleep(100 * time.Microsecond)
			}
		}
	})
	c, _ := pushtest.Connect(t, addr, "key")
	for range 200 {
		c.Subscribe("news") // fails on anything before the answer
		last := -1
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`)
		c.Send(`{"event":"pusher:ping","data":{}}`)
		for {
			frame := c.Next()
			if frame == `{"event":"pusher:pong","data":"{}"}` {
				break
			}
			var n int
			if _, err := fmt.Sscanf(frame, `{"event":"e","channel":"news","data":"%d"}`, &n); err != nil || last >= 0 && n != last+1 {
				t.Fatalf("%s after event %d", frame, last)
			}
			last = n
		}
	}
	close(stop)
	wait.Wait()
	c.Ping()
}

// Nothing is left behind by clients that come, subscribe and vanish.
func TestNothingIsLeftBehind(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	for i := range 50 {
		c, _ := pushtest.Connect(t, addr, "key")
		c.Subscribe("common")
		c.Subscribe(fmt.Sprintf("own-%d", i))
		c.Drop()
	}
	eventually(t, "all are gone", func() bool {
		stats := h.Stats()
		return stats.Connections == 0 && stats.Channels == 0 && stats.Subscriptions == 0 && stats.VouchedBytes == 0 && stats.Pending == 0
	})
}

// A full backlog refuses publishers instead of growing.
func TestBacklogIsBounded(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}, Backlog: 10})
	c, _ := pushtest.Connect(t, addr, "key")
	c.Subscribe("a")
	h.shards[0].pending.Add(10)
	var fault *EventError
	if err := h.Publish("1", Event{Channels: []string{"a"}, Name: Quote("e"), Data: Quote("x")}); !errors.As(err, &fault) || fault.Fault != Overloaded {
		t.Fatalf("%v, want Overloaded", err)
	}
	h.shards[0].pending.Add(-1)
	publish(t, h, "a", "e", "x")
	c.Expect(`{"event":"e","channel":"a","data":"x"}`)
}

// Row M6: what is advertised is enforced, and not before. A client that only
// ever receives is alive as long as its library answers Pings; one that
// receives and answers nothing is not.
func TestSilentClientIsClosed(t *testing.T) {
	h, err := New(Config{Apps: []App{testApp}, ActivityTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	// A machine that stands still for three seconds disturbs nobody who speaks each second.
	h.grace = 3500 * time.Millisecond
	const due = 4500 * time.Millisecond
	addr := serve(t, h)
	silent, _ := pushtest.Connect(t, addr, "key")
	silent.Subscribe("busy")
	silent.IgnorePings()
	listener, _ := pushtest.Connect(t, addr, "key")
	listener.Subscribe("busy")

	began := time.Now()
	var sent []time.Duration // when each event was published
	for time.Since(began) < due+1500*time.Millisecond {
		sent = append(sent, time.Since(began))
		publish(t, h, "busy", "e", "x")
		listener.Expect(`{"event":"e","channel":"busy","data":"x"}`)
		time.Sleep(100 * time.Millisecond)
	}
	listener.Ping()
	got := 0
	for silent.IsMessage() {
		got++
	}
	if reason := silent.ExpectClose(4201); reason == "" {
		t.Error("closed without a reason")
	}
	if got == len(sent) || sent[got] < due-200*time.Millisecond {
		t.Errorf("silent client: closed after %d events, of those published at %v; want it to be after %v", got, sent, due)
	}
}

// Stock clients refuse 0, and the number on the wire is whole.
func TestActivityTimeoutCanBeAdvertised(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, time.Millisecond, 1500 * time.Millisecond} {
		if _, err := New(Config{Apps: []App{testApp}, ActivityTimeout: d}); err == nil {
			t.Errorf("%v was accepted", d)
		}
	}
}
