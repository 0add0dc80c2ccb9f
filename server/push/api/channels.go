package api

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// attributes is what a caller asks to be told of channels.
type attributes struct{ users, subscriptions, cache bool }

func (a attributes) none() bool { return a == attributes{} }

// parseAttributes reads info, a list with commas.
func parseAttributes(s string) (a attributes, err error) {
	if s == "" {
		return a, nil
	}
	for name := range strings.SplitSeq(s, ",") {
		switch strings.TrimSpace(name) {
		case "user_count":
			a.users = true
		case "subscription_count":
			a.subscriptions = true
		case "cache":
			a.cache = true
		default:
			return a, invalid("info", fmt.Errorf("there is user_count, subscription_count and cache, but not %.50q", name))
		}
	}
	return a, nil
}

// getChannels lists the channels that have subscribers.
func (c *call) getChannels() ([]byte, error) {
	info, err := parseAttributes(c.params["info"])
	if err != nil {
		return nil, err
	}
	prefix := c.params["filter_by_prefix"]
	if traits, _ := push.Traits(prefix); info.users && !traits.Presence {
		return nil, invalid("info", errors.New("user_count is known of presence channels only: filter_by_prefix must begin with presence-"))
	}
	if info.cache {
		return nil, invalid("info", errors.New("cache is known of one channel at a time"))
	}
	channels, err := c.hub.Channels(c.app.ID, prefix)
	if err != nil {
		return nil, publishFailure(err)
	}
	b := []byte(`{"channels":{`)
	for i, ch := range channels {
		if i > 0 {
			b = append(b, ',')
		}
		b = rawjson.AppendQuote(b, ch.Name)
		b = append(b, ":{"...)
		b = append(appendCounts(b, &ch, info), '}')
	}
	return append(b, "}}"...), nil
}

// getChannel tells of one channel. It is an error to ask for what it cannot have.
func (c *call) getChannel() ([]byte, error) {
	info, err := parseAttributes(c.params["info"])
	if err != nil {
		return nil, err
	}
	traits, ok := push.Traits(c.names[0])
	switch {
	case !ok:
		return nil, invalid("channel", fmt.Errorf("no channel can be named %.250q", c.names[0]))
	case info.users && !traits.Presence:
		return nil, invalid("info", errors.New("user_count is known of presence channels only"))
	case info.cache && !traits.Cache:
		return nil, invalid("info", errors.New("cache is known of cache channels only"))
	}
	ch, err := c.hub.Channel(c.app.ID, c.names[0])
	if err != nil {
		return nil, publishFailure(err)
	}
	b := []byte(`{"occupied":`)
	b = strconv.AppendBool(b, ch.Subscriptions > 0)
	if !info.none() {
		b = appendAttributes(append(b, ','), &ch, info)
	}
	return append(b, '}'), nil
}

// getUsers lists who is on a presence channel.
func (c *call) getUsers() ([]byte, error) {
	if traits, ok := push.Traits(c.names[0]); !ok || !traits.Presence {
		return nil, invalid("channel", errors.New("users are known of presence channels only"))
	}
	users, err := c.hub.Users(c.app.ID, c.names[0])
	if err != nil {
		return nil, publishFailure(err)
	}
	b := []byte(`{"users":[`)
	for i, id := range users {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		b = append(rawjson.AppendQuote(b, id), '}')
	}
	return append(b, "]}"...), nil
}

// terminate closes all connections of a user.
func (c *call) terminate() ([]byte, error) {
	if _, err := c.hub.Terminate(c.app.ID, c.names[0]); err != nil {
		return nil, publishFailure(err)
	}
	return emptyReply, nil
}

// appendChannels appends what a publisher asked for, by channel.
func (c *call) appendChannels(b []byte, names []string, info attributes) ([]byte, error) {
	b = append(b, `{"channels":{`...)
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			continue
		}
		if len(seen) > 0 {
			b = append(b, ',')
		}
		seen[name] = true
		b = append(rawjson.AppendQuote(b, name), ':')
		var err error
		if b, err = c.appendInfo(b, name, info); err != nil {
			return nil, err
		}
	}
	return append(b, "}}"...), nil
}

// appendInfo appends an object of what was asked for and the channel can have.
func (c *call) appendInfo(b []byte, name string, info attributes) ([]byte, error) {
	ch, err := c.hub.Channel(c.app.ID, name)
	if err != nil {
		return nil, publishFailure(err)
	}
	traits, _ := push.Traits(name)
	info.users = info.users && traits.Presence
	info.cache = info.cache && traits.Cache
	b = append(b, '{')
	if !info.none() {
		b = appendAttributes(b, &ch, info)
	}
	return append(b, '}'), nil
}

func appendAttributes(b []byte, ch *push.ChannelInfo, info attributes) []byte {
	b = appendCounts(b, ch, info)
	if !info.cache {
		return b
	}
	if info.users || info.subscriptions {
		b = append(b, ',')
	}
	if ch.Cached == nil {
		return append(b, `"cache":null`...)
	}
	b = append(b, `"cache":{"data":`...)
	b = rawjson.AppendQuote(b, ch.Cached.Data)
	b = append(b, `,"ttl":`...)
	b = strconv.AppendInt(b, int64(math.Ceil(ch.Cached.TTL.Seconds())), 10)
	return append(b, '}')
}

func appendCounts(b []byte, ch *push.ChannelInfo, info attributes) []byte {
	if info.users {
		b = append(b, `"user_count":`...)
		b = strconv.AppendInt(b, int64(ch.Users), 10)
	}
	if info.users && info.subscriptions {
		b = append(b, ',')
	}
	if info.subscriptions {
		b = append(b, `"subscription_count":`...)
		b = strconv.AppendInt(b, int64(ch.Subscriptions), 10)
	}
	return b
}
