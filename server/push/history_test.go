package push

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

func TestMatchPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, matches, misses string
	}{
		{"news", "news", "new newss xnews"},
		{"*", "a private-x", ""},
		{"news-*", "news- news-a news-a-b", "news xnews-a"},
		{"*-log", "-log a-log a-log-log", "log a-log-x"},
		{"a*b*c", "abc axbxc abcbc aabbcc abcabc", "ab ac acb abcd xabc"},
		{"*a*", "a xa ax xax", "x b"},
		{"a*a", "aa aba", "a"},
		{"**", "a", ""},
		{"#server-to-user-*", "#server-to-user-5", "server-to-user-5"},
	} {
		for _, name := range strings.Fields(c.matches) {
			if !matchPattern(c.pattern, name) {
				t.Errorf("%s does not match %s", c.pattern, name)
			}
		}
		for _, name := range strings.Fields(c.misses) {
			if matchPattern(c.pattern, name) {
				t.Errorf("%s matches %s", c.pattern, name)
			}
		}
	}
}

// Whoever writes a rule is told what is wrong with it; what they leave out is
// filled in, and the first rule that matches holds.
func TestHistoryRules(t *testing.T) {
	for rule, want := range map[HistoryRule]string{
		{}:                                    "pattern",
		{Pattern: "a b"}:                      "pattern",
		{Pattern: "a?"}:                       "pattern",
		{Pattern: "a", Size: -1}:              "events",
		{Pattern: "a", Size: 10_001}:          "events",
		{Pattern: "a", TTL: -1}:               "24h",
		{Pattern: "a", TTL: 24*time.Hour + 1}: "24h",
		{Pattern: "a", Rewind: Rewind{Count: -1}}:               "negative",
		{Pattern: "a", Rewind: Rewind{Count: 1, Age: -1}}:       "negative",
		{Pattern: "a", Rewind: Rewind{Age: 1}}:                  "count",
		{Pattern: strings.Repeat("a", 201)}:                     "pattern",
		{Pattern: strings.Repeat("a", 200), Size: 10_000}:       "",
		{Pattern: "#server-to-user-*", TTL: 24 * time.Hour}:     "",
		{Pattern: "*", Rewind: Rewind{Count: 10_000, Age: 1e9}}: "",
	} {
		app := testApp
		app.History = []HistoryRule{{Pattern: "good"}, rule}
		_, err := New(Config{Apps: []App{app}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error about %q", rule, err, want)
		}
	}
	app := testApp
	app.History = make([]HistoryRule, MaxHistoryRules+1)
	for i := range app.History {
		app.History[i] = HistoryRule{Pattern: "a"}
	}
	if _, err := New(Config{Apps: []App{app}}); err == nil || !strings.Contains(err.Error(), "100") {
		t.Errorf("%d rules: %v", len(app.History), err)
	}
	app.History = []HistoryRule{{Pattern: "ab*", Size: 1}, {Pattern: "a*", Rewind: Rewind{Count: 1}}}
	app = app.withDefaults()
	first, second := app.historyRule("abc"), app.historyRule("ac")
	if *first != (HistoryRule{Pattern: "ab*", Size: 1, TTL: 5 * time.Minute, Rewind: Rewind{Age: 5 * time.Minute}}) {
		t.Errorf("the first rule is %+v", first)
	}
	if *second != (HistoryRule{Pattern: "a*", Size: 100, TTL: 5 * time.Minute, Rewind: Rewind{Count: 1, Age: 5 * time.Minute}}) {
		t.Errorf("the second rule is %+v", second)
	}
	if app.historyRule("b") != nil {
		t.Error("a channel without a rule has one")
	}
}

// The memory of an app's history is bounded: by channel, in all, and in how many
// channels there are. What would go next goes first, and only what has to.
func TestHistoryIsBounded(t *testing.T) {
	var h histories
	rule := HistoryRule{Pattern: "*", Size: 3, TTL: time.Minute}.withDefaults()
	limits := AppLimits{HistoryChannels: 3, HistoryChannelBytes: 1000, HistoryBytes: 3*ringOverhead + 2400}
	now := time.Unix(1_700_000_000, 0)
	put := func(name string, size int) {
		now = now.Add(time.Second)
		h.keep(name, &kept{frame: make([]byte, size-keptOverhead), at: now}, &rule, &limits, false)
		checkHistoryBytes(t, &h)
	}
	there := func() (all string) {
		for _, name := range []string{"a", "b", "c", "d"} {
			if r := h.byName[name]; r != nil {
				all += fmt.Sprint(name, r.events.len(), " ")
			}
		}
		return strings.TrimSpace(all)
	}
	for i, s := range []struct {
		name string
		size int
		want string
	}{
		{"a", 300, "a1"}, {"a", 300, "a2"}, {"a", 300, "a3"}, {"a", 200, "a3"}, // by number
		{"b", 500, "a3 b1"}, {"b", 500, "a3 b2"}, {"b", 501, "a3 b1"}, {"b", 1001, "a3 b0"}, // by bytes
		{"c", 300, "a3 b0 c1"}, {"a", 300, "a3 b0 c1"}, {"d", 300, "a3 c1 d1"}, // by channels
		{"c", 700, "a3 c2 d1"}, {"d", 700, "c2 d2"}, {"c", 300, "c2 d2"}, // by all bytes
	} {
		if put(s.name, s.size); there() != s.want {
			t.Fatalf("step %d, %d bytes in %s: %s, want %s", i, s.size, s.name, there(), s.want)
		}
		if h.bytes > limits.HistoryBytes {
			t.Fatalf("step %d: %d bytes are kept", i, h.bytes)
		}
	}
	if stats := h.stats(); stats.Evicted != 2 {
		t.Errorf("counted %+v", stats)
	}
	// The channel that needs the room does not give way itself, however old it is.
	limits.HistoryBytes = ringOverhead + 500
	put("c", 300)
	if there() != "c1" {
		t.Errorf("after the limit was lowered: %s", there())
	}
	// Positions count, too. They give way to each other and to events, but no event
	// gives way to them: anybody may subscribe.
	ask := func(name string) {
		if p := h.catchUp(name, catchUp{ids: true}, &rule, &limits, now); p.id == (position{}) {
			t.Error("no position")
		}
		checkHistoryBytes(t, &h)
	}
	ask("b")
	if there() != "c1" {
		t.Errorf("after a position was asked for: %s", there())
	}
	limits.HistoryBytes = 3*ringOverhead + 300
	for _, name := range []string{"a", "b", "d"} {
		ask(name)
		now = now.Add(time.Second)
	}
	if there() != "b0 c1 d0" {
		t.Errorf("after three positions were asked for: %s", there())
	}
	put("a", 200)
	if there() != "a1 c1" {
		t.Errorf("after an event: %s", there())
	}
}

// Whatever is over is forgotten at once, however much it is; nothing else is.
func TestHistoriesExpireTogether(t *testing.T) {
	var h histories
	limits := AppLimits{HistoryChannels: 10 * expireBatch, HistoryChannelBytes: 1000, HistoryBytes: 1 << 30}
	now := time.Unix(1_700_000_000, 0)
	for i := range 3*expireBatch + 1 {
		rule := HistoryRule{Pattern: "*", TTL: time.Minute}.withDefaults()
		if i == 0 {
			rule.TTL++
		}
		h.keep(fmt.Sprint(i), &kept{frame: make([]byte, 10), at: now}, &rule, &limits, false)
	}
	if left := h.expire(now.Add(time.Minute - 1)); !left || len(h.byName) != 3*expireBatch+1 {
		t.Errorf("%d channels before the time", len(h.byName))
	}
	if left := h.expire(now.Add(time.Minute)); !left || len(h.byName) != 1 || h.byName["0"] == nil {
		t.Errorf("%d channels after the time", len(h.byName))
	}
	if left := h.expire(now.Add(time.Hour)); left || h.bytes != 0 {
		t.Errorf("%d bytes in the end", h.bytes)
	}
}

// When the channel that was just used would be the next to go, the one after it goes.
func TestHistoryEvictsTheNextToExpire(t *testing.T) {
	var h histories
	limits := AppLimits{HistoryChannels: 3, HistoryChannelBytes: 1000, HistoryBytes: 1 << 20}
	now := time.Unix(1_700_000_000, 0)
	put := func(name string, ttl time.Duration) {
		rule := HistoryRule{Pattern: "*", TTL: ttl}.withDefaults()
		h.keep(name, &kept{frame: make([]byte, 10), at: now}, &rule, &limits, false)
	}
	put("soon", time.Second)
	put("last", time.Hour)
	put("next", time.Minute)
	limits.HistoryChannels = 2
	put("soon", time.Second)
	if h.byName["soon"] == nil || h.byName["last"] == nil || h.byName["next"] != nil {
		t.Errorf("left: %v", h.byName)
	}
}

// What orders a channel's events is its stripe: it stays locked while an event
// enters history and then the inboxes, and while a subscriber is told of the past and then
// put on a roster. In between somebody would get an event twice, or never.
func TestHistoryIsInOrderWithDelivery(t *testing.T) {
	app := testApp
	app.History = []HistoryRule{{Pattern: "h"}}
	a, _ := stage(t, 1, app)
	stripe := a.directory.stripe("h")
	for what, act := range map[string]func(){
		"publishing": func() { publish(t, a.hub, "h", "e", "x") },
		"joining":    func() { a.join("h", 0, nil, catchUp{ids: true}) },
	} {
		a.history.mu.Lock() // it gets as far as this
		var wait sync.WaitGroup
		wait.Go(act)
		eventually(t, what+" holds the stripe", func() bool {
			free := stripe.mu.TryLock()
			if free {
				stripe.mu.Unlock()
			}
			return !free
		})
		time.Sleep(10 * time.Millisecond) // whoever holds it for a look-up only has let go by now
		if stripe.mu.TryLock() {
			t.Errorf("%s: the stripe is free while history is looked at", what)
			stripe.mu.Unlock()
		}
		a.history.mu.Unlock()
		wait.Wait()
	}
}

// What is asked of no app, and of no history, is told apart.
func TestHistoryOfNothing(t *testing.T) {
	r := newRecorder(t, recording)
	if _, err := r.hub.History("nobody", "h", "", 1); !errors.Is(err, ErrNoApp) {
		t.Error(err)
	}
	if _, err := r.hub.History("1", "x", "", 1); !errors.Is(err, ErrNoHistory) {
		t.Error(err)
	}
}

// Section 2, on real loops: readers are cut off and come back while two backends
// publish. Whatever the timing, each reader's events are all of them, once and in order.
func TestResumeInParallel(t *testing.T) {
	const events, readers = 400, 6
	app := testApp
	app.History = []HistoryRule{{Pattern: "h", Size: events}}
	r := newRecorder(t, app)
	var wait sync.WaitGroup
	first := r.publish("h", "e")
	epoch, _, _ := strings.Cut(first, ":")
	for range 2 {
		wait.Go(func() {
			for range events / 2 {
				if err := r.hub.Publish("1", Event{Channels: []string{"h"}, Name: Quote("e"), Data: Quote("e")}); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Millisecond / 2)
			}
		})
	}
	for range readers {
		wait.Go(func() {
			serial := 1
			for serial < events {
				c, _ := pushtest.Connect(t, r.addr, "key")
				c.Send(fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"h","resume":"%s:%d"}}`, epoch, serial))
				if answer := c.Next(); !strings.Contains(answer, `"recovered":true`) {
					t.Errorf("after %d: %s", serial, answer)
					return
				}
				for range 40 {
					if serial == events+1 {
						break
					}
					serial++
					want := fmt.Sprintf(`{"event":"e","channel":"h","data":"e","id":"%s:%d"}`, epoch, serial)
					if got := c.Next(); got != want {
						t.Errorf("got %s, want %s", got, want)
						return
					}
				}
				c.Drop()
			}
		})
	}
	wait.Wait()
}
