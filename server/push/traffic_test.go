package push

import (
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// What an app's connections do is counted for that app and no other, and an
// event once for each of its subscribers.
func TestAppStats(t *testing.T) {
	other := App{ID: "2", Key: "other", Secret: "s"}
	limited := testApp
	limited.Limits.Connections = 2
	h, addr := start(t, Config{Apps: []App{limited, other}})
	a, _ := pushtest.Connect(t, addr, "key")
	b, _ := pushtest.Connect(t, addr, "key")
	pushtest.Open(t, addr, "/app/key?protocol=7").Next() // is refused
	a.Subscribe("news")
	b.Subscribe("news")
	b.Subscribe("left")
	b.Send(`{"event":"pusher:unsubscribe","data":{"channel":"left"}}`)
	publish(t, h, "news", "e", "x")
	const frame = `{"event":"e","channel":"news","data":"x"}`
	a.Expect(frame)
	b.Expect(frame)
	a.Ping()
	b.Ping()

	const subscribed = 2 * len(`{"event":"pusher:subscribe","data":{"auth":"","channel":"news"}}`)
	const rest = len(`{"event":"pusher:subscribe","data":{"auth":"","channel":"left"}}`) +
		len(`{"event":"pusher:unsubscribe","data":{"channel":"left"}}`) + 2*len(`{"event":"pusher:ping","data":{}}`)
	want := AppStats{
		ID: "1", Connections: 2, Channels: 1, Subscriptions: 2, Opened: 2, Subscribed: 3, Published: 1,
		Received: 6, ReceivedBytes: uint64(subscribed + rest), Sent: 2, SentBytes: 2 * uint64(len(frame)), RefusedConnections: 1,
	}
	byID := func() map[string]AppStats {
		all := make(map[string]AppStats)
		for _, s := range h.AppStats() {
			all[s.ID] = s
		}
		return all
	}
	// What was sent is added up after the subscribers have it.
	eventually(t, "the event to be counted", func() bool { return byID()["1"].Sent == 2 })
	if got := byID()["1"]; got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := byID()["2"]; got != (AppStats{ID: "2"}) {
		t.Errorf("the other app has %+v", got)
	}
	b.Drop()
	eventually(t, "the end to be counted", func() bool { return byID()["1"].Closed == 1 })
	want.Connections, want.Subscriptions, want.Closed = 1, 1, 1
	if got := byID()["1"]; got != want {
		t.Errorf("after an end: got  %+v\nwant %+v", got, want)
	}
	// An app that is gone is shown for as long as it has connections.
	if err := h.SetApps([]App{other}); err != nil {
		t.Fatal(err)
	}
	if len(byID()) != 2 {
		t.Errorf("the app that went is not shown: %+v", byID())
	}
	a.Drop()
	eventually(t, "the app to be gone", func() bool { return len(byID()) == 1 })
}

// An event is in the histogram once, when the last loop is through with it,
// and not at all when it had no subscriber.
func TestLatency(t *testing.T) {
	a, _ := stage(t, 2)
	h := a.hub
	for loop := range 2 {
		s := &session{app: a, conn: new(server.Conn)}
		s.conn.SetValue(s)
		if _, no := s.join(h.shards[loop], "news", nil, catchUp{}); no != nil {
			t.Fatal(no)
		}
	}
	count := func() (n uint64) {
		for _, c := range h.Latency().Counts {
			n += c
		}
		return n
	}
	e := Event{Channels: []string{"nobody", "news"}, Name: Quote("e"), Data: Quote("x")}
	if err := h.Publish("1", e); err != nil {
		t.Fatal(err)
	}
	h.shards[0].run()
	if n := count(); n != 0 {
		t.Errorf("%d events in the histogram with one loop to come", n)
	}
	h.shards[1].run()
	if n := count(); n != 1 {
		t.Errorf("%d events in the histogram, want 1", n)
	}
}

// Each duration is in the first bucket whose bound it does not exceed.
func TestLatencyBuckets(t *testing.T) {
	h, err := New(Config{Apps: []App{testApp}})
	if err != nil {
		t.Fatal(err)
	}
	s := &shard{}
	h.shards = append(h.shards, s)
	bounds := h.Latency().Bounds
	for i, bound := range bounds {
		s.latencies.add(bound)
		s.latencies.add(bound + 1)
		counts := h.Latency().Counts
		if counts[i] != map[bool]uint64{true: 1, false: 2}[i == 0] || counts[i+1] != 1 {
			t.Errorf("%v and a nanosecond more: %v", bound, counts)
		}
	}
	s.latencies.add(time.Hour)
	if counts := h.Latency().Counts; counts[len(bounds)] != 2 {
		t.Errorf("an hour: %v", counts)
	}
	var want time.Duration
	for _, bound := range bounds {
		want += 2*bound + 1
	}
	if got := h.Latency().Sum; got != want+time.Hour {
		t.Errorf("sum %v, want %v", got, want+time.Hour)
	}
}

// Connections that ended are remembered with the reason, those that were refused
// without an app; codes that clients make up count under their range.
func TestEndings(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	stranger := pushtest.Open(t, addr, "/app/nobody?protocol=7")
	stranger.Next()
	stranger.ExpectClose(4001)
	stranger.Drop()
	eventually(t, "the refusal", func() bool { return h.Endings().Counts[4001] == 1 })
	if got := h.Endings().Recent[0]; got.App != "" || got.How.Code != 4001 {
		t.Errorf("the refusal is %+v, %v", got, got.How)
	}
	c, id := pushtest.Connect(t, addr, "key")
	c.SendFrame(pushtest.Close, []byte{0x13, 0x87, '<', 'b', '>'}) // 4999
	c.ExpectClose(4999)
	eventually(t, "the ending", func() bool { return h.Endings().Counts[4000] == 1 })
	all := h.Endings()
	last := all.Recent[0]
	if last.App != "1" || last.SocketID.String() != id || last.How.Code != 4999 || last.How.Reason != "<b>" || !last.How.Remote {
		t.Errorf("the last ending is %+v, %v", last, last.How)
	}
	for range 3 * endingsKept {
		h.shards[0].endings.add(Ending{At: time.Unix(1, 0), How: &server.CloseError{Code: 4201}})
	}
	all = h.Endings()
	if all.Counts[4201] != 3*endingsKept || len(all.Recent) > 2*endingsKept {
		t.Errorf("%d endings with 4201, %d remembered of %d", all.Counts[4201], len(all.Recent), 2*endingsKept)
	}
	for code, want := range map[server.StatusCode]server.StatusCode{
		1000: 1000, 1006: 1006, 1012: 1002, 2999: 1002, 3000: 3000, 3999: 3000, 4000: 4000, 4001: 4001, 4002: 4000, 4999: 4000,
	} {
		if got := endingCodes[endingCode(code)]; got != want {
			t.Errorf("%d counts as %d, want %d", code, got, want)
		}
	}
}
