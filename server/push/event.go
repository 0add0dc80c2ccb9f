package push

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// JSON is a checked JSON value in the very bytes it was written in.
type JSON = rawjson.Value

// Quote returns s as a JSON string.
func Quote(s string) JSON { return rawjson.Quote(s) }

// ParseJSON checks text. The value shares its memory.
func ParseJSON(text []byte) (JSON, error) { return rawjson.Parse(text) }

// Event is something to deliver to every subscriber of some channels.
type Event struct {
	Channels []string
	Name     JSON // a JSON string
	// Data reaches clients byte for byte when it is a JSON string, as SDKs send
	// it. Any other value reaches them as a string that holds its text.
	Data JSON
	// Exclude is the one connection that does not get the event, usually because
	// it caused it. The zero SocketID excludes none.
	Exclude SocketID
}

// MaxEventName is the length of the longest event name, in characters.
const MaxEventName = 200

// Fault says what kind of mistake an *EventError is about.
type Fault uint8

// The faults of an event.
const (
	Malformed  Fault = iota // the event breaks a rule; it will never be accepted
	TooLarge                // its data is over the app's limit
	Overloaded              // deliveries are waiting in line; try again later
)

// EventError says why an event was not published. None of the events of the
// call were.
type EventError struct {
	Fault   Fault
	Message string
}

func (e *EventError) Error() string { return e.Message }

func malformed(format string, args ...any) error {
	return &EventError{Malformed, fmt.Sprintf(format, args...)}
}

// check reports which rule e breaks under the limits of an app.
func (e *Event) check(limits *AppLimits) error {
	if e.Name.Kind() != rawjson.String {
		return malformed("name: expected a string, got %s", e.Name.Kind())
	}
	name := e.Name.Bytes()
	switch {
	case len(name) == 0:
		return malformed("name: must not be empty")
	case utf8.RuneCount(name) > MaxEventName:
		return malformed("name: must not be longer than %d characters", MaxEventName)
	case strings.HasPrefix(string(name), "pusher:") || strings.HasPrefix(string(name), "pusher_internal:"):
		return malformed("name: pusher: and pusher_internal: are reserved for the protocol")
	case len(e.Channels) == 0:
		return malformed("channels: at least one is needed")
	case len(e.Channels) > limits.ChannelsPerEvent:
		return malformed("channels: at most %d, got %d", limits.ChannelsPerEvent, len(e.Channels))
	}
	for _, channel := range e.Channels {
		if _, ok := userOf(channel); !ok && !validChannelName(channel) {
			return malformed("channel %.250q: a name has 1 to %d of the characters a-z A-Z 0-9 _ - = @ , . ;", channel, MaxChannelName)
		}
		// Data is encrypted with the channel's own key.
		if len(e.Channels) > 1 && kindOf(channel).encrypted {
			return malformed("channels: an event for an encrypted channel cannot have others")
		}
	}
	if e.Data.Kind() == rawjson.Absent {
		return malformed("data: is missing")
	}
	if size := dataSize(e.Data); size > limits.DataBytes {
		return &EventError{TooLarge, fmt.Sprintf("data: at most %d bytes, got %d", limits.DataBytes, size)}
	}
	return nil
}

// dataSize is the size of data that limits are about.
func dataSize(data JSON) int {
	if data.Kind() == rawjson.String {
		return data.Len()
	}
	return len(data.Raw())
}

// text is the event's data as subscribers have it once they have decoded it.
func (e *Event) text() []byte {
	if e.Data.Kind() == rawjson.String {
		return e.Data.Bytes()
	}
	return e.Data.Raw()
}

// append appends the event as subscribers of channel receive it. userID is the
// member it comes from, or empty.
func (e *Event) append(b []byte, channel, userID string) []byte {
	b = append(b, `{"event":`...)
	b = append(b, e.Name.Raw()...)
	b = append(b, `,"channel":`...)
	b = appendChannel(b, channel)
	b = append(b, `,"data":`...)
	if e.Data.Kind() == rawjson.String {
		b = append(b, e.Data.Raw()...)
	} else {
		b = rawjson.AppendQuote(b, e.Data.Raw())
	}
	if userID != "" {
		b = append(b, `,"user_id":`...)
		b = rawjson.AppendQuote(b, userID)
	}
	return append(b, '}')
}
