package push

import (
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// chatty is testApp with client events on.
var chatty = App{ID: "1", Key: "key", Secret: "secret", ClientEvents: true}

// 1.8: to all others and not to the sender, data as a string, who it was on
// presence channels only.
func TestClientEvents(t *testing.T) {
	r := &record{}
	_, addr := start(t, Config{Apps: []App{chatty}, Notifier: r})
	var clients []*pushtest.Client
	var ids []string
	for range 3 {
		c, id := pushtest.Connect(t, addr, "key")
		c.SubscribeAs("key", "secret", id, "private-x", "")
		c.Expect(succeeded("private-x", "{}"))
		clients, ids = append(clients, c), append(ids, id)
	}
	others := func(want string) {
		t.Helper()
		for _, c := range clients[1:] {
			c.Expect(want)
		}
		clients[0].Ping()
	}
	clients[0].Send(`{"event":"client-typing","channel":"private-x","data":{"a": "<b>"}}`)
	others(`{"event":"client-typing","channel":"private-x","data":"{\"a\": \"<b>\"}"}`)
	clients[0].Send(`{"event":"client-typing","channel":"private-x","data":"as \u003cit\u003e is"}`)
	others(`{"event":"client-typing","channel":"private-x","data":"as \u003cit\u003e is"}`)
	clients[0].Send(`{"event":"client-","channel":"private-x"}`)
	others(`{"event":"client-","channel":"private-x","data":"null"}`)
	r.expect(t, "channel_occupied private-x", `client_event private-x client-typing {"a": "<b>"} `+ids[0],
		"client_event private-x client-typing as <it> is "+ids[0], "client_event private-x client- null "+ids[0])

	a, id := pushtest.Connect(t, addr, "key")
	a.SubscribeAs("key", "secret", id, "presence-x", `{"user_id":7}`)
	a.Next()
	b, _ := joinPresence(t, addr, "presence-x", `{"user_id":"b"}`)
	a.Next()
	a.Send(`{"event":"client-e","channel":"presence-x","data":[1]}`)
	b.Expect(`{"event":"client-e","channel":"presence-x","data":"[1]","user_id":"7"}`)
	a.Ping()
	r.expect(t, "channel_occupied presence-x", "member_added presence-x 7", "member_added presence-x b", "client_event presence-x 7 client-e [1] "+id)
}

// 1.8, row B10: who may not is told so, and nobody gets anything.
func TestRefusedClientEvents(t *testing.T) {
	small := chatty
	small.Limits.DataBytes = 30_000
	_, addr := start(t, Config{Apps: []App{small, {ID: "2", Key: "off", Secret: "secret"}}})
	c, id := pushtest.Connect(t, addr, "key")
	listener, listenerID := pushtest.Connect(t, addr, "key")
	for _, channel := range []string{"news", "private-x", "private-y", "private-encrypted-x"} {
		listener.SubscribeAs("key", "secret", listenerID, channel, "")
		listener.Next()
		if channel != "private-y" {
			c.SubscribeAs("key", "secret", id, channel, "")
			c.Next()
		}
	}
	event := func(name, channel, data string) string {
		return `{"event":"` + name + `","channel":` + channel + `,"data":` + data + `}`
	}
	large := func(n int) string { return `"` + strings.Repeat(`\u0041`, n) + `"` } // 6 bytes each on the wire
	for _, r := range []struct{ text, want string }{
		{event("client-x", `"news"`, "{}"), "it is only possible on private and presence channels"},
		{event("client-x", `"private-y"`, "{}"), "the connection is not subscribed to the channel"},
		{event("client-x", `"private-z"`, "{}"), "the connection is not subscribed to the channel"},
		{event("client-x", `"private-encrypted-x"`, "{}"), "it is not possible on encrypted channels"},
		{event("client-x", `1`, "{}"), "channel: expected a string, got a number"},
		{event("client-x", `["private-x"]`, "{}"), "channel: expected a string, got an array"},
		{event("client-x", `null`, "{}"), "channel: expected a string, got null"},
		{`{"event":"client-x","data":{}}`, "channel: expected a string, got absent"},
		{event("client-"+strings.Repeat("x", 194), `"private-x"`, "{}"), "event: must not be longer than 200 characters"},
		{event("client-x", `"private-x"`, `"`+strings.Repeat("x", 30_001)+`"`), "data: at most 30000 bytes, got 30001"},
	} {
		c.Send(r.text)
		c.Expect(`{"event":"pusher:error","data":{"code":null,"message":"Client event rejected: ` + r.want + `"}}`)
	}
	listener.Ping()
	// At the limits, neither the rate nor a size was used up by what was refused.
	for _, text := range []string{
		event("client-"+strings.Repeat("x", 193), `"private-x"`, "{}"),
		event("client-x", `"private-x"`, `"`+strings.Repeat("x", 30_000)+`"`),
		event("client-x", `"private-x"`, large(10_000)),
	} {
		c.Send(text)
		if got := listener.Next(); !strings.HasPrefix(got, `{"event":"client-x`) {
			t.Errorf("%.80s", got)
		}
	}
	off, offID := pushtest.Connect(t, addr, "off")
	off.SubscribeAs("off", "secret", offID, "private-x", "")
	off.Next()
	off.Send(event("client-x", `"private-x"`, "{}"))
	off.Expect(`{"event":"pusher:error","data":{"code":null,"message":"Client event rejected: client events are not enabled for this app"}}`)
}

// 1.8: ten a second for each connection; the eleventh is told 4301 and dropped,
// and the connection stays.
func TestClientEventRate(t *testing.T) {
	h, err := New(Config{Apps: []App{chatty}})
	if err != nil {
		t.Fatal(err)
	}
	clock := newTestClock(h)
	addr := serve(t, h)
	a, idOfA := pushtest.Connect(t, addr, "key")
	b, idOfB := pushtest.Connect(t, addr, "key")
	a.SubscribeAs("key", "secret", idOfA, "private-x", "")
	a.Next()
	b.SubscribeAs("key", "secret", idOfB, "private-x", "")
	b.Next()
	const text = `{"event":"client-x","channel":"private-x","data":{}}`
	const got = `{"event":"client-x","channel":"private-x","data":"{}"}`
	ten := func() {
		t.Helper()
		for range 10 {
			a.Send(text)
			b.Expect(got)
		}
		for range 3 {
			a.Send(text)
			a.Expect(`{"event":"pusher:error","data":{"code":4301,"message":"Client event rejected: more than 10 in a second"}}`)
		}
	}
	ten()
	b.Send(text) // another connection has its own allowance
	a.Expect(got)
	clock.advance(time.Second)
	ten()
	// While too much waits for delivery, clients add nothing to it.
	clock.advance(time.Second)
	h.shards[1].pending.Add(h.backlog)
	a.Send(text)
	a.Expect(`{"event":"pusher:error","data":{"code":4301,"message":"Client event rejected: the server is busy delivering"}}`)
	h.shards[1].pending.Add(-h.backlog)
	a.Send(text)
	b.Expect(got)
}
