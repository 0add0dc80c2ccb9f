package push

import (
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// Configurations change under way: connections stay, limits hold at once, and
// what is wrong changes nothing.
func TestSetApps(t *testing.T) {
	other := App{ID: "2", Key: "other", Secret: "s"}
	h, addr := start(t, Config{Apps: []App{testApp, other}})
	c, id := pushtest.Connect(t, addr, "key")
	o, _ := pushtest.Connect(t, addr, "other")
	c.Subscribe("news")
	o.Subscribe("news")

	changed := App{ID: "1", Key: "key2", Secret: "secret2", ClientEvents: true, Limits: AppLimits{ChannelsPerConnection: 2}}
	for _, wrong := range [][]App{nil, {changed, changed}, {changed, {ID: "3", Key: "k", Secret: ""}}} {
		if err := h.SetApps(wrong); err == nil {
			t.Fatal("accepted")
		}
	}
	if a, _ := h.App("1"); a.Key != "key" || len(h.Apps()) != 2 {
		t.Fatal("a refused configuration changed something")
	}
	if err := h.SetApps([]App{changed}); err != nil {
		t.Fatal(err)
	}
	// The connection lives on under the new rules.
	publish(t, h, "news", "e", "x")
	c.Expect(`{"event":"e","channel":"news","data":"x"}`)
	c.SubscribeAs("key2", "secret2", id, "private-x", "")
	c.Expect(succeeded("private-x", "{}"))
	c.SubscribeAs("key2", "secret2", id, "private-y", "")
	if got := c.Next(); !strings.Contains(got, "LimitReached") {
		t.Error(got)
	}
	// New ones come with the new key.
	pushtest.Connect(t, addr, "key2")
	gone := pushtest.Open(t, addr, "/app/key?protocol=7")
	gone.Next()
	gone.ExpectClose(4001)
	// The app that is gone ends its connections at their next word, not before.
	o.Send(`{"event":"pusher:ping","data":{}}`)
	o.Expect(`{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist any more"}}`)
	o.ExpectClose(4001)
	o.Drop()
	eventually(t, "it is gone", func() bool { return h.Stats().Connections == 2 })

	changed.Disabled = true
	if err := h.SetApps([]App{changed}); err != nil {
		t.Fatal(err)
	}
	c.Send(`{"event":"pusher:ping","data":{}}`)
	c.Expect(`{"event":"pusher:error","data":{"code":4003,"message":"Application disabled"}}`)
	c.ExpectClose(4003)
}

// An app that comes back before its connections have noticed is the same app.
func TestAppComesBack(t *testing.T) {
	other := App{ID: "2", Key: "other", Secret: "s"}
	h, addr := start(t, Config{Apps: []App{testApp, other}})
	c, _ := pushtest.Connect(t, addr, "key")
	c.Subscribe("news")
	for _, configs := range [][]App{{other}, {other}, {other, testApp}} {
		if err := h.SetApps(configs); err != nil {
			t.Fatal(err)
		}
	}
	c.Ping()
	publish(t, h, "news", "e", "x")
	c.Expect(`{"event":"e","channel":"news","data":"x"}`)
}

// 1.4: what a handshake and its proxies say decides about 4000 and 4009.
func TestWelcome(t *testing.T) {
	origins := App{Origins: []string{"https://a.example", "b.example", "*.c.example:8080"}}
	for _, c := range []struct {
		app           *App
		origin, proto string
		want          code
	}{
		{&App{}, "https://any.example", "", 0}, {&App{}, "", "", 0},
		{&App{TLSOnly: true}, "", "", codeTLSOnly}, {&App{TLSOnly: true}, "", "http", codeTLSOnly}, {&App{TLSOnly: true}, "", "http, https", codeTLSOnly},
		{&App{TLSOnly: true}, "", "https", 0}, {&App{TLSOnly: true}, "", "HTTPS, http", 0},
		{&origins, "", "", 0}, {&origins, "https://a.example", "", 0}, {&origins, "HTTPS://A.example", "", 0}, {&origins, "http://b.example", "", 0},
		{&origins, "https://x.y.c.example:8080", "", 0}, {&origins, "http://a.example", "", codeUnauthorised}, {&origins, "https://x.a.example", "", codeUnauthorised},
		{&origins, "https://b.example.evil", "", codeUnauthorised}, {&origins, "https://c.example:8080", "", codeUnauthorised}, {&origins, "https://evilc.example:8080", "", codeUnauthorised},
		{&origins, "https://x.c.example", "", codeUnauthorised}, {&origins, "null", "", codeUnauthorised},
	} {
		if got := codeOf(c.app.welcomes(c.origin, c.proto, false)); got != c.want {
			t.Errorf("%v from %q by %q: %d, want %d", c.app.Origins, c.origin, c.proto, got, c.want)
		}
	}
	if no := (&App{TLSOnly: true}).welcomes("", "", true); no != nil {
		t.Error("a client that came by TLS to us is not refused for want of a proxy's word")
	}

	for _, origin := range []string{"", "https://a.example/", "a b", "ftp://x", "https://*"} {
		a := App{ID: "1", Key: "k", Secret: "s", Origins: []string{origin}}
		if a.check() == nil {
			t.Errorf("origin %q was accepted", origin)
		}
	}
}

// The refusals of 1.4 that only a real handshake meets: the client's Origin is
// https://elsewhere.example, and there is no proxy.
func TestRefusedByHandshake(t *testing.T) {
	h, addr := start(t, Config{Connections: 1, Apps: []App{
		{ID: "1", Key: "tls", Secret: "s", TLSOnly: true}, {ID: "2", Key: "origin", Secret: "s", Origins: []string{"a.example"}}, {ID: "3", Key: "key", Secret: "s"},
	}})
	first, _ := pushtest.Connect(t, addr, "key")
	for key, code := range map[string]int{"tls": 4000, "origin": 4009, "key": 4100} {
		c := pushtest.Open(t, addr, "/app/"+key+"?protocol=7")
		if got := c.Next(); !strings.HasPrefix(got, `{"event":"pusher:error","data":{"code":4`) {
			t.Error(got)
		}
		c.ExpectClose(code)
	}
	// Who was refused holds no place.
	first.Drop()
	eventually(t, "there is room", func() bool { return h.Stats().Connections == 0 })
	pushtest.Connect(t, addr, "key")
}

// 1.4, 1.9: who is still a stranger when the time is up is closed with 4009, and nobody else.
func TestAuthorisedWithin(t *testing.T) {
	strict, stricter := testApp, App{ID: "2", Key: "stricter", Secret: "secret", AuthorisedWithin: 10 * time.Second}
	strict.AuthorisedWithin = 30 * time.Second
	h, err := New(Config{Apps: []App{strict, stricter, {ID: "3", Key: "open", Secret: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	clock := newTestClock(h)
	addr := serve(t, h)
	stranger, _ := pushtest.Connect(t, addr, "key")
	stranger.Subscribe("news")
	signed, id := pushtest.Connect(t, addr, "key")
	signInAs(t, signed, id, `{"id":"1"}`)
	private, id := pushtest.Connect(t, addr, "key")
	private.SubscribeAs("key", "secret", id, "private-x", "")
	private.Next()
	present, _ := joinPresence(t, addr, "presence-x", `{"user_id":"a"}`)
	open, _ := pushtest.Connect(t, addr, "open")
	early, _ := pushtest.Connect(t, addr, "stricter")
	vanished, _ := pushtest.Connect(t, addr, "key")
	vanished.Drop()
	eventually(t, "it is gone", func() bool { return h.Stats().Connections == 6 })

	clock.advance(10*time.Second - 1)
	early.Ping()
	clock.advance(1)
	early.Expect(`{"event":"pusher:error","data":{"code":4009,"message":"Connection not authorised within 10s"}}`)
	early.ExpectClose(4009)
	clock.advance(20*time.Second - 1)
	stranger.Ping()
	clock.advance(1)
	stranger.Expect(`{"event":"pusher:error","data":{"code":4009,"message":"Connection not authorised within 30s"}}`)
	stranger.ExpectClose(4009)
	for _, c := range []*pushtest.Client{signed, private, present, open} {
		c.Ping()
	}
	for _, s := range h.shards {
		eventually(t, "nobody is waited for", func() bool { return s.unauthorised.count.Load() == 0 })
	}
}

// The alarm rings after a second, once for all who asked, and again for who asks
// when it rings.
func TestAlarm(t *testing.T) {
	rings := make(chan time.Time, 10)
	var a alarm
	a.ring = func() {
		if len(rings) == 0 {
			a.ask()
			a.ask()
		}
		rings <- time.Now()
	}
	began := time.Now()
	for range 3 {
		a.ask()
	}
	eventually(t, "it rang twice", func() bool { return len(rings) == 2 })
	for range 2 {
		rang := <-rings
		if rang.Sub(began) < alarmPeriod {
			t.Errorf("it rang after %v", rang.Sub(began))
		}
		began = rang
	}
}
