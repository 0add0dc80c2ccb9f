package push

import (
	"fmt"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// clientEvent is what a client sends: {"event": ..., "channel": ..., "data": ...}.
// It is a view into the message and dies with it.
type clientEvent struct {
	name    JSON // a string
	channel JSON // anything, or nothing; so is data
	data    JSON
}

// parseClientEvent reads one message of a client. Errors are for the client's author.
func parseClientEvent(message []byte) (e clientEvent, err error) {
	text, err := rawjson.Parse(message)
	if err != nil {
		return e, fmt.Errorf("invalid message: %w", err)
	}
	var fields [3]JSON
	if err := text.Pick(fields[:], "event", "channel", "data"); err != nil {
		return e, fmt.Errorf("invalid message: %w", err)
	}
	if kind := fields[0].Kind(); kind != rawjson.String {
		return e, fmt.Errorf("invalid message: event: expected a string, got %s", kind)
	}
	return clientEvent{name: fields[0], channel: fields[1], data: fields[2]}, nil
}

// subscribeData is the data of pusher:subscribe.
type subscribeData struct {
	channel JSON // a string, as the client wrote it
	name    string
	auth    string // empty for public channels, or absent
	// channelData is a string that says who subscribes to a presence channel, or
	// absent when the connection is signed in.
	channelData JSON
	resume      catchUp
}

func parseSubscribe(data JSON) (d subscribeData, err error) {
	var fields [4]JSON
	if err := pick(fields[:], data, "channel", "auth", "channel_data", "resume"); err != nil {
		return d, fmt.Errorf("invalid pusher:subscribe: %w", err)
	}
	if kind := fields[0].Kind(); kind != rawjson.String {
		return d, fmt.Errorf("invalid pusher:subscribe: channel: expected a string, got %s", kind)
	}
	resume, err := parseResume(fields[3])
	if err != nil {
		return d, fmt.Errorf("invalid pusher:subscribe: %w", err)
	}
	return subscribeData{
		channel: fields[0],
		name:    string(fields[0].Bytes()),
		auth:    string(fields[1].Bytes()),

		channelData: fields[2],
		resume:      resume,
	}, nil
}

func parseUnsubscribe(data JSON) (channel string, err error) {
	var fields [1]JSON
	if err := pick(fields[:], data, "channel"); err != nil {
		return "", fmt.Errorf("invalid pusher:unsubscribe: %w", err)
	}
	if kind := fields[0].Kind(); kind != rawjson.String {
		return "", fmt.Errorf("invalid pusher:unsubscribe: channel: expected a string, got %s", kind)
	}
	return string(fields[0].Bytes()), nil
}

// pick reads the fields of an event's data, which some clients send as an object
// and others as a string that holds one.
func pick(into []JSON, data JSON, names ...string) error {
	var err error
	if data.Kind() == rawjson.String {
		data, err = rawjson.Parse(data.Bytes())
	}
	if err == nil {
		err = data.Pick(into, names...)
	}
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}
