package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// maxBatch is how many events one call may publish.
const maxBatch = 10

// emptyReply is what SDKs compare with byte for byte.
var emptyReply = []byte("{}")

// eventBody bounds the body of one event: its data, of which JSON may write
// every byte as six (\u0022), and its name and channels.
func eventBody(limits *push.AppLimits) int64 {
	const envelope = 4 << 10
	return envelope + 6*int64(limits.DataBytes) + int64(limits.ChannelsPerEvent)*(push.MaxChannelName+8)
}

func batchBody(limits *push.AppLimits) int64 { return maxBatch * eventBody(limits) }

// event is one event of a call, and what its caller wants to hear of its channels.
type event struct {
	push.Event
	info attributes
}

// postEvent publishes one event to one or several channels.
func (c *call) postEvent() ([]byte, error) {
	body, err := rawjson.Parse(c.body)
	if err != nil {
		return nil, invalid("body", err)
	}
	e, err := parseEvent(body)
	if err != nil {
		return nil, err
	}
	if err := c.publish(e.Event); err != nil {
		return nil, err
	}
	if e.info.none() {
		return emptyReply, nil
	}
	return c.appendChannels(nil, e.Channels, e.info)
}

// postBatch publishes up to ten events, each to one channel: all of them, or none.
func (c *call) postBatch() ([]byte, error) {
	events, asked, err := parseBatch(c.body)
	if err != nil {
		return nil, err
	}
	publish := make([]push.Event, len(events))
	for i := range events {
		publish[i] = events[i].Event
	}
	if err := c.publish(publish...); err != nil {
		return nil, err
	}
	if !asked {
		return emptyReply, nil
	}
	b := []byte(`{"batch":[`)
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = c.appendInfo(b, e.Channels[0], e.info); err != nil {
			return nil, err
		}
	}
	return append(b, "]}"...), nil
}

// publish publishes events and notes their ids: one for each channel of each
// event, in order, and - for a channel that keeps no history.
func (c *call) publish(events ...push.Event) error {
	ids, err := c.hub.PublishIDs(c.app.ID, events...)
	if err != nil {
		return publishFailure(err)
	}
	if !slices.ContainsFunc(ids, func(id string) bool { return id != "" }) {
		return nil
	}
	for i, id := range ids {
		ids[i] = cmp.Or(id, "-")
	}
	c.ids = strings.Join(ids, ", ")
	return nil
}

// parseBatch reads {"batch": [...]}. asked is whether any event asks for info.
func parseBatch(text []byte) (events []event, asked bool, err error) {
	body, err := rawjson.Parse(text)
	var fields [1]push.JSON
	if err == nil {
		err = body.Pick(fields[:], "batch")
	}
	if err == nil && fields[0].Kind() != rawjson.Array {
		err = fmt.Errorf("batch: expected an array, got %s", fields[0].Kind())
	}
	if err != nil {
		return nil, false, invalid("body", err)
	}
	for v := range fields[0].Elements() {
		if len(events) == maxBatch {
			return nil, false, invalid("batch", fmt.Errorf("at most %d events", maxBatch))
		}
		e, err := parseEvent(v)
		if err == nil && len(e.Channels) != 1 {
			err = invalid("channel", errors.New("an event of a batch has exactly one"))
		}
		if err != nil {
			return nil, false, invalid(fmt.Sprintf("batch[%d]", len(events)), err)
		}
		events = append(events, e)
		asked = asked || !e.info.none()
	}
	return events, asked, nil
}

// postToChannel publishes as SDKs did before one event could have several
// channels: the name and the connection to exclude are in the query, and the body
// is the data.
func (c *call) postToChannel() ([]byte, error) {
	e := push.Event{Channels: []string{c.names[0]}, Name: push.Quote(c.params["name"]), Data: push.Quote(string(c.body))}
	if id, ok := c.params["socket_id"]; ok {
		var err error
		if e.Exclude, err = parseSocketID(push.Quote(id)); err != nil {
			return nil, err
		}
	}
	if err := c.publish(e); err != nil {
		return nil, err
	}
	return emptyReply, nil
}

// parseEvent reads what an event consists of. The rules for names, channels and
// data are push's.
func parseEvent(v push.JSON) (e event, err error) {
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
	switch info.Kind() {
	case rawjson.Absent, rawjson.Null:
	case rawjson.String:
		e.info, err = parseAttributes(string(info.Bytes()))
	default:
		err = invalid("info", fmt.Errorf("expected a string, got %s", info.Kind()))
	}
	return e, err
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
