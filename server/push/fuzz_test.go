package push

import (
	"encoding/json"
	"strings"
	"testing"
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
		`{"event":"pusher:unsubscribe","data":{"channel":"a"}}`,
	} {
		f.Add([]byte(text))
	}
	table, err := (&apps{}).replace(nil, []App{testApp})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		s := &session{app: table.byID["1"]}
		frame := reply(s, message)
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
		if err := json.Unmarshal(frame, &envelope); err != nil || !strings.HasPrefix(envelope.Event, "pusher:") || len(envelope.Data) == 0 {
			t.Fatalf("%q was answered with %q: %v", message, frame, err)
		}
	})
}

// reply is the error that a message is answered with, or nil.
func reply(s *session, message []byte) []byte {
	complaint := func(err error) []byte { return appendErrorEvent(nil, refusal{codeNone, err.Error()}) }
	event, err := parseClientEvent(message)
	if err != nil {
		return complaint(err)
	}
	switch string(event.name.Bytes()) {
	case "pusher:subscribe":
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
	case "pusher:unsubscribe":
		if _, err := parseUnsubscribe(event.data); err != nil {
			return complaint(err)
		}
	}
	return nil
}
