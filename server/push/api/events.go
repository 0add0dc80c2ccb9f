package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// emptyReply is what SDKs compare with byte for byte.
var emptyReply = []byte("{}")

// eventBody bounds the body of one event: its data, of which JSON may write
// every byte as six (\u0022), and its name and channels.
func eventBody(limits *push.AppLimits) int64 {
	const envelope = 4 << 10
	return envelope + 6*int64(limits.DataBytes) + int64(limits.ChannelsPerEvent)*(push.MaxChannelName+8)
}

// postEvent publishes one event to one or several channels.
func (c *call) postEvent() ([]byte, error) {
	body, err := rawjson.Parse(c.body)
	if err != nil {
		return nil, invalid("body", err)
	}
	event, err := parseEvent(body)
	if err != nil {
		return nil, err
	}
	if err := c.hub.Publish(c.app.ID, event); err != nil {
		return nil, publishFailure(err)
	}
	return emptyReply, nil
}

// parseEvent reads what an event consists of. The rules for names, channels and
// data are push's.
func parseEvent(v push.JSON) (e push.Event, err error) {
	var fields [6]push.JSON
	if err := v.Pick(fields[:], "name", "data", "channels", "channel", "socket_id", "info"); err != nil {
		return e, invalid("body", err)
	}
	channels, channel, socketID, info := fields[2], fields[3], fields[4], fields[5]
	e.Name, e.Data = fields[0], fields[1]

	switch {
	case channels.Kind() != rawjson.Absent && channel.Kind() != rawjson.Absent:
		return e, invalid("channels", errors.New("there is channel as well; send one of them"))
	case channel.Kind() == rawjson.String:
		e.Channels = []string{string(channel.Bytes())}
	case channels.Kind() == rawjson.Array:
		for name := range channels.Elements() {
			if name.Kind() != rawjson.String {
				return e, invalid("channels", fmt.Errorf("expected strings, got %s", name.Kind()))
			}
			e.Channels = append(e.Channels, string(name.Bytes()))
		}
	default:
		return e, invalid("channels", errors.New("expected an array of strings, or a string as channel"))
	}
	if e.Exclude, err = parseSocketID(socketID); err != nil {
		return e, err
	}
	if info.Kind() != rawjson.Absent && info.Kind() != rawjson.Null {
		return e, invalid("info", errors.New("not served by this version"))
	}
	return e, nil
}

// parseSocketID reads the connection to exclude; several SDKs send null for none.
func parseSocketID(v push.JSON) (id push.SocketID, err error) {
	if v.Kind() == rawjson.Absent || v.Kind() == rawjson.Null {
		return id, nil
	}
	id, ok := push.ParseSocketID(string(v.Bytes()))
	if !ok {
		return id, invalid("socket_id", errors.New("expected two numbers with a dot between them, in a string"))
	}
	return id, nil
}

func invalid(where string, err error) error {
	return &failure{http.StatusBadRequest, where + ": " + err.Error()}
}

// publishFailure says in HTTP's words why an event was not published.
func publishFailure(err error) error {
	var e *push.EventError
	switch {
	case errors.Is(err, push.ErrNoApp): // it went away between two look-ups
		return &failure{http.StatusNotFound, "There is no app with this id"}
	case !errors.As(err, &e):
		return err
	case e.Fault == push.TooLarge:
		return &failure{http.StatusRequestEntityTooLarge, e.Message}
	case e.Fault == push.Overloaded:
		return &failure{http.StatusServiceUnavailable, e.Message}
	}
	return &failure{http.StatusBadRequest, e.Message}
}
