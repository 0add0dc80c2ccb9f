package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// signCmd answers what clients ask a backend for. It calls nobody.
type signCmd struct {
	Socket      string          `arg:"" name:"socket-id" help:"The connection, such as 1234.5678."`
	Channel     string          `arg:"" optional:"" help:"The private or presence channel that it may subscribe to."`
	Data        string          `env:"-" placeholder:"JSON" help:"Who it is: on a presence channel {\"user_id\":\"5\",\"user_info\":{}}, and without a channel, to sign in, {\"id\":\"5\"}."`
	Credentials credentialFlags `embed:""`
	JSON        bool            `env:"-" help:"Print the answer that a backend gives to a client, as JSON."`
}

func (s *signCmd) Run(env environment) error {
	app, err := s.Credentials.app()
	if err != nil {
		return err
	}
	if _, ok := push.ParseSocketID(s.Socket); !ok {
		return exitf(exitUsage, "%q is no socket id: those are two numbers with a dot between them, as clients are told when they connect", s.Socket)
	}
	traits, _ := push.Traits(s.Channel)
	user := s.Channel == ""
	switch {
	case s.Data != "" && !json.Valid([]byte(s.Data)):
		return exitf(exitUsage, "--data is not JSON: %s", s.Data)
	case s.Data == "" && user:
		return exitf(exitUsage, `say which channel may be subscribed to, or who signs in: --data '{"id":"5"}'`)
	case s.Data == "" && traits.Presence:
		return exitf(exitUsage, `a presence channel wants to know who it is: --data '{"user_id":"5"}'`)
	case s.Data != "" && !user && !traits.Presence:
		return exitf(exitUsage, "--data is for presence channels, and for signing in without a channel; %s is none", s.Channel)
	}
	text, field := s.Socket+":"+s.Channel, "channel_data"
	switch {
	case user:
		text, field = s.Socket+"::user::"+s.Data, "user_data"
	case s.Data != "":
		text += ":" + s.Data
	}
	answer := map[string]string{"auth": app.Key + ":" + signature(app.Secret, text)}
	if s.Data != "" {
		answer[field] = s.Data
	}
	if s.JSON {
		return printJSON(env, answer)
	}
	_, err = fmt.Fprintln(env.stdout, answer["auth"])
	return err
}

// tokenCmd makes a JSON Web Token (RFC 7519) in place of one signature for each
// channel. It calls nobody.
type tokenCmd struct {
	User        string          `env:"-" help:"The id of the user that the token is for."`
	Info        string          `env:"-" placeholder:"JSON" help:"What others on a presence channel may know of the user."`
	Subscribe   []string        `env:"-" placeholder:"CHANNEL" sep:"none" help:"A channel that may be subscribed to; * at the end stands for anything. May be repeated."`
	TTL         time.Duration   `env:"-" name:"ttl" default:"1h" placeholder:"D" help:"How long the token is good for (${default})."`
	Credentials credentialFlags `embed:""`
	JSON        bool            `env:"-" help:"Print the token and what it says, as JSON."`
}

// claims is what a token says.
type claims struct {
	Issuer    string          `json:"iss"` // the app's key, or what the app insists on
	Audience  string          `json:"aud,omitempty"`
	User      string          `json:"sub,omitempty"`
	Info      json.RawMessage `json:"user_info,omitempty"`
	Subscribe []string        `json:"subscribe,omitempty"`
	IssuedAt  int64           `json:"iat"`
	Expires   int64           `json:"exp"`
}

func (t *tokenCmd) Run(env environment) error {
	app, err := t.Credentials.app()
	if err != nil {
		return err
	}
	switch {
	case t.User == "" && len(t.Subscribe) == 0 || t.TTL < time.Second:
		return exitf(exitUsage, "say what the token is for, with --user or --subscribe, and for how long: --ttl is at least 1s")
	case t.Info != "" && !json.Valid([]byte(t.Info)):
		return exitf(exitUsage, "--info is not JSON: %s", t.Info)
	}
	now := time.Now()
	said := claims{
		Issuer: cmp.Or(app.Tokens.Issuer, app.Key), Audience: app.Tokens.Audience,
		User: t.User, Info: json.RawMessage(t.Info), Subscribe: t.Subscribe,
		IssuedAt: now.Unix(), Expires: now.Add(t.TTL).Unix(),
	}
	token, err := app.SignToken(said)
	if err != nil {
		return exitf(exitUsage, "%s", strings.TrimPrefix(err.Error(), "push: "))
	}
	if t.JSON {
		return printJSON(env, map[string]any{"token": token, "claims": said})
	}
	_, err = fmt.Fprintln(env.stdout, token)
	return err
}

func printJSON(env environment, v any) error {
	encoder := json.NewEncoder(env.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
