package push

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// recording is an app of which channels that begin with h keep their history,
// and those with r rewind, too.
var recording = App{
	ID: "1", Key: "key", Secret: "secret", ClientEvents: true,
	History: []HistoryRule{
		{Pattern: "h*", Size: 5, TTL: time.Minute},
		{Pattern: "private-h*", Size: 5, ClientEvents: true},
		{Pattern: "private-s*"},
		{Pattern: "cache-h*", Size: 5, TTL: time.Minute},
		{Pattern: "presence-h*", Size: 5},
		{Pattern: "#server-to-user-*", Size: 5},
		{Pattern: "cache-r*", Size: 5, TTL: time.Minute, Rewind: Rewind{Count: 2, Age: 30 * time.Second}},
		{Pattern: "r*", Size: 5, TTL: time.Minute, Rewind: Rewind{Count: 2, Age: 30 * time.Second}},
	},
}

// recorder is a hub with history, its clock, and clients of it.
type recorder struct {
	t     *testing.T
	hub   *Hub
	clock *testClock
	addr  net.Addr

	readers []*reader
}

func newRecorder(t *testing.T, app App) *recorder {
	t.Helper()
	h, err := New(Config{Apps: []App{app}})
	if err != nil {
		t.Fatal(err)
	}
	clock := newTestClock(h)
	return &recorder{t: t, hub: h, clock: clock, addr: serve(t, h)}
}

func (r *recorder) open() *reader {
	r.t.Helper()
	c, id := pushtest.Connect(r.t, r.addr, "key")
	r.readers = append(r.readers, &reader{r.t, c, id})
	return r.readers[len(r.readers)-1]
}

// publish publishes events whose data is their name, and returns the last id.
func (r *recorder) publish(channel string, names ...string) (id string) {
	r.t.Helper()
	for _, name := range names {
		ids, err := r.hub.PublishIDs("1", Event{Channels: []string{channel}, Name: Quote(name), Data: Quote(name)})
		if err != nil {
			r.t.Fatal(err)
		}
		id = ids[0]
	}
	return id
}

// leaveAll drops all clients that are still there.
func (r *recorder) leaveAll() {
	r.t.Helper()
	for _, c := range r.readers {
		c.Drop()
	}
	r.readers = nil
	eventually(r.t, "all have left", func() bool { return r.hub.Stats().Connections == 0 })
}

// reader is a client that looks at ids.
type reader struct {
	t *testing.T
	*pushtest.Client
	id string // its socket_id
}

// resumed is what subscription_succeeded says about history.
type resumed struct {
	ID        string
	Recovered bool
	Count     int
}

// subscribe subscribes with a resume field, which is JSON, and returns the answer's.
func (c *reader) subscribe(channel, resume string) (got *resumed) {
	c.t.Helper()
	auth := pushtest.Sign("secret", c.id+":"+channel)
	c.Send(fmt.Sprintf(`{"event":"pusher:subscribe","data":{"channel":"%s","auth":"key:%s","resume":%s}}`, channel, auth, resume))
	var answer struct {
		Event  string
		Resume *resumed
	}
	text := c.Next()
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Event != "pusher_internal:subscription_succeeded" {
		c.t.Fatalf("%s: %v", text, err)
	}
	return answer.Resume
}

// names reads n events and returns their names; each has an id if ids says so.
func (c *reader) names(n int, ids bool) string {
	c.t.Helper()
	var names []string
	for range n {
		text := c.Next()
		var e struct{ Event, ID string }
		if err := json.Unmarshal([]byte(text), &e); err != nil || (e.ID != "") != ids {
			c.t.Fatalf("%s: %v, with an id: want %v", text, err, ids)
		}
		names = append(names, e.Event)
	}
	return strings.Join(names, " ")
}

// expect reads what a subscriber gets whose answer was got.
func (c *reader) expect(got *resumed, recovered bool, names string) {
	c.t.Helper()
	want := strings.Fields(names)
	if got == nil || got.Recovered != recovered || got.Count != len(want) {
		c.t.Fatalf("%+v, want recovered %v with %q", got, recovered, names)
	}
	if all := c.names(len(want), true); all != names {
		c.t.Fatalf("got %q, want %q", all, names)
	}
	c.Ping() // and nothing else
}

// Section 2: who asks gets ids; everybody else gets the very bytes that the
// protocol says, on the same channel.
func TestIDsAreForThoseWhoAsk(t *testing.T) {
	r := newRecorder(t, recording)
	asks, stock := r.open(), r.open()
	got := asks.subscribe("h", `true`)
	stock.Subscribe("h")
	asks.expect(got, false, "")
	id := r.publish("h", "e")
	stock.Expect(`{"event":"e","channel":"h","data":"e"}`)
	asks.Expect(`{"event":"e","channel":"h","data":"e","id":"` + id + `"}`)
	if epoch, serial, _ := strings.Cut(id, ":"); serial != "1" || got.ID != epoch+":0" {
		t.Errorf("the first event is %s after %s", id, got.ID)
	}
	// A channel without history, and a client that does not want any.
	for _, c := range []struct{ channel, resume string }{{"x", `true`}, {"x", `"a:1"`}, {"h2", `null`}, {"h3", `false`}, {"h4", `{}`}} {
		if got := asks.subscribe(c.channel, c.resume); got != nil {
			t.Errorf("%s with resume %s: %+v", c.channel, c.resume, got)
		}
		r.publish(c.channel, "e")
		asks.Expect(`{"event":"e","channel":"` + c.channel + `","data":"e"}`)
	}
	// What makes no sense is told, and subscribes nobody.
	for _, resume := range []string{`1`, `[]`, `{"id":{}}`, `{"id":"a:1","id":"a:2"}`, `{"socket_ids":[1,2,3,4,5,6,7,8,9]}`} {
		asks.Send(`{"event":"pusher:subscribe","data":{"channel":"h9","resume":` + resume + `}}`)
		if text := asks.Next(); !strings.Contains(text, "pusher:error") || !strings.Contains(text, "resume") {
			t.Errorf("resume %s: %s", resume, text)
		}
	}
	// Who is subscribed already has missed nothing, and may still want ids.
	if got := stock.subscribe("h", `true`); got != nil {
		t.Errorf("a second subscribe says %+v about the past", got)
	}
	stock.Subscribe("h6")
	stock.subscribe("h6", `true`)
	id = r.publish("h6", "e")
	stock.names(1, true)
	for range 3 { // it is known where it is for as long as it is there
		r.clock.advance(time.Minute)
	}
	asks.expect(asks.subscribe("h6", `"`+id+`"`), true, "")
}

// Section 2: a client that was away gets everything it missed, in order, and
// then what comes; or it is told that it cannot, and gets nothing of it.
func TestResume(t *testing.T) {
	r := newRecorder(t, recording)
	first := r.publish("h", "a")
	r.publish("h", "b", "c", "d")
	last := r.publish("h", "e")
	resume := func(id string) (*reader, *resumed) {
		c := r.open()
		return c, c.subscribe("h", `"`+id+`"`)
	}
	c, got := resume(first)
	c.expect(got, true, "b c d e")
	if got.ID != last {
		t.Errorf("the channel is at %s, want %s", got.ID, last)
	}
	r.publish("h", "f") // the sixth: the first is gone, and who has it misses nothing
	c.names(1, true)
	c, got = resume(first)
	c.expect(got, true, "b c d e f")
	c, got = resume(last)
	c.expect(got, true, "f")
	head := got.ID
	c, got = resume(head)
	c.expect(got, true, "")
	epoch, _, _ := strings.Cut(head, ":")
	for _, id := range []string{epoch + ":0", epoch + ":7", "1:6", epoch, epoch + ":", ":6", epoch + ":06", epoch + ":+6", strings.ToUpper(epoch) + ":6", head + " ", "x", epoch + ":18446744073709551616"} {
		c, got = resume(id)
		c.expect(got, false, "")
		if got.ID != head {
			t.Errorf("after a gap the channel is at %s, want %s", got.ID, head)
		}
	}
	// Objects say more, and mean the same.
	c = r.open()
	c.expect(c.subscribe("h", `{"id":"`+last+`","socket_ids":["1.2","nonsense",3]}`), true, "f")
	c = r.open()
	c.expect(c.subscribe("h", `{"id":true}`), false, "")
	if stats := r.hub.Stats().History; stats.Recovered != 5 || stats.Gaps != 12 {
		t.Errorf("counted %+v", stats)
	}
}

// Section 2: events are kept for their time with subscribers and without, and a
// client that was there all the time has no gap, however quiet it was.
func TestHistoryExpires(t *testing.T) {
	r := newRecorder(t, recording)
	r.publish("h", "a")
	c := r.open()
	at := c.subscribe("h", `true`).ID
	id := r.publish("h", "b")
	c.names(1, true)
	r.clock.advance(time.Minute - 1)
	again := r.open()
	again.expect(again.subscribe("h", `"`+at+`"`), true, "b")
	r.clock.advance(1)
	again = r.open()
	again.expect(again.subscribe("h", `"`+at+`"`), false, "")
	for range 5 {
		r.clock.advance(time.Minute)
	}
	again = r.open()
	again.expect(again.subscribe("h", `"`+id+`"`), true, "")
	// Nobody is there any more: the position lives as long as an event would.
	r.clock.advance(30 * time.Second)
	r.leaveAll()
	r.clock.advance(time.Minute - 1)
	if stats := r.hub.Stats().History; stats.Channels != 1 || stats.Bytes != ringOverhead {
		t.Errorf("kept %+v", stats)
	}
	r.clock.advance(1)
	if stats := r.hub.Stats().History; stats.Channels != 0 || stats.Bytes != 0 {
		t.Errorf("still kept: %+v", stats)
	}
	again = r.open()
	again.expect(again.subscribe("h", `"`+id+`"`), false, "")
	// Without ids nobody has a position that would have to be kept.
	r.publish("h2", "a")
	r.open().Subscribe("h2")
	r.clock.advance(time.Minute)
	if stats := r.hub.Stats().History; stats.Channels != 1 {
		t.Errorf("kept %+v, want h alone", stats)
	}
}

// An event that was published while no rule kept it must not seem never to have
// been, when there is a rule again. Other changes of the rules leave what they can.
func TestHistoryOutlivesItsRules(t *testing.T) {
	r := newRecorder(t, recording)
	configure := func(rules ...HistoryRule) {
		t.Helper()
		app := recording
		app.History = rules
		if err := r.hub.SetApps([]App{app}); err != nil {
			t.Fatal(err)
		}
	}
	resume := func(id string, recovered bool, names string) {
		t.Helper()
		c := r.open()
		c.expect(c.subscribe("h", `"`+id+`"`), recovered, names)
	}
	a := r.publish("h", "a")
	c := r.publish("h", "b", "c")
	configure(HistoryRule{Pattern: "h", Size: 50})
	r.publish("h", "d")
	resume(a, true, "b c d")
	configure(HistoryRule{Pattern: "*", Size: 2})
	resume(a, false, "")
	e := r.publish("h", "e")
	resume(c, true, "d e")
	configure()
	if got := r.open().subscribe("h", `"`+c+`"`); got != nil {
		t.Errorf("without a rule: %+v", got)
	}
	r.publish("h", "f")
	configure(HistoryRule{Pattern: "h"})
	resume(e, false, "")
	r.publish("h", "g")
	resume(e, false, "")
}

// 1.10 and section 2: who resumes has the last event of a cache channel, or gets
// it once; everybody else gets it as ever.
func TestResumeOnCacheChannels(t *testing.T) {
	r := newRecorder(t, recording)
	c := r.open()
	at := c.subscribe("cache-h", `true`)
	c.Expect(`{"event":"pusher:cache_miss","channel":"cache-h","data":"{}"}`)
	r.publish("cache-h", "a", "b")
	c.names(2, true)
	c = r.open()
	c.expect(c.subscribe("cache-h", `"`+at.ID+`"`), true, "a b")
	c = r.open()
	head := c.subscribe("cache-h", `""`)
	c.names(1, false)
	c.expect(head, false, "")
	c = r.open()
	c.expect(c.subscribe("cache-h", `"`+head.ID+`"`), true, "")
	c = r.open()
	got := c.subscribe("cache-h", `"x:1"`) // a gap is no reason to withhold the state of things
	c.names(1, false)
	c.expect(got, false, "")
	c = r.open()
	c.Subscribe("cache-h")
	c.Expect(`{"event":"b","channel":"cache-h","data":"b"}`)
	c.Ping()
}

// Section 2: stock clients get the last events after they have subscribed, as
// many and as old as the rule says, and those of a cache channel once.
func TestRewind(t *testing.T) {
	r := newRecorder(t, recording)
	r.open().Subscribe("r") // nothing is there, nothing comes
	r.publish("r", "a")
	r.clock.advance(20 * time.Second)
	r.publish("r", "b", "c")
	rewound := func(channel, names string) {
		t.Helper()
		c := r.open()
		c.Subscribe(channel)
		if got := c.names(len(strings.Fields(names)), false); got != names {
			t.Fatalf("%s: got %q, want %q", channel, got, names)
		}
		c.Ping()
	}
	rewound("r", "b c")
	r.clock.advance(20 * time.Second)
	r.publish("r", "d")
	r.clock.advance(15 * time.Second)
	rewound("r", "d")
	r.publish("cache-r", "a", "b", "c")
	rewound("cache-r", "b c")
	r.clock.advance(31 * time.Second)
	rewound("r", "")
	rewound("cache-r", "c") // the cache keeps it longer
	// Those who ask for ids are rewound on their first visit, and never twice.
	id := r.publish("r", "e", "f", "g")
	c := r.open()
	got := c.subscribe("r", `true`)
	c.expect(got, false, "f g")
	c = r.open()
	c.expect(c.subscribe("r", `"`+id+`"`), true, "")
	c = r.open()
	c.expect(c.subscribe("r", `"x:1"`), false, "")
}

// 1.12 and section 2: an event that was not for a connection has its serial all
// the same, is not for the one that takes its place, and is no gap.
func TestResumeOfExcluded(t *testing.T) {
	r := newRecorder(t, recording)
	c, other := r.open(), r.open()
	at := c.subscribe("h", `true`).ID
	other.subscribe("h", `true`)
	publish := func(name string) string {
		exclude, _ := ParseSocketID(c.id)
		ids, err := r.hub.PublishIDs("1", Event{Channels: []string{"h"}, Name: Quote(name), Data: Quote(name), Exclude: exclude})
		if err != nil {
			t.Fatal(err)
		}
		return ids[0]
	}
	for i := range 8 { // more than are kept
		at = publish(fmt.Sprint("own", i))
		c.Expect(`{"event":"pusher_internal:position","channel":"h","id":"` + at + `"}`)
		other.names(1, true)
	}
	c.Drop()
	publish("own8")
	r.publish("h", "others")
	publish("own9")
	again := r.open()
	again.expect(again.subscribe("h", `{"id":"`+at+`","socket_ids":["`+c.id+`"]}`), true, "others")
	// A stranger to these events gets them.
	again = r.open()
	again.expect(again.subscribe("h", `"`+at+`"`), true, "own8 others own9")
}

// Section 2: on presence channels, users' own channels and for client events
// where the rule says so.
func TestResumeOnOtherChannels(t *testing.T) {
	r := newRecorder(t, recording)
	presence := func(c *reader, user, resume string) *resumed {
		data := `{\"user_id\":\"` + user + `\"}`
		auth := pushtest.Sign("secret", c.id+`:presence-h:{"user_id":"`+user+`"}`)
		c.Send(`{"event":"pusher:subscribe","data":{"channel":"presence-h","auth":"key:` + auth + `","channel_data":"` + data + `","resume":` + resume + `}}`)
		var answer struct{ Resume *resumed }
		if err := json.Unmarshal([]byte(c.Next()), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Resume
	}
	c := r.open()
	at := presence(c, "a", `true`).ID
	r.publish("presence-h", "a", "b")
	d := r.open()
	d.expect(presence(d, "b", `"`+at+`"`), true, "a b")
	if got := c.names(2, true) + c.names(1, false); got != "a bpusher_internal:member_added" {
		t.Errorf("got %q", got)
	}

	c = r.open()
	c.SignIn("key", "secret", c.id, `{"id":"ann"}`)
	c.Next()
	id := r.publish("#server-to-user-ann", "a")
	c.expect(c.subscribe("#server-to-user-ann", `"`+id+`"`), true, "")

	for channel, want := range map[string]string{"private-h": "client-a b", "private-s": "b"} {
		c, d = r.open(), r.open()
		at = c.subscribe(channel, `true`).ID
		d.subscribe(channel, `true`)
		d.Send(`{"event":"client-a","channel":"` + channel + `","data":1}`)
		d.Send(`{"event":"client-a","channel":"` + channel + `","data":1}`)
		c.names(1, channel == "private-h")
		c.names(1, channel == "private-h")
		c.Drop()
		d.Drop()
		r.publish(channel, "b")
		c = r.open()
		if channel == "private-h" {
			want = "client-a " + want
		}
		c.expect(c.subscribe(channel, `"`+at+`"`), true, want)
	}
}

// What a client missed and there is no room for is a gap: it must not be closed
// as a slow consumer, come back and ask for it again, for ever.
func TestResumeFindsNoRoom(t *testing.T) {
	app := recording
	app.Limits = AppLimits{DataBytes: 150_000, HistoryChannelBytes: 10 << 20}
	r := newRecorder(t, app)
	c := r.open()
	at := c.subscribe("h", `true`).ID
	rewind := c.subscribe("r", `true`)
	data := Quote(strings.Repeat("x", 150_000))
	for i := range 4 {
		if err := r.hub.Publish("1", Event{Channels: []string{"h", "r"}, Name: Quote(fmt.Sprint(i)), Data: data}); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			again := r.open()
			again.expect(again.subscribe("h", `"`+at+`"`), true, "0 1 2")
		}
	}
	c = r.open()
	c.expect(c.subscribe("h", `"`+at+`"`), false, "")
	c.expect(c.subscribe("r", `"`+rewind.ID+`"`), false, "")
}
