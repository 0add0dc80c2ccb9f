package main

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/roost-ws/roost/server/push"
)

// publishCmd sends one event.
type publishCmd struct {
	Channel string   `arg:"" help:"The channel. #server-to-user-ID reaches one signed-in user."`
	Event   string   `arg:"" help:"The event's name."`
	Data    string   `arg:"" optional:"" default:"{}" help:"The event's data, JSON or any text; - reads it from stdin ({} by default)."`
	Also    []string `env:"-" placeholder:"CHANNEL" sep:"none" help:"Another channel; may be repeated."`
	Exclude string   `env:"-" placeholder:"SOCKET_ID" help:"The one connection that does not get the event."`
	callFlags
}

// counts is what the API says of a channel.
type counts struct {
	Subscriptions int  `json:"subscription_count"`
	Users         *int `json:"user_count"`
}

func (p *publishCmd) Run(env environment) error {
	data := p.Data
	if data == "-" {
		text, err := io.ReadAll(env.stdin)
		if err != nil {
			return exitf(exitFailure, "stdin: %v", err)
		}
		data = strings.TrimSuffix(string(text), "\n") // which echo adds
	}
	channels := append([]string{p.Channel}, p.Also...)
	body := map[string]any{"name": p.Event, "data": data, "channels": channels}
	if !slices.ContainsFunc(channels, func(name string) bool { _, ok := push.Traits(name); return !ok }) {
		body["info"] = "subscription_count"
	}
	if p.Exclude != "" {
		body["socket_id"] = p.Exclude
	}
	var reply struct{ Channels map[string]counts }
	if printed, err := p.post(env, "/events", body, &reply); printed || err != nil {
		return err
	}
	for _, name := range channels {
		fmt.Fprintf(env.stdout, "published %s to %s", p.Event, name)
		if of, ok := reply.Channels[name]; ok {
			fmt.Fprintf(env.stdout, ": %s", count(of.Subscriptions, "subscriber"))
		}
		fmt.Fprintln(env.stdout)
	}
	return nil
}

// channelsCmd says what is going on.
type channelsCmd struct {
	Channel string `arg:"" optional:"" help:"One channel; all that have subscribers by default."`
	Prefix  string `env:"-" help:"Only channels whose names begin like that."`
	callFlags
}

func (c *channelsCmd) Run(env environment) error {
	if c.Channel != "" {
		return c.one(env)
	}
	params := map[string]string{"info": "subscription_count"}
	if c.Prefix != "" {
		params["filter_by_prefix"] = c.Prefix
	}
	if traits, _ := push.Traits(c.Prefix); traits.Presence {
		params["info"] += ",user_count"
	}
	var reply struct{ Channels map[string]counts }
	if printed, err := c.get(env, "/channels", params, &reply); printed || err != nil {
		return err
	}
	names := make([]string, 0, len(reply.Channels))
	for name := range reply.Channels {
		names = append(names, name)
	}
	slices.Sort(names)
	table := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHANNEL\tSUBSCRIPTIONS\tUSERS")
	for _, name := range names {
		of := reply.Channels[name]
		fmt.Fprintf(table, "%s\t%d\t%s\n", name, of.Subscriptions, of.users())
	}
	return table.Flush()
}

// users is the number of users, where that is known.
func (c *counts) users() string {
	if c.Users == nil {
		return "-"
	}
	return fmt.Sprint(*c.Users)
}

// one shows one channel.
func (c *channelsCmd) one(env environment) error {
	info := "subscription_count"
	traits, _ := push.Traits(c.Channel)
	if traits.Presence {
		info += ",user_count"
	}
	if traits.Cache {
		info += ",cache"
	}
	var reply struct {
		counts
		Occupied bool
		Cache    *struct {
			Data string
			TTL  int
		}
	}
	if printed, err := c.get(env, "/channels/"+url.PathEscape(c.Channel), map[string]string{"info": info}, &reply); printed || err != nil {
		return err
	}
	table := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "channel\t%s\n", c.Channel)
	fmt.Fprintf(table, "subscriptions\t%d\n", reply.Subscriptions)
	if traits.Presence {
		fmt.Fprintf(table, "users\t%s\n", reply.users())
	}
	if reply.Cache != nil {
		fmt.Fprintf(table, "cached\t%s\ncached for\t%d s\n", reply.Cache.Data, reply.Cache.TTL)
	}
	return table.Flush()
}

// usersCmd lists who is on a presence channel.
type usersCmd struct {
	Channel string `arg:"" help:"A presence channel."`
	callFlags
}

func (u *usersCmd) Run(env environment) error {
	var reply struct{ Users []struct{ ID string } }
	if printed, err := u.get(env, "/channels/"+url.PathEscape(u.Channel)+"/users", nil, &reply); printed || err != nil {
		return err
	}
	var lines strings.Builder
	for _, user := range reply.Users {
		fmt.Fprintln(&lines, user.ID)
	}
	_, err := io.WriteString(env.stdout, lines.String())
	return err
}

// terminateCmd closes a user's connections.
type terminateCmd struct {
	User string `arg:"" help:"The id of a user who is signed in."`
	callFlags
}

func (t *terminateCmd) Run(env environment) error {
	var reply struct{}
	if printed, err := t.post(env, "/users/"+url.PathEscape(t.User)+"/terminate_connections", struct{}{}, &reply); printed || err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.stdout, "the connections of user %s are being closed\n", t.User)
	return err
}
