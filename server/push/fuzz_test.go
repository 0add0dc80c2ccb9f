package push

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// FuzzPusherEvent reads a client's message as far as the protocol goes. Nothing a
// client sends makes that fail in another way than with an answer, and every
// answer is one JSON object in UTF-8, whatever it repeats of the question.
func FuzzPusherEvent(f *testing.F) {
	for _, text := range nonsense {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}
	for _, text := range []string{
		`{"event":"pusher:ping","data":{}}`,
		`{"event":"pusher:subscribe","data":{"channel":"a","auth":""}}`,
		`{"event":"pusher:subscribe","data":"{\"channel\":\"private-\\ud800\"}"}`,
		`{"event":"pusher:subscribe","data":{"channel":"\u0000\ud83d\ude00\/","auth":"key:00"}}`,
		`{"event":"pusher:subscribe","data":{"channel":"presence-x","auth":"key:00","channel_data":"{}"}}`,
		`{"event":"pusher:subscribe","data":{"channel":"a","resume":"k3v9x2:17"}}`,
		`{"event":"pusher:subscribe","data":{"channel":"a","resume":{"id":true,"socket_ids":["1.2",3,"\u0031.2"]}}}`,
		`{"event":"pusher:unsubscribe","data":{"channel":"a"}}`,
		`{"event":"pusher:signin","data":{"auth":"key:00","user_data":"{\"id\":\"1\",\"watchlist\":[\"2\",3]}"}}`,
		`{"event":"pusher:signin","data":"{\"auth\":1,\"user_data\":{}}"}`,
		`{"event":"client-x","channel":"private-a","data":{"a":[1e9]}}`,
		`{"event":"client-\ud800","channel":["private-a"],"data":"\u0022"}`,
		`{"event":"pusher:subscribe","data":{"channel":"#server-to-user-\ud83d\"","auth":null}}`,
	} {
		f.Add([]byte(text))
	}
	table, err := (&apps{}).replace(&Hub{}, []App{testApp})
	if err != nil {
		f.Fatal(err)
	}
	config := chatty.withDefaults()
	onPrivate := []subscription{{roster: &roster{channel: &channel{name: "private-a"}}}}
	s := &session{app: table.byID["1"], subs: onPrivate}
	if frame := reply(s, &config, []byte(`{"event":"client-x","channel":"private-a","data":[1]}`)); string(frame) != `{"event":"client-x","channel":"private-a","data":"[1]"}` {
		f.Fatalf("a client's event is relayed as %q", frame)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		s := &session{app: table.byID["1"], subs: onPrivate}
		frame := reply(s, &config, message)
		if frame == nil {
			return
		}
		var envelope struct {
			Event string
			Data  json.RawMessage
		}
		if _, err := ParseJSON(frame); err != nil {
			t.Fatalf("%q was answered with %q: %v", message, frame, err)
		}
		if err := json.Unmarshal(frame, &envelope); err != nil || !strings.HasPrefix(envelope.Event, "pusher:") && !strings.HasPrefix(envelope.Event, "client-") || len(envelope.Data) == 0 {
			t.Fatalf("%q was answered with %q: %v", message, frame, err)
		}
	})
}

// reply is what a message is answered with, the event that others hear because of
// it, or nil.
func reply(s *session, config *App, message []byte) []byte {
	complaint := func(err error) []byte { return appendErrorEvent(nil, refusal{codeNone, err.Error()}) }
	event, err := parseClientEvent(message)
	if err != nil {
		return complaint(err)
	}
	switch name := string(event.name.Bytes()); {
	case name == "pusher:subscribe":
		d, err := parseSubscribe(event.data)
		if err != nil {
			return complaint(err)
		}
		_, no := s.admission(SocketID{1, 2}, d)
		if no != nil {
			return appendSubscriptionError(nil, d.channel, *no)
		}
		if !validChannelName(d.name) {
			return []byte("subscribed to a channel that cannot be: " + d.name)
		}
	case name == "pusher:unsubscribe":
		if _, err := parseUnsubscribe(event.data); err != nil {
			return complaint(err)
		}
	case name == "pusher:signin":
		_, userData, err := parseSignIn(event.data)
		if err != nil {
			return complaint(err)
		}
		return appendSignedIn(nil, userData)
	case strings.HasPrefix(name, "client-"):
		if err := s.mayRelay(config, event, string(event.channel.Bytes())); err != nil {
			return complaint(err)
		}
		e := Event{Name: event.name, Data: event.data}
		if e.Data.Kind() == rawjson.Absent {
			e.Data = noData
		}
		return e.append(nil, string(event.channel.Bytes()), "")
	}
	return nil
}

// FuzzIdentity reads what a customer's backend says of a user. Whatever is
// accepted can be told to others as JSON, and comes out of that as it went in.
func FuzzIdentity(f *testing.F) {
	for _, text := range []string{
		`{"user_id":"1","id":"1"}`, `{"user_id":10.0,"user_info":{"name":"<é>"},"id":1e1,"watchlist":[1,"2"]}`, `{"user_id":"\ud800\u0000","id":"\""}`,
		`{"user_id":-0,"id":99999999999999999999}`, `{"user_id":[],"id":{}}`, `{"id":"a","user_info":[[[]]],"watchlist":{}}`, `{"user_id":"a","user_id":"a"}`, `null`, ``,
	} {
		f.Add([]byte(text))
	}
	limits := App{}.withDefaults().Limits
	f.Fuzz(func(t *testing.T, text []byte) {
		who, err := parseChannelData(text, &limits)
		if user, watchlist, userErr := parseUserData(text, &limits); userErr == nil {
			if frame := appendWatchlistEvents(nil, "online", []string{user.id}, "offline", watchlist); !json.Valid(frame) {
				t.Fatalf("%q became %q", text, frame)
			}
			if err != nil {
				who, err = user, nil
			}
		}
		if err != nil {
			return
		}
		m := &member{identity: *who}
		var told struct {
			Presence struct {
				IDs  []string
				Hash map[string]json.RawMessage
			}
		}
		list := appendMembers(nil, []*member{m}, 1)
		if err := json.Unmarshal(list, &told); err != nil || len(told.Presence.IDs) != 1 || told.Presence.IDs[0] != who.id || len(told.Presence.Hash) != 1 {
			t.Fatalf("%q became %q: %v", text, list, err)
		}
		if added := m.appendAdded(nil); !json.Valid(added) || !validUserID(who.id) {
			t.Fatalf("%q became %q", text, added)
		}
	})
}
