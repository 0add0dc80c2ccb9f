package torture

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// said is what a case wants a Pusher server to say. It is compared as JSON:
// servers are free in how they write it.
type said struct {
	event   string
	or      string                         // another name that serves as well
	channel string                         // empty: any, or none
	user    string                         // the member that it comes from; empty: any
	code    *int                           // of pusher:error; nil: any, or null
	data    func(data string) (bad string) // says what is wrong with it; nil: any
	what    string                         // data in words
}

// spoken is what a server has said.
type spoken struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel"`
	User    string          `json:"user_id"`
	Data    json.RawMessage `json:"data"`
}

// spokenOf reads a message as the protocol has them.
func spokenOf(e Event) (s spoken, bad string) {
	if e.Kind != Text {
		return s, e.String()
	}
	if err := json.Unmarshal(e.Payload, &s); err != nil || s.Event == "" {
		return s, fmt.Sprintf("%v, which is no event", e)
	}
	return s, ""
}

// text is the data as clients have it: what is within the string, or what it is.
func (s spoken) text() string {
	var within string
	if json.Unmarshal(s.Data, &within) == nil {
		return within
	}
	return string(s.Data)
}

// wrong says in what e is something else; empty when it is not.
func (w *said) wrong(e Event) string {
	s, bad := spokenOf(e)
	if bad != "" {
		return bad
	}
	whole := brief(e.Payload)
	if len(e.Payload) <= 300 {
		whole = string(e.Payload)
	}
	if s.Event != w.event && (w.or == "" || s.Event != w.or) ||
		w.channel != "" && s.Channel != w.channel || w.user != "" && s.User != w.user {
		return whole
	}
	if w.code != nil {
		var d struct{ Code *int }
		if json.Unmarshal([]byte(s.text()), &d) != nil || d.Code == nil || *d.Code != *w.code {
			return whole
		}
	}
	if w.data != nil {
		if bad := w.data(s.text()); bad != "" {
			return whole + ": " + bad
		}
	}
	return ""
}

func (w *said) String() string {
	text := w.event
	if w.or != "" {
		text += " or " + w.or
	}
	if w.code != nil {
		text += fmt.Sprintf(" %d", *w.code)
	}
	if w.channel != "" {
		text += " on " + w.channel
	}
	if w.user != "" {
		text += " of " + w.user
	}
	if w.what != "" {
		text += ", data " + w.what
	}
	return text
}

func wantSaid(s said) expect { return expect{kind: Text, said: &s} }

// exactly is data that has these bytes.
func (s said) exactly(data string) said {
	s.what = brief([]byte(data))
	s.data = func(got string) string {
		if got == data {
			return ""
		}
		return "other data"
	}
	return s
}

// established is the first word of a server. The time must not be nothing:
// clients divide by it.
var established = &said{event: "pusher:connection_established", what: "a socket_id of two numbers, and an activity_timeout", data: func(data string) string {
	var d struct {
		Socket  string `json:"socket_id"`
		Timeout int    `json:"activity_timeout"`
	}
	if err := json.Unmarshal([]byte(data), &d); err != nil {
		return err.Error()
	}
	if !socketPattern.MatchString(d.Socket) || d.Timeout <= 0 {
		return "no such socket_id, or no such time"
	}
	return ""
}}

var socketPattern = regexp.MustCompile(`\A\d+\.\d+\z`)

// socketOf is the socket_id of a greeting.
func socketOf(e Event) string {
	s, _ := spokenOf(e)
	var d struct {
		Socket string `json:"socket_id"`
	}
	json.Unmarshal([]byte(s.text()), &d)
	return d.Socket
}

// channelName is a text with nothing in it that a channel's name may not have.
func channelName(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_=@,.;", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, text)
}

// subscribing and unsubscribing are what clients say, to channels that take no authorisation.
func subscribing(channel string) string {
	return `{"event":"pusher:subscribe","data":{"channel":` + quoteJSON(channel) + `}}`
}

func unsubscribing(channel string) string {
	return `{"event":"pusher:unsubscribe","data":{"channel":` + quoteJSON(channel) + `}}`
}

// succeeded is the answer to the first.
func succeeded(channel string) said {
	return said{event: "pusher_internal:subscription_succeeded", channel: channel}
}

// denied is the answer to one that may not be; hosted Pusher says pusher:error.
var denied = said{event: "pusher:subscription_error", or: "pusher:error"}

// membership is the answer to one of a presence channel, for a user who is in
// its list.
func membership(channel, user string) said {
	s := succeeded(channel)
	s.what = "with the member " + user
	s.data = func(data string) string {
		if slices.Contains(membersOf(data), user) {
			return ""
		}
		return "no such member"
	}
	return s
}

// membersOf are the ids in such an answer, in order; nil when its parts disagree.
func membersOf(data string) []string {
	var d struct {
		Presence struct {
			IDs   []string
			Hash  map[string]json.RawMessage
			Count int
		}
	}
	p := &d.Presence
	if json.Unmarshal([]byte(data), &d) != nil || len(p.IDs) != p.Count || len(p.Hash) != p.Count {
		return nil
	}
	for _, id := range p.IDs {
		if _, ok := p.Hash[id]; !ok {
			return nil
		}
	}
	slices.Sort(p.IDs)
	return p.IDs
}

// mistaken is the answer to what the protocol does not know: an error that the
// connection survives.
var mistaken = said{event: "pusher:error"}

// complaint is an error with a code.
func complaint(code int) said { return said{event: "pusher:error", code: &code} }

// authorised reports whether it takes an authorisation to subscribe.
func authorised(channel string) bool {
	return strings.HasPrefix(channel, "private-") || strings.HasPrefix(channel, "presence-")
}
