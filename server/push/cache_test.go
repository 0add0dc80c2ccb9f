package push

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// 1.10: all four kinds keep the last published event for whoever comes; who finds
// none is told so.
func TestCacheChannels(t *testing.T) {
	r := &record{}
	h, err := New(Config{Apps: []App{chatty}, Notifier: r})
	if err != nil {
		t.Fatal(err)
	}
	clock := newTestClock(h)
	addr := serve(t, h)
	for _, channel := range []string{"cache-x", "private-cache-x", "private-encrypted-cache-x", "presence-cache-x"} {
		data, added := "", ""
		if kindOf(channel).presence {
			data, added = `{"user_id":"a"}`, "member_added "+channel+" a"
		}
		subscribe := func() *pushtest.Client {
			t.Helper()
			c, id := pushtest.Connect(t, addr, "key")
			c.SubscribeAs("key", "secret", id, channel, data)
			if got := c.Next(); !strings.HasPrefix(got, `{"event":"pusher_internal:subscription_succeeded","channel":"`+channel+`"`) {
				t.Fatal(got)
			}
			return c
		}
		miss := `{"event":"pusher:cache_miss","channel":"` + channel + `","data":"{}"}`
		first := subscribe()
		first.Expect(miss)
		subscribe().Expect(miss) // and only one notice of both
		for n := range 2 {
			publish(t, h, channel, fmt.Sprint("e", n), "<x>")
			first.Expect(fmt.Sprintf(`{"event":"e%d","channel":"%s","data":"<x>"}`, n, channel))
		}
		want := `{"event":"e1","channel":"` + channel + `","data":"<x>"}`
		second := subscribe()
		second.Expect(want)
		// What clients say to each other is not kept.
		if kind := kindOf(channel); kind.private && !kind.encrypted {
			second.Send(`{"event":"client-e","channel":"` + channel + `","data":"y"}`)
			first.Next()
		}
		c := subscribe()
		c.Expect(want)
		c.Ping() // once
		// It outlives its subscribers, and its time.
		clock.advance(MaxCacheTTL - time.Second)
		subscribe().Expect(want)
		clock.advance(time.Second)
		subscribe().Expect(miss)
		notices := []string{"channel_occupied " + channel, "cache_miss " + channel}
		if added != "" {
			notices = []string{"channel_occupied " + channel, added, "cache_miss " + channel}
		}
		r.mu.Lock()
		got := r.notices
		r.notices = nil
		r.mu.Unlock()
		if len(got) < len(notices)+1 || strings.Join(got[:len(notices)], ",") != strings.Join(notices, ",") || got[len(got)-1] != "cache_miss "+channel {
			t.Errorf("%s: notices %q", channel, got)
		}
	}
}

// A burst of subscribers who find nothing is one cache_miss, until some time has passed.
func TestCacheMissesAreToldOnce(t *testing.T) {
	a, _ := stage(t, 1)
	r := &record{}
	a.hub.notices.to = r
	now := time.Unix(1_700_000_000, 0)
	a.hub.now = func() time.Time { return now }
	join := func() {
		if _, no := a.join("cache-x", 0, nil, catchUp{}); no != nil {
			t.Fatal(no)
		}
		a.hub.notices.tell()
	}
	join()
	join()
	now = now.Add(missEvery - 1)
	join()
	r.expect(t, "channel_occupied cache-x", "cache_miss cache-x")
	now = now.Add(1)
	join()
	r.expect(t, "cache_miss cache-x")
	// An event came and went: that it is missed again is news.
	a.deliver("cache-x", &message{}, keep{cached: &cached{expires: now.Add(1)}})
	join()
	r.expect(t)
	now = now.Add(1)
	join()
	r.expect(t, "cache_miss cache-x")
}

// The memory of an app's cache is bounded to the byte, and the oldest go first.
func TestCacheIsBounded(t *testing.T) {
	var c eventCache
	now := time.Unix(1_700_000_000, 0)
	event := func(size int) *cached {
		return &cached{frame: make([]byte, size-cachedOverhead), expires: now.Add(time.Minute)}
	}
	put := func(name string, size int) { c.put(name, event(size), 3000) }
	there := func() (names string) {
		for _, name := range []string{"a", "b", "c", "d"} {
			if c.get(name, now) != nil {
				names += name
			}
		}
		return names
	}
	for _, s := range []struct {
		name string
		size int
		want string
	}{
		{"a", 1000, "a"}, {"b", 1000, "ab"}, {"c", 1000, "abc"}, {"a", 1000, "abc"}, {"d", 400, "acd"}, {"d", 1000, "acd"}, {"d", 1001, "ad"}, {"b", 3000, "b"}, {"c", 3001, ""},
	} {
		put(s.name, s.size)
		if got := there(); got != s.want {
			t.Fatalf("after %s of %d bytes: %s, want %s", s.name, s.size, got, s.want)
		}
	}
	if c.bytes != 0 || c.order.Len() != 0 || len(c.byName) != 0 {
		t.Errorf("%d bytes in %d events under %d names are left", c.bytes, c.order.Len(), len(c.byName))
	}
}
