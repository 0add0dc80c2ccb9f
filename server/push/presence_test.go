package push

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// join subscribes a new connection to a presence channel and returns its answer.
func joinPresence(t testing.TB, addr net.Addr, channel, channelData string) (c *pushtest.Client, answer string) {
	t.Helper()
	c, id := pushtest.Connect(t, addr, "key")
	c.SubscribeAs("key", "secret", id, channel, channelData)
	return c, c.Next()
}

func succeeded(channel, data string) string {
	return `{"event":"pusher_internal:subscription_succeeded","channel":"` + channel + `","data":` + string(Quote(data).Raw()) + `}`
}

func memberEvent(event, channel, data string) string {
	return `{"event":"pusher_internal:` + event + `","channel":"` + channel + `","data":` + string(Quote(data).Raw()) + `}`
}

// 1.7, row B8: users, not tabs; the first connection and the last one count;
// ids that are numbers become strings; nobody hears of their own coming.
func TestPresence(t *testing.T) {
	r := &record{}
	h, addr := start(t, Config{Apps: []App{testApp}, Notifier: r})
	const room = "presence-room"

	a, answer := joinPresence(t, addr, room, `{"user_id":1,"user_info":{"name":"<A>"}}`)
	if want := succeeded(room, `{"presence":{"ids":["1"],"hash":{"1":{"name":"<A>"}},"count":1}}`); answer != want {
		t.Fatalf("got  %s\nwant %s", answer, want)
	}
	b, answer := joinPresence(t, addr, room, `{"user_id":"b\"","user_info":null}`)
	if want := succeeded(room, `{"presence":{"ids":["1","b\""],"hash":{"1":{"name":"<A>"},"b\"":null},"count":2}}`); answer != want {
		t.Fatalf("got  %s\nwant %s", answer, want)
	}
	a.Expect(memberEvent("member_added", room, `{"user_id":"b\"","user_info":null}`))

	// A second tab of the first user, whose id comes as a string this time.
	a2, answer := joinPresence(t, addr, room, `{"user_id":"1","user_info":{"name":"other"}}`)
	if want := succeeded(room, `{"presence":{"ids":["1","b\""],"hash":{"1":{"name":"<A>"},"b\"":null},"count":2}}`); answer != want {
		t.Fatalf("got  %s\nwant %s", answer, want)
	}
	a.Ping()
	b.Ping()

	// Its first tab goes, by unsubscribing: the user is still there.
	a.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-room"}}`)
	a.Ping()
	b.Ping()
	publish(t, h, room, "e", "x")
	for _, c := range []*pushtest.Client{a2, b} {
		c.Expect(`{"event":"e","channel":"presence-room","data":"x"}`)
	}
	// Its last one goes, without a word.
	a2.Drop()
	b.Expect(memberEvent("member_removed", room, `{"user_id":"1"}`))
	a.Ping()
	b.Drop()
	r.expect(t, "channel_occupied presence-room", "member_added presence-room 1", `member_added presence-room b"`,
		"member_removed presence-room 1", `member_removed presence-room b"`, "channel_vacated presence-room")
}

// A second subscribe is answered with who is there by now.
func TestPresenceSubscribeTwice(t *testing.T) {
	_, addr := start(t, Config{Apps: []App{testApp}})
	a, id := pushtest.Connect(t, addr, "key")
	a.SubscribeAs("key", "secret", id, "presence-x", `{"user_id":"a"}`)
	a.Expect(succeeded("presence-x", `{"presence":{"ids":["a"],"hash":{"a":null},"count":1}}`))
	joinPresence(t, addr, "presence-x", `{"user_id":"b"}`)
	a.Expect(memberEvent("member_added", "presence-x", `{"user_id":"b","user_info":null}`))
	a.SubscribeAs("key", "secret", id, "presence-x", `{"user_id":"a"}`)
	a.Expect(succeeded("presence-x", `{"presence":{"ids":["a","b"],"hash":{"a":null,"b":null},"count":2}}`))
	a.Ping()
}

// 1.7: limits are exact; a further tab of a member is no further member.
func TestPresenceLimits(t *testing.T) {
	limited := testApp
	limited.Limits = AppLimits{PresenceMembers: 2, MemberBytes: 300}
	_, addr := start(t, Config{Apps: []App{limited}})
	const room = "presence-room"
	a, _ := joinPresence(t, addr, room, `{"user_id":"a"}`)
	for _, c := range []struct{ user, want string }{{"b", "succeeded"}, {"c", `"LimitReached","error":"A presence channel may have 2 members","status":4100`}, {"b", "succeeded"}} {
		if _, answer := joinPresence(t, addr, room, `{"user_id":"`+c.user+`"}`); !strings.Contains(answer, c.want) {
			t.Errorf("user %s: %s, want %s", c.user, answer, c.want)
		}
	}
	a.Expect(memberEvent("member_added", room, `{"user_id":"b","user_info":null}`))
	a.Ping()
	info := func(size int) string { // channel_data of that many bytes
		const empty = `{"user_id":"x","user_info":""}`
		return `{"user_id":"x","user_info":"` + strings.Repeat("i", size-len(empty)) + `"}`
	}
	for data, want := range map[string]string{
		info(300): "succeeded", info(301): "channel_data: at most 300 bytes, got 301",
		`{"user_id":"` + strings.Repeat("é", 128) + `"}`: "succeeded", `{"user_id":"` + strings.Repeat("e", 129) + `"}`: "must have 1 to 128 characters",
	} {
		if _, answer := joinPresence(t, addr, "presence-other", data); !strings.Contains(answer, want) {
			t.Errorf("%s: %s, want %s", data, answer, want)
		}
	}
}

// Row A7: whatever a backend signs by mistake is refused with a sentence.
func TestChannelDataIsChecked(t *testing.T) {
	_, addr := start(t, Config{Apps: []App{testApp}})
	c, id := pushtest.Connect(t, addr, "key")
	for _, data := range []string{
		`x`, `null`, `[]`, `"a"`, `1`, `{}`, `{"user_id":null}`, `{"user_id":""}`, `{"user_id":true}`, `{"user_id":{}}`, `{"user_id":["a"]}`,
		`{"user_id":1.5}`, `{"user_id":1e400}`, `{"user_id":"a","user_id":"b"}`, `{"user_info":{}}`, `{"user_id":"a"}x`, strings.Repeat("[", 100),
	} {
		c.SubscribeAs("key", "secret", id, "presence-x", data)
		if got := c.Next(); !strings.HasPrefix(got, `{"event":"pusher:subscription_error","channel":"presence-x","data":{"type":"AuthError","error":"Invalid channel_data: `) {
			t.Errorf("%s: %s", data, got)
		}
	}
	for _, channelData := range []string{`1`, `{}`, `{"user_id":"a"}`, `[]`, `true`} { // no string
		c.Send(`{"event":"pusher:subscribe","data":{"channel":"presence-x","auth":"key:` + sign("secret", id+":presence-x") + `","channel_data":` + channelData + `}}`)
		if got := c.Next(); !strings.Contains(got, `"AuthError","error":"Subscribing to a presence channel takes channel_data, a string`) {
			t.Errorf("%s: %s", channelData, got)
		}
	}
	// Signed for less than was sent, and for more.
	c.Send(`{"event":"pusher:subscribe","data":{"channel":"presence-x","auth":"key:` + sign("secret", id+":presence-x") + `","channel_data":"{\"user_id\":\"a\"}"}}`)
	if got := c.Next(); !strings.Contains(got, `Invalid signature: expected the app key, a colon and the HMAC SHA256 hex digest of `+id+`:presence-x:<channel_data>`) {
		t.Error(got)
	}
	c.Ping()
}

// 1.7: ids are what JavaScript makes of them as the name of a property.
func TestUserIDs(t *testing.T) {
	for text, want := range map[string]string{
		`"a"`: "a", `"10"`: "10", `10`: "10", `10.0`: "10", `1e1`: "10", `0`: "0", `-0`: "0", `-7`: "-7", `-0.0`: "0",
		`9007199254740993`: "9007199254740993", `18446744073709551615`: "18446744073709551615", `"\u0041"`: "A", `"\ud83d\ude00"`: "\U0001f600",
		`18446744073709551616`: "!", `9007199254740993.0`: "!", `1.5`: "!", `1e-1`: "!", `1e999`: "!", `""`: "!", `null`: "!", `true`: "!", `{}`: "!", `[]`: "!",
	} {
		got, err := parseUserID(raw(t, text))
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A room that is too large for lists: everybody knows themselves and how many
// they are, and there is no limit.
func TestCountOnlyPresence(t *testing.T) {
	huge := testApp
	huge.CountOnly, huge.Limits.PresenceMembers = []string{"presence-huge-"}, 1
	r := &record{}
	h, addr := start(t, Config{Apps: []App{huge}, Notifier: r})
	const room = "presence-huge-1"
	count := func(n int) string {
		return fmt.Sprintf(`{"event":"pusher_internal:subscription_count","channel":"%s","data":"{\"subscription_count\":%d}"}`, room, n)
	}
	a, answer := joinPresence(t, addr, room, `{"user_id":"a","user_info":1}`)
	if want := succeeded(room, `{"presence":{"ids":["a"],"hash":{"a":1},"count":1}}`); answer != want {
		t.Fatalf("got  %s\nwant %s", answer, want)
	}
	a.Expect(count(1))
	b, answer := joinPresence(t, addr, room, `{"user_id":"b","user_info":2}`)
	if want := succeeded(room, `{"presence":{"ids":["b"],"hash":{"b":2},"count":2}}`); answer != want {
		t.Fatalf("got  %s\nwant %s", answer, want)
	}
	a.Expect(count(2))
	b.Expect(count(2))
	if users, err := h.Users("1", room); err != nil || fmt.Sprint(users) != "[a b]" {
		t.Errorf("users %v, %v", users, err)
	}
	b.Drop()
	a.Expect(count(1))
	r.expect(t, "channel_occupied "+room, "subscription_count "+room+" 1", "subscription_count "+room+" 2", "subscription_count "+room+" 1")
}

// Row B8: a client that comes and goes as fast as it can is announced as often as
// it may have channels, then ten times a second; it stays what it is and does all
// else, and those who are told see comings and goings in turns.
func TestMemberJoinRate(t *testing.T) {
	room := App{ID: "1", Key: "key", Secret: "secret", Limits: AppLimits{ChannelsPerConnection: 20}}
	h, err := New(Config{Apps: []App{room}})
	if err != nil {
		t.Fatal(err)
	}
	clock := newTestClock(h)
	addr := serve(t, h)
	watcher, _ := joinPresence(t, addr, "presence-x", `{"user_id":"w"}`)
	c, id := pushtest.Connect(t, addr, "key")
	c.SubscribeAs("key", "secret", id, "presence-stays", `{"user_id":"a"}`)
	c.Next()
	flap := func(allowed int) {
		t.Helper()
		for range allowed {
			c.SubscribeAs("key", "secret", id, "presence-x", `{"user_id":"a"}`)
			c.Expect(succeeded("presence-x", `{"presence":{"ids":["a","w"],"hash":{"a":null,"w":null},"count":2}}`))
			c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-x"}}`)
			watcher.Expect(memberEvent("member_added", "presence-x", `{"user_id":"a","user_info":null}`))
			watcher.Expect(memberEvent("member_removed", "presence-x", `{"user_id":"a"}`))
		}
		for range 3 {
			c.SubscribeAs("key", "secret", id, "presence-x", `{"user_id":"a"}`)
			c.Expect(`{"event":"pusher:subscription_error","channel":"presence-x","data":{"type":"LimitReached","error":"A connection may join presence channels 10 times in a second","status":4100}}`)
		}
		watcher.Ping()
	}
	flap(19)
	clock.advance(time.Second)
	flap(10)
	c.Subscribe("news") // which nobody is told of
	c.SubscribeAs("key", "secret", id, "presence-stays", `{"user_id":"a"}`)
	c.Expect(succeeded("presence-stays", `{"presence":{"ids":["a"],"hash":{"a":null},"count":1}}`))
	if got := h.AppStats()[0].TooManyJoins; got != 6 {
		t.Errorf("%d are counted as refused, want 6", got)
	}
	joinPresence(t, addr, "presence-x", `{"user_id":"b"}`) // each connection has its own allowance
	watcher.Expect(memberEvent("member_added", "presence-x", `{"user_id":"b","user_info":null}`))
	clock.advance(time.Hour) // rest earns nothing beyond the burst
	flapped := 0
	for range 30 {
		c.SubscribeAs("key", "secret", id, "presence-y", `{"user_id":"a"}`)
		if strings.Contains(c.Next(), "subscription_succeeded") {
			flapped++
		}
		c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-y"}}`)
	}
	if flapped != 20 {
		t.Errorf("joined %d times after an hour, want 20", flapped)
	}
}
