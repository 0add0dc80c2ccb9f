package push

import (
	"encoding/json"
	"strings"
	"time"
)

// openStream asks for a stream from where the last one ended. The last of its
// channels has history, so that there is word when it is subscribed to all.
func (cl *simClient) openStream() bool {
	if cl.follows == nil {
		cl.bearer = cl.d.IntN(2) == 0
		for _, name := range []string{"news", "h-1", "private-0", "private-h-0"} {
			if cl.d.IntN(2) == 0 && (cl.bearer || !cl.r.channels[name].private()) {
				cl.follows = append(cl.follows, name)
			}
		}
		cl.follows = append(cl.follows, "h-0")
	}
	cl.stream, cl.text = true, cl.serverSent
	cl.left, cl.doomed, cl.block = false, false, nil
	cl.subs = make(map[string]*simSub)
	for _, name := range cl.follows {
		s := newSimSub(cl.r.channels[name])
		s.succeeded, s.from = true, cl.past[name]
		s.high = nil // not known before the stream says where it is
		s.rewound = s.from == nil && s.ch.keeps() && cl.r.rewinds
		if s.from != nil {
			s.place, s.ids = s.from.place, true
			s.resumes(s.from)
		}
		cl.subs[name] = s
	}
	return cl.dial(simStreamRequest(cl.follows, cl.token(), cl.lastID))
}

// token is what the request of a stream says of its user.
func (cl *simClient) token() string {
	if !cl.bearer {
		return ""
	}
	claims := map[string]any{"user_id": cl.user, "subscribe": []string{"*"}, "exp": cl.r.hub.now().Add(time.Hour).Unix()}
	token, err := cl.r.app.signed(claims)
	cl.check(err)
	return "&auth=jwt:" + token
}

// serverSent takes what came of a stream, which may end anywhere.
func (cl *simClient) serverSent(b []byte) {
	for line := range strings.Lines(string(b)) {
		whole, ok := strings.CutSuffix(line, "\n")
		if !ok {
			cl.fail("a chunk ends within a line: %q", b)
		}
		if whole != "" {
			cl.block = append(cl.block, whole)
			continue
		}
		cl.dispatch(cl.block)
		cl.block = nil
	}
}

// dispatch takes one server-sent event.
func (cl *simClient) dispatch(lines []string) {
	var id, data string
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case key == "id":
			id = value
		case key == "data" && data == "":
			data = value
		case key == "retry", strings.HasPrefix(line, ":"):
		default:
			cl.fail("a stream says %q", lines)
		}
	}
	if data == "" {
		if id != "" {
			cl.arrive(id)
		}
		return
	}
	var m simMessage
	if err := json.Unmarshal([]byte(data), &m); err != nil {
		cl.fail("%v: %q", err, data)
	}
	if m.Event == "pusher:error" { // why it ends
		if !cl.r.stopped && !cl.r.leaving && !cl.r.cuts && !(cl.bearer && cl.r.terminated[cl.user]) {
			cl.fail("%s", data)
		}
		return
	}
	s := cl.subs[m.Channel]
	if s == nil {
		cl.fail("%s of a channel that it does not follow", data)
	}
	switch m.Event {
	case "roost:gap":
		if cl.r.roomy {
			cl.fail("%s: a gap after %s", m.Channel, s.place)
		}
		cl.r.meet("stream gap")
		count := s.count
		*s = *newSimSub(s.ch)
		s.succeeded, s.count = true, count
		s.low = nil // all that comes is later than the gap, wherever that is
	case "roost:recovered":
		cl.r.meet("stream resumed")
	case "pusher_internal:subscription_count":
		cl.heard(m)
	default:
		cl.streamed(s, m, id)
	}
}

// streamed takes an event of a channel, with the id of where the stream is then.
func (cl *simClient) streamed(s *simSub, m simMessage, id string) {
	e, ok := parseSimEvent(string(unquoted(m.Data)))
	if !ok {
		cl.fail("%s: %s with %q", m.Channel, m.Event, m.Data)
	}
	cl.check(s.take(e, nil, false))
	if (id != "") != s.ch.keeps() {
		cl.fail("%s: %v with the id %q", m.Channel, e, id)
	}
	if id == "" {
		return
	}
	places := cl.places(id)
	cl.check(s.ch.learn(places[m.Channel], e))
	for name, place := range places {
		switch other := cl.subs[name]; {
		case name == m.Channel && s.place != "":
			cl.check(s.after(place, !cl.r.roomy))
		case name == m.Channel:
			s.place, s.ids = place, true
		case other.place != place && other.place != "" && place != "":
			cl.fail("%s: is at %s, and an event of %s says %s", name, other.place, m.Channel, place)
		}
	}
	cl.lastID = id
}

// places reads an id: where the stream is in each of its channels.
func (cl *simClient) places(id string) map[string]string {
	parts := strings.Split(id, ",")
	if len(parts) != len(cl.follows) {
		cl.fail("the id %q, for %d channels", id, len(cl.follows))
	}
	places := make(map[string]string)
	for i, name := range cl.follows {
		places[name] = parts[i]
	}
	return places
}

// arrive takes word of where the stream is, which it says when it is there.
func (cl *simClient) arrive(id string) {
	cl.lastID = id
	for name, place := range cl.places(id) {
		s := cl.subs[name]
		if place != "" {
			if s.place != "" && s.place != place {
				cl.fail("%s: is at %s, and the stream says %s", name, s.place, place)
			}
			s.place, s.ids = place, true
		}
	}
	if len(cl.follows) > 1 {
		cl.r.meet("stream of several")
	}
	last := cl.subs[cl.follows[len(cl.follows)-1]]
	if last.place == "" {
		return
	}
	cl.r.meet("stream")
	for _, s := range cl.subs {
		if s.high == nil {
			s.begins()
		}
	}
	cl.signedIn = cl.bearer
}
