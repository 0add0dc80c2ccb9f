package push

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// comeBack opens a stream as a client does that had l before.
func (l *listener) comeBack(t *testing.T, r *recorder, query string) *listener {
	t.Helper()
	l.conn.Close()
	again := tune(t, r.addr, query, "Last-Event-ID: "+l.id)
	again.id = l.id
	return again
}

// Section 2, 3: the id of an event is where the stream is, and whoever comes back
// with it gets what it missed, or is told that it cannot.
func TestStreamResumes(t *testing.T) {
	r := newRecorder(t, recording)
	l := tune(t, r.addr, "channels=h")
	a := r.publish("h", "a")
	l.expect(`{"event":"a","channel":"h","data":"a"}`)
	if l.id != a {
		t.Errorf("the id of %s is %s", a, l.id)
	}
	r.publish("h", "b", "c")
	l = l.comeBack(t, r, "channels=h")
	l.expect(`{"event":"b","channel":"h","data":"b"}`)
	if l.id == a {
		t.Error("an event of the past has no id")
	}
	l.expect(`{"event":"c","channel":"h","data":"c"}`)
	l.expect(`{"event":"roost:recovered","channel":"h","data":"{\"count\":2}"}`)
	id := r.publish("h", "d")
	l.expect(`{"event":"d","channel":"h","data":"d"}`)
	l = l.comeBack(t, r, "channels=h")
	l.expect(`{"event":"roost:recovered","channel":"h","data":"{\"count\":0}"}`)
	r.publish("h", "1", "2", "3", "4", "5", "6") // one more than are kept
	for range 6 {
		l.next()
	}
	l.id = id
	l = l.comeBack(t, r, "channels=h")
	l.expect(`{"event":"roost:gap","channel":"h","data":"{\"since\":\"` + id + `\"}"}`)
	last := r.publish("h", "e")
	l.expect(`{"event":"e","channel":"h","data":"e"}`)
	if l.id != last {
		t.Errorf("behind a gap the id is %s, want %s", l.id, last)
	}
	if stats := r.hub.Stats().History; stats.Recovered != 2 || stats.Gaps != 1 {
		t.Errorf("counted %+v", stats)
	}
	// A page that was loaded anew may say in the query where it was.
	l = tune(t, r.addr, "channels=h&last_event_id="+l.id)
	l.expect(`{"event":"roost:recovered","channel":"h","data":"{\"count\":0}"}`)
	// A channel whose rule is gone, or inventions, are gaps; and they stay in their place.
	for _, query := range []string{"channels=x&last_event_id=" + last, "channels=h&last_event_id=%0Adata:%20x%0A%0A", "channels=h&last_event_id=%22"} {
		l := tune(t, r.addr, query)
		if got := l.next(); !strings.HasPrefix(got, `{"event":"roost:gap"`) {
			t.Errorf("%s: %s", query, got)
		}
		r.publish("h", "f")
		r.publish("x", "f")
		if got := l.next(); !strings.HasPrefix(got, `{"event":"f"`) {
			t.Errorf("%s: then %s", query, got)
		}
	}
}

// Before the first event a client knows where it is, and misses none from there on.
func TestStreamKnowsItsPlaceAtOnce(t *testing.T) {
	r := newRecorder(t, recording)
	r.publish("h", "before")
	for _, query := range []string{"channels=h", "channels=x,h,h2"} {
		l := tune(t, r.addr, query)
		l.block()
		for range strings.Count(query, "h") - 1 { // one for each with history
			fields, err := l.block()
			if err != nil || len(fields) != 1 || !strings.HasPrefix(fields[0], "id: ") {
				t.Fatalf("%s: it goes on with %q, %v", query, fields, err)
			}
			l.id = strings.TrimPrefix(fields[0], "id: ")
		}
		l.conn.Close()
		eventually(t, "it is gone", func() bool { return r.hub.Stats().Connections == 0 })
		r.publish("h", "missed")
		l = l.comeBack(t, r, query)
		l.expect(`{"event":"missed","channel":"h","data":"missed"}`)
		l.conn.Close()
	}
}

// Rewind is for those who come for the first time.
func TestStreamRewinds(t *testing.T) {
	r := newRecorder(t, recording)
	r.publish("r", "a", "b", "c")
	l := tune(t, r.addr, "channels=r")
	l.expect(`{"event":"b","channel":"r","data":"b"}`)
	l.expect(`{"event":"c","channel":"r","data":"c"}`)
	l = l.comeBack(t, r, "channels=r")
	l.expect(`{"event":"roost:recovered","channel":"r","data":"{\"count\":0}"}`)
	r.publish("cache-r", "a", "b", "c")
	l = tune(t, r.addr, "channels=cache-r")
	l.expect(`{"event":"b","channel":"cache-r","data":"b"}`)
	l.expect(`{"event":"c","channel":"cache-r","data":"c"}`)
	r.publish("cache-h", "a", "b")
	l = tune(t, r.addr, "channels=cache-h")
	l.expect(`{"event":"b","channel":"cache-h","data":"b"}`)
	// Who comes back has the last one of a cache channel, or gets it once.
	r.publish("cache-h", "c")
	l.expect(`{"event":"c","channel":"cache-h","data":"c"}`)
	r.publish("cache-h", "d")
	l = l.comeBack(t, r, "channels=cache-h")
	l.expect(`{"event":"d","channel":"cache-h","data":"d"}`)
	l.expect(`{"event":"roost:recovered","channel":"cache-h","data":"{\"count\":1}"}`)
	l = l.comeBack(t, r, "channels=cache-h")
	l.expect(`{"event":"roost:recovered","channel":"cache-h","data":"{\"count\":0}"}`)
}

// A stream of several channels that is cut at any place, over and over, and comes
// back with the last id it knows, gets every event once, and those of a channel in order.
func TestStreamOfSeveralChannelsResumes(t *testing.T) {
	for seed := range uint64(10) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		app := recording
		app.History = []HistoryRule{{Pattern: "h*", Size: 1000}}
		r := newRecorder(t, app)
		names := []string{"h1", "plain", "h2", "h3"}
		query := "channels=" + strings.Join(names, ",")
		sent, got := map[string]int{}, map[string]int{}
		publish := func(n int) {
			for range n {
				name := names[rnd.IntN(len(names))]
				sent[name]++
				r.publish(name, fmt.Sprint(sent[name]))
			}
		}
		l := tune(t, r.addr, query)
		for range 4 { // retry, and an id for each channel with history
			fields, _ := l.block()
			l.id = strings.TrimPrefix(fields[0], "id: ")
		}
		for range 15 {
			publish(rnd.IntN(20))
			for range rnd.IntN(20) {
				if got["h1"]+got["h2"]+got["h3"] == sent["h1"]+sent["h2"]+sent["h3"] {
					break
				}
				l.take(got)
			}
			if rnd.IntN(2) == 0 {
				l = l.comeBack(t, r, query)
				got["plain"] = sent["plain"] // whatever was on its way is lost
				publish(rnd.IntN(5))
			}
		}
		for got["h1"]+got["h2"]+got["h3"] < sent["h1"]+sent["h2"]+sent["h3"] {
			l.take(got)
		}
		if stats := r.hub.Stats().History; stats.Gaps != 0 {
			t.Errorf("seed %d: %+v", seed, stats)
		}
	}
}

// take reads one event, which must be the next one of its channel.
func (l *listener) take(got map[string]int) {
	l.t.Helper()
	var e struct{ Event, Channel, Data string }
	text := l.next()
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		l.t.Fatal(err)
	}
	switch {
	case e.Event == "roost:recovered":
	case e.Channel == "plain":
	case e.Data == fmt.Sprint(got[e.Channel]+1):
		got[e.Channel]++
	default:
		l.t.Fatalf("%s, after %d", text, got[e.Channel])
	}
}

// What is lost on one of several channels is said of that one alone.
func TestGapOfOneAmongSeveral(t *testing.T) {
	r := newRecorder(t, recording)
	l := tune(t, r.addr, "channels=h1,h2")
	r.publish("h1", "a")
	l.next()
	l.conn.Close()
	r.publish("h1", "1", "2", "3", "4", "5", "6")
	r.publish("h2", "b")
	l = l.comeBack(t, r, "channels=h1,h2")
	if got := l.next(); !strings.HasPrefix(got, `{"event":"roost:gap","channel":"h1"`) {
		t.Error(got)
	}
	l.expect(`{"event":"b","channel":"h2","data":"b"}`)
	l.expect(`{"event":"roost:recovered","channel":"h2","data":"{\"count\":1}"}`)
	// Channels in another order are other places: nothing is taken for something else.
	l = l.comeBack(t, r, "channels=h2,h1")
	for range 2 {
		if got := l.next(); !strings.HasPrefix(got, `{"event":"roost:gap"`) {
			t.Error(got)
		}
	}
}
