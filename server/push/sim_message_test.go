package push

import (
	"encoding/json"
	"strings"
	"time"
)

// simMessage is what a server sends.
type simMessage struct {
	Event   string
	Channel string
	Data    json.RawMessage
	ID      string
	UserID  string `json:"user_id"`
	Resume  *struct {
		ID        string
		Recovered bool
		Count     int
	}
}

// message takes what came on a WebSocket.
func (cl *simClient) message(b []byte) {
	var m simMessage
	if err := json.Unmarshal(b, &m); err != nil {
		cl.fail("%v: %q", err, b)
	}
	switch m.Event {
	case "pusher:connection_established":
		var data struct {
			SocketID string `json:"socket_id"`
		}
		cl.check(json.Unmarshal(unquoted(m.Data), &data))
		if cl.socketID != "" {
			cl.fail("is connected again: %q", b)
		}
		cl.socketID = data.SocketID
	case "pusher:pong":
		cl.pongs++
		for _, said := range cl.unsure {
			cl.r.published++
			said.ch.published(said.e, cl.r.w.Now())
			cl.r.meet("client event")
		}
		cl.unsure = nil
	case "pusher:error":
		cl.complained(string(m.Data))
	case "pusher:signin_success":
		cl.signedIn = true
	case "pusher_internal:watchlist_events":
		cl.watched(m)
	default:
		cl.heard(m)
	}
}

// complained takes word of a mistake, of which the client makes none.
func (cl *simClient) complained(text string) {
	switch {
	case strings.Contains(text, "busy delivering"):
		for _, said := range cl.unsure { // it waits for the fate of each
			said.ch.void[said.e] = true
		}
		cl.unsure = nil
		cl.r.meet("refused")
	case strings.Contains(text, "terminated by the application") && cl.r.terminated[cl.user]:
	default:
		cl.fail("%s", text)
	}
}

// watched takes word of users who come online or go.
func (cl *simClient) watched(m simMessage) {
	var data struct {
		Events []struct {
			Name  string
			Users []string `json:"user_ids"`
		}
	}
	cl.check(json.Unmarshal(unquoted(m.Data), &data))
	first := cl.online == nil
	if first {
		cl.online = make(map[string]bool)
	}
	for _, e := range data.Events {
		for _, user := range e.Users {
			if !first && cl.online[user] == (e.Name == "online") {
				cl.fail("is told that %s is %s, which it knows", user, e.Name)
			}
			cl.online[user] = e.Name == "online"
			cl.r.meet("watched")
		}
	}
}

// heard takes what came for a subscription.
func (cl *simClient) heard(m simMessage) {
	s := cl.subs[m.Channel]
	if s == nil {
		cl.fail("%s on %s, to which it is not subscribed", m.Event, m.Channel)
	}
	if m.Event == "pusher_internal:subscription_succeeded" {
		cl.succeeded(s, m)
		return
	}
	if !s.succeeded {
		cl.fail("%s on %s before subscription_succeeded", m.Event, m.Channel)
	}
	var data struct {
		UserID string `json:"user_id"`
		Count  int    `json:"subscription_count"`
	}
	switch m.Event {
	case "pusher_internal:member_added", "pusher_internal:member_removed":
		cl.check(json.Unmarshal(unquoted(m.Data), &data))
		cl.check(s.member(data.UserID, m.Event == "pusher_internal:member_added"))
		cl.r.meet("member")
	case "pusher_internal:subscription_count":
		cl.check(json.Unmarshal(unquoted(m.Data), &data))
		s.count = data.Count
	case "pusher_internal:position":
		cl.check(s.after(m.ID, !cl.r.roomy))
	case "pusher:cache_miss":
		cl.missed(s)
	default:
		cl.event(s, m)
	}
}

// missed takes word that a cache channel has no event yet.
func (cl *simClient) missed(s *simSub) {
	if !s.cached {
		cl.fail("%s: a cache miss in the middle", s.ch.name)
	}
	s.cached = false
	for maker, n := range s.low {
		// A client's own events are not kept.
		if n > 0 && !strings.HasPrefix(maker, "c") && cl.r.w.Now()-s.ch.last < MaxCacheTTL-time.Minute {
			cl.fail("%s: a cache miss after %d events of %s", s.ch.name, n, maker)
		}
	}
}

// succeeded takes the answer to a subscription.
func (cl *simClient) succeeded(s *simSub, m simMessage) {
	switch {
	case !s.succeeded:
		s.begins()
		cl.r.meet("subscribed")
	case !s.again:
		cl.fail("%s: a second answer", m.Channel)
	}
	if s.ch.presence() {
		var data struct {
			Presence struct {
				IDs   []string `json:"ids"`
				Count int
			}
		}
		cl.check(json.Unmarshal(unquoted(m.Data), &data))
		s.members = make(map[string]bool)
		for _, id := range data.Presence.IDs {
			s.members[id] = true
		}
		if len(s.members) != data.Presence.Count || !s.members[cl.user] {
			cl.fail("%s: %d members, among them %v", m.Channel, data.Presence.Count, s.members)
		}
	}
	if s.again {
		s.again = false
		return
	}
	if m.Resume == nil {
		return
	}
	s.ids, s.place, s.replay = true, m.Resume.ID, m.Resume.Count
	if s.from == nil {
		return
	}
	s.rewound = false
	switch was := parsePosition(s.from.place); {
	case m.Resume.Recovered:
		cl.r.meet("resumed")
		s.resumes(s.from)
		if is := parsePosition(s.place); is.epoch != was.epoch || is.serial < was.serial {
			cl.fail("%s: is at %s after %s", m.Channel, s.place, s.from.place)
		}
	case cl.r.roomy:
		cl.fail("%s: a gap after %s, at %s", m.Channel, s.from.place, s.place)
	default:
		cl.r.meet("gap")
	}
}

// event takes an event of the application's or of another client's.
func (cl *simClient) event(s *simSub, m simMessage) {
	e, ok := parseSimEvent(string(unquoted(m.Data)))
	if !ok || clientEventOf(e) != (m.Event == "client-e") {
		cl.fail("%s: %s with %q", m.Channel, m.Event, m.Data)
	}
	cached := s.cached
	s.cached = false
	if s.ids && (m.ID == "") == s.ch.keeps() {
		cl.fail("%s: %v has the id %q", m.Channel, e, m.ID)
	}
	cl.check(s.take(e, cl.connections(), cached))
	if m.ID == "" {
		return
	}
	cl.check(s.ch.learn(m.ID, e))
	if s.replay == 0 {
		cl.check(s.after(m.ID, !cl.r.roomy))
		return
	}
	s.replay--
	if is, last := parsePosition(m.ID), parsePosition(s.place); is.epoch != last.epoch || is.serial > last.serial {
		cl.fail("%s: %s is of the past, which ends at %s", m.Channel, m.ID, s.place)
	}
}
