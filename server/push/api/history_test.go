package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// recording is the app of the vectors with history for some channels.
func recording() push.App {
	config := app
	config.History = []push.HistoryRule{{Pattern: "h*", Size: 5, TTL: time.Hour}}
	return config
}

// Section 2: the reply stays what SDKs compare it with, byte for byte, and a
// header says the ids; a repeated call says those of the first.
func TestRoostID(t *testing.T) {
	h := audience(t, recording())
	first := post(h, `{"name":"e","channel":"h1","data":"x"}`)
	id := first.Header().Get("Roost-Id")
	epoch, serial, _ := strings.Cut(id, ":")
	if first.Code != 200 || first.Body.String() != "{}" || epoch == "" || serial != "1" {
		t.Fatalf("%d %s, id %q", first.Code, first.Body, id)
	}
	for body, want := range map[string]string{
		`{"name":"e","channels":["news","h1","h1","other"],"data":"x"}`: "-, " + epoch + ":2, -",
		`{"name":"e","channel":"news","data":"x"}`:                      "",
		`{"name":"e","channel":"h/1","data":"x"}`:                       "",
	} {
		if w := post(h, body); w.Header().Get("Roost-Id") != want {
			t.Errorf("%s: id %q, want %q", body, w.Header().Get("Roost-Id"), want)
		}
	}
	batch := callTo(h, "POST", "/apps/3/batch_events", `{"batch":[{"name":"e","channel":"h1","data":"x"},{"name":"f","channel":"h1","data":"x"}]}`, nil)
	if got, want := batch.Header().Get("Roost-Id"), epoch+":3, "+epoch+":4"; got != want {
		t.Errorf("batch: ids %q, want %q", got, want)
	}
	for range 3 {
		w := postWithKey(h, "k", `{"name":"once","channel":"h1","data":"x"}`)
		if got, want := w.Header().Get("Roost-Id"), epoch+":5"; got != want || w.Body.String() != "{}" {
			t.Errorf("repeated: %s with id %q, want %q", w.Body, got, want)
		}
	}
	if w := callTo(h, "GET", "/apps/3/channels/h1/history", "", nil); strings.Count(w.Body.String(), "once") != 1 {
		t.Errorf("a call that was made three times under one key left: %s", w.Body)
	}
}

// Section 2: what a channel keeps, whole and in pages; and what it cannot say.
func TestHistory(t *testing.T) {
	h := audience(t, recording())
	var ids []string
	for i := range 7 {
		w := post(h, fmt.Sprintf(`{"name":"e%d","channel":"h","data":{"n":%d}}`, i, i))
		ids = append(ids, w.Header().Get("Roost-Id"))
	}
	type answer struct {
		ID             string
		Complete, More bool
		Events         []struct {
			Event, Channel, Data, ID string
			TimeMS                   int64 `json:"time_ms"`
		}
	}
	ask := func(channel string, query map[string]string) (a answer, names string) {
		t.Helper()
		w := callTo(h, "GET", "/apps/3/channels/"+channel+"/history", "", query)
		expect(t, channel, w, 200)
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		for _, e := range a.Events {
			names += e.Event
		}
		return a, names
	}
	for _, c := range []struct {
		since, limit   string
		names          string
		complete, more bool
	}{
		{"", "", "e2e3e4e5e6", true, false},
		{"", "2", "e5e6", true, false},
		{ids[1], "", "e2e3e4e5e6", true, false},
		{ids[1], "3", "e2e3e4", true, true},
		{ids[4], "2", "e5e6", true, false},
		{ids[4], "1", "e5", true, true},
		{ids[6], "", "", true, false},
		{ids[0], "", "", false, false},
		{"x", "", "", false, false},
	} {
		query := map[string]string{}
		if c.since != "" {
			query["since"] = c.since
		}
		if c.limit != "" {
			query["limit"] = c.limit
		}
		a, names := ask("h", query)
		if names != c.names || a.Complete != c.complete || a.More != c.more || a.ID != ids[6] {
			t.Errorf("%+v: got %+v", c, a)
		}
	}
	a, _ := ask("h", nil)
	if e := a.Events[0]; e.Data != `{"n":2}` || e.Channel != "h" || e.ID != ids[2] || time.Since(time.UnixMilli(e.TimeMS)).Abs() > time.Hour {
		t.Errorf("got %+v", e)
	}
	if w := callTo(h, "GET", "/apps/3/channels/h9/history", "", nil); w.Body.String() != `{"id":null,"complete":true,"more":false,"events":[]}` {
		t.Errorf("a channel without events: %s", w.Body)
	}
	for target, query := range map[string]map[string]string{
		"news": nil, "h": {"limit": "0"}, "h1": {"limit": "1001"}, "h2": {"limit": "x"},
	} {
		expect(t, fmt.Sprint(target, query), callTo(h, "GET", "/apps/3/channels/"+target+"/history", "", query), 400)
	}
	expect(t, "not signed", do(h, "GET", "/apps/3/channels/h/history", ""), 401)
}
