package push

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// seen waits for the next happening and describes it.
func seen(t *testing.T, w *Watch) string {
	t.Helper()
	select {
	case h, ok := <-w.Happenings():
		if !ok {
			return "over"
		}
		if h.At.IsZero() {
			t.Error("a happening without a time")
		}
		return fmt.Sprintf("%s channel=%s event=%s data=%s socket=%s user=%s", h.Kind, h.Channel, h.Event, h.Data, h.SocketID, h.UserID)
	case <-time.After(10 * time.Second):
		t.Fatal("nothing happens")
		return ""
	}
}

// A watch shows everything that happens in its app, in order, and nothing of another.
func TestWatch(t *testing.T) {
	app, other := testApp, App{ID: "2", Key: "other", Secret: "s"}
	app.ClientEvents = true
	h, addr := start(t, Config{Apps: []App{app, other}})
	w, err := h.Watch("1")
	if err != nil {
		t.Fatal(err)
	}
	pushtest.Connect(t, addr, "other")
	c, id := pushtest.Connect(t, addr, "key")
	const who = `{"user_id":"u1"}`
	c.SubscribeAs("key", "secret", id, "presence-room", who)
	c.Next()
	c.Send(`{"event":"client-hi","channel":"presence-room","data":{"a":1}}`)
	c.Ping()
	publish(t, h, "presence-room", "news", "<b>"+strings.Repeat("ü", watchDataBytes))
	c.Next()
	c.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-room"}}`)
	c.Ping()
	c.Drop()
	for _, want := range []string{
		"connected channel= event= data= socket=" + id + " user=",
		"subscribed channel=presence-room event= data= socket=" + id + " user=",
		`client_event channel=presence-room event=client-hi data={"a":1} socket=` + id + " user=u1",
		"event channel=presence-room event=news data=<b>" + strings.Repeat("ü", (watchDataBytes-3)/2) + "… socket= user=",
		"unsubscribed channel=presence-room event= data= socket=" + id + " user=",
		"disconnected channel= event= data= socket=" + id + " user=",
	} {
		if got := seen(t, w); got != want {
			t.Fatalf("got  %.200s\nwant %.200s", got, want)
		}
	}
	events, err := h.Watch("1", WatchEvent, WatchClientEvent)
	if err != nil {
		t.Fatal(err)
	}
	quiet, _ := pushtest.Connect(t, addr, "key")
	quiet.Subscribe("news")
	publish(t, h, "news", "e", "x")
	if got := seen(t, events); got != "event channel=news event=e data=x socket= user=" {
		t.Errorf("who wants to see events sees %s", got)
	}
	events.Close()
	for range 3 {
		seen(t, w)
	}
	w.Close()
	w.Close() // does nothing
	if got := seen(t, w); got != "over" {
		t.Errorf("after Close: %s", got)
	}
	if h.apps.Load().byID["1"].watchers.Load() != nil {
		t.Error("an app that nobody watches has a list of who does")
	}
}

// What is too much for a person is counted and not shown: by the second, and
// when nobody looks.
func TestWatchIsBounded(t *testing.T) {
	a, _ := stage(t, 1)
	h := a.hub
	clock := newTestClock(h)
	w, err := h.Watch("1")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 5 * watchRate {
		publish(t, h, "news", "e", "x")
	}
	if n, skipped := len(w.items), w.Skipped(); n != watchRate || skipped != 4*watchRate {
		t.Errorf("%d shown and %d skipped in no time, want %d and %d", n, skipped, watchRate, 4*watchRate)
	}
	for range 10 {
		clock.advance(time.Second)
		for range watchRate {
			publish(t, h, "news", "e", "x")
		}
	}
	if n := len(w.items); n != watchQueue {
		t.Errorf("%d wait for one who does not look, want %d", n, watchQueue)
	}
}

func TestTooManyWatches(t *testing.T) {
	a, _ := stage(t, 1)
	if _, err := a.hub.Watch("nobody"); !errors.Is(err, ErrNoApp) {
		t.Errorf("an app that is not there: %v", err)
	}
	var all []*Watch
	for range MaxWatches {
		w, err := a.hub.Watch("1")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	if _, err := a.hub.Watch("1"); !errors.Is(err, ErrTooManyWatches) {
		t.Errorf("one more than there may be: %v", err)
	}
	all[3].Close()
	w, err := a.hub.Watch("1")
	if err != nil {
		t.Errorf("after one has left: %v", err)
	}
	publish(t, a.hub, "news", "e", "x")
	if len(w.items) != 1 || len(all[0].items) != 1 || len(all[3].items) != 0 {
		t.Error("not exactly those who watch were told")
	}
}

// While nobody watches, an event costs no more memory than its delivery.
func TestNobodyWatchesForFree(t *testing.T) {
	a, _ := stage(t, 1)
	made := 0
	happening := func() Happening { made++; return Happening{} }
	if n := testing.AllocsPerRun(100, func() { a.show(WatchEvent, happening) }); n != 0 || made != 0 {
		t.Errorf("%v allocations, and %d descriptions were made", n, made)
	}
}
