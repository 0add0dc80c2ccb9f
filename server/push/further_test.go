package push

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// G6: what clients subscribe to has a limit over all of them. Everybody has one
// subscription, whatever others have; what is refused is counted, and what was given
// back can be had again.
func TestSubscriptionsOfAllAreBounded(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}, Subscriptions: 2})
	hog, _ := pushtest.Connect(t, addr, "key")
	for _, name := range []string{"a", "b", "c"} {
		hog.Subscribe(name)
	}
	hog.Send(`{"event":"pusher:subscribe","data":{"channel":"d"}}`)
	hog.Expect(`{"event":"pusher:subscription_error","channel":"d","data":{"type":"LimitReached","error":"The server is over its number of subscriptions","status":4100}}`)
	hog.Subscribe("a") // which it has

	other, _ := pushtest.Connect(t, addr, "key")
	other.Subscribe("x")
	other.Send(`{"event":"pusher:subscribe","data":{"channel":"y"}}`)
	other.Expect(`{"event":"pusher:subscription_error","channel":"y","data":{"type":"LimitReached","error":"The server is over its number of subscriptions","status":4100}}`)
	if got := h.Stats().SubscriptionsRefused; got != 2 {
		t.Errorf("%d are counted as refused, want 2", got)
	}

	// A stream asks for all of its channels at once.
	stream := func(channels string) int {
		t.Helper()
		r, err := http.Get("http://" + addr.String() + "/app/key/sse?channels=" + channels)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	if code := stream("s,t"); code != http.StatusServiceUnavailable {
		t.Errorf("a stream of two channels gets %d", code)
	}
	if code := stream("s"); code != http.StatusOK {
		t.Errorf("a stream of one channel gets %d", code)
	}

	hog.Send(`{"event":"pusher:unsubscribe","data":{"channel":"a"}}`)
	hog.Ping()
	other.Subscribe("y")
	hog.Drop()
	other.Drop()
	eventually(t, "all is given back", func() bool { return h.further.taken.Load() == 0 && h.Stats().Subscriptions == 0 })
}

// A session that comes and goes in every order takes what it gives back, also
// where the channel refuses.
func TestFurtherIsGivenBack(t *testing.T) {
	app := testApp
	app.Limits.PresenceMembers = 1
	a, _ := stage(t, 1, app)
	sh := a.hub.shards[0]
	var sessions []*session
	for i := range 3 {
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		sessions = append(sessions, s)
		for _, name := range []string{"a", "presence-p", "b"} {
			s.join(sh, name, &identity{id: fmt.Sprint(i)}, catchUp{})
		}
	}
	if got := a.hub.further.taken.Load(); got != 2+1+1 { // only the first is on the presence channel
		t.Fatalf("%d are taken, want 4", got)
	}
	for _, s := range sessions {
		for len(s.subs) > 0 {
			s.leave(sh, 0)
		}
	}
	if got := a.hub.further.taken.Load(); got != 0 {
		t.Errorf("%d are taken when all have left", got)
	}
}

// A subscription takes no more memory than is said of it, when each has a channel
// of its own with the longest name.
func TestSubscriptionBytes(t *testing.T) {
	const clients, each = 200, DefaultChannelsPerConnection
	a, _ := stage(t, 1)
	sh := a.hub.shards[0]
	sessions := make([]*session, clients)
	before := liveHeap()
	for i := range sessions {
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		sessions[i] = s
		for j := range each {
			name := fmt.Sprintf("%d-%d-", i, j)
			if _, no := s.join(sh, name+strings.Repeat("x", MaxChannelName-len(name)), nil, catchUp{}); no != nil {
				t.Fatal(no.message)
			}
		}
	}
	per := float64(liveHeap()-before) / (clients * each)
	if per > SubscriptionBytes || per < SubscriptionBytes/3 {
		t.Errorf("a subscription takes %.0f bytes, and is said to take %d at most", per, SubscriptionBytes)
	}
	runtime.KeepAlive(sessions)
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Events that wait have a limit of memory, too: of large ones there may be fewer.
func TestBacklogBytesAreBounded(t *testing.T) {
	a, _ := stage(t, 2)
	h := a.hub
	h.backlogBytes = 50 << 10
	for i := range 4 {
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		s.join(h.shards[i%2], "a", nil, catchUp{})
	}
	large := Event{Channels: []string{"a"}, Name: Quote("e"), Data: Quote(strings.Repeat("x", 9<<10))}
	var fault *EventError
	n := 0
	for ; n < 10; n++ {
		if err := h.Publish("1", large); errors.As(err, &fault) && fault.Fault == Overloaded {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n != 2 { // each counts once, however many loops it is for
		t.Errorf("%d events of 9 KiB may wait in 50 KiB", n)
	}
	if got := h.Stats().PendingBytes; got < h.backlogBytes || got > h.backlogBytes+30<<10 {
		t.Errorf("%d bytes are said to wait", got)
	}
	for _, sh := range h.shards {
		for sh.pending.Load() > 0 {
			sh.run()
		}
	}
	if got := h.Stats().PendingBytes; got != 0 {
		t.Errorf("%d bytes are said to wait when nothing does", got)
	}
	if err := h.Publish("1", large); err != nil {
		t.Error(err)
	}
}
