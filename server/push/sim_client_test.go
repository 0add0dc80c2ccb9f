package push

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// simClient is one client, on one connection after the other. It believes
// nothing about what it gets.
type simClient struct {
	simWire
	id   int
	name string
	d    *rand.Rand // its script; the same whatever the others do
	user string

	life     int
	former   []string // connections it had
	socketID string   // "" until the server has said it
	signedIn bool
	doomed   bool // its user was terminated
	staying  bool // reads until all is quiet
	left     bool // it ended the connection
	rested   bool // has done all that it does before all is quiet
	subs     map[string]*simSub
	past     map[string]*simSub // those that ended, with a place in history
	online   map[string]bool    // whom it watches
	pings    int
	pongs    int
	unsure   []simSaid

	follows []string // the channels of a stream
	bearer  bool     // of a token
	lastID  string
	block   []string // lines of the server-sent event that is coming
}

// simSaid is a client's event whose fate is not known yet.
type simSaid struct {
	ch *simChannel
	e  simEvent
}

func newSimClient(r *simRun, id int) *simClient {
	name := fmt.Sprintf("client %d", id)
	cl := &simClient{id: id, name: name, d: r.w.RandOf(name), past: make(map[string]*simSub)}
	cl.r, cl.slow, cl.user = r, cl.d.IntN(5) == 0, simUser(cl.d)
	return cl
}

func (cl *simClient) fail(format string, args ...any) {
	cl.r.w.Fail("%s: %s", cl.name, fmt.Sprintf(format, args...))
}

func (cl *simClient) check(err error) {
	if err != nil {
		cl.fail("%v", err)
	}
}

// connections is every one that the client has had.
func (cl *simClient) connections() []string { return append(slices.Clone(cl.former), cl.socketID) }

// maker is the client's name as one who publishes, on this connection.
func (cl *simClient) maker() string { return fmt.Sprintf("c%d.%d", cl.id, cl.life) }

// live lets the client come and go, and stay or not in the end.
func (cl *simClient) live() {
	lives, stays, streams := 1+cl.d.IntN(3), cl.d.IntN(4) > 0, cl.d.IntN(4) == 0
	for cl.life = 1; cl.life <= lives; cl.life++ {
		open, talk := cl.open, cl.talk
		if streams {
			open, talk = cl.openStream, func() { cl.idle(time.Duration(cl.d.Int64N(int64(3*time.Second))), cl.over) }
		}
		if !open() {
			break
		}
		talk()
		how := cl.d.IntN(5)
		if stays && cl.life == lives {
			cl.stay()
		} else {
			cl.leave(how)
		}
		cl.ends()
	}
	cl.come()
}

func (cl *simClient) over() bool { return cl.r.stopped }

// come says, once, that the client has come to rest or is gone.
func (cl *simClient) come() {
	if !cl.rested {
		cl.rested = true
		cl.r.coming--
	}
}

// stay reads until all is quiet, and goes then, or when the server does.
func (cl *simClient) stay() {
	cl.come()
	cl.staying = cl.ended == nil && cl.code == 0
	for cl.ended == nil && !cl.r.settled && !cl.r.stopped && !cl.r.leaving {
		cl.idle(time.Minute, func() bool { return cl.r.settled || cl.code != 0 || cl.ended != nil })
		if cl.code != 0 {
			cl.staying = false
			cl.until(func() bool { return false })
		}
	}
	cl.staying = false
	if cl.d.IntN(2) == 0 {
		cl.leave(cl.d.IntN(5))
		return
	}
	cl.until(func() bool { return false }) // until the server goes
}

// leave ends the connection in one of the ways that there are.
func (cl *simClient) leave(how int) {
	if cl.ended != nil {
		return
	}
	cl.left = true
	switch how {
	case 0:
		cl.c.Reset()
	case 1:
		cl.c.Lose()
	case 2:
		cl.c.CloseWrite()
	default:
		if cl.close(); cl.stream {
			cl.c.CloseWrite()
		}
		cl.until(func() bool { return false })
	}
	cl.r.meet("left")
}

// ends takes leave of a connection, and says if there was no reason for its end.
func (cl *simClient) ends() {
	r := cl.r
	switch {
	case cl.left || r.stopped || r.leaving:
	case r.cuts:
		r.meet("cut")
	case r.terminated[cl.user] && (cl.code == int(codeUnauthorised) && cl.signedIn || cl.code == 1000 && cl.bearer):
		r.meet("terminated")
	default:
		cl.fail("the connection ends with %d and %v, without a reason", cl.code, cl.ended)
	}
	if cl.ended == io.EOF && cl.code == 0 && len(cl.buf) > 0 && !cl.left && !r.stopped && !r.cuts {
		cl.fail("the stream ends in the middle of something: %q", cl.buf)
	}
	cl.staying, cl.signedIn = false, false
	cl.c.Close()
	for _, said := range cl.unsure {
		said.ch.void[said.e] = true
		cl.r.unsure++
	}
	cl.unsure = nil
	for name, s := range cl.subs {
		cl.part(name, s)
	}
	if cl.socketID != "" {
		cl.former, cl.socketID = append(cl.former, cl.socketID), ""
	}
}

// part keeps what is known of a subscription that ended, to resume it.
func (cl *simClient) part(name string, s *simSub) {
	if s.succeeded && s.ids && s.replay == 0 {
		cl.past[name] = s
	}
	delete(cl.subs, name)
}

// open connects and waits for a socket_id.
func (cl *simClient) open() bool {
	cl.text = cl.message
	cl.subs, cl.online, cl.doomed, cl.left, cl.pings, cl.pongs = make(map[string]*simSub), nil, false, false, 0, 0
	if !cl.dial(simSocketRequest) {
		return false
	}
	cl.until(func() bool { return cl.socketID != "" })
	return true
}

// talk does what clients do.
func (cl *simClient) talk() {
	for i := range 2 + cl.d.IntN(8) {
		kind, n, waits, nap := cl.d.IntN(12), cl.d.IntN(len(simChannels)), cl.d.IntN(3) > 0, time.Duration(cl.d.Int64N(int64(time.Second)))
		ids, filling := cl.d.IntN(4), cl.d.IntN(cl.r.filling+1)
		if cl.ended != nil || cl.code != 0 || cl.r.stopped {
			return
		}
		if !cl.r.w.Part("%s life %d deed %d", cl.name, cl.life, i) {
			continue
		}
		name := simChannels[n]
		switch s := cl.subs[name]; {
		case kind < 5 && s == nil:
			cl.subscribe(name, ids)
		case kind < 6 && s != nil && s.succeeded:
			if ids == 0 {
				cl.again(s)
			} else {
				cl.unsubscribe(name, s)
			}
		case kind < 9 && cl.voice(n) != nil:
			cl.say(cl.voice(n), filling)
		case kind == 9:
			cl.signIn()
		case kind == 10:
			cl.r.w.Sleep(nap) // without reading
		default:
			cl.idle(nap, cl.over)
		}
		if waits {
			cl.ping()
			cl.until(func() bool { return cl.pongs == cl.pings })
		}
	}
	cl.ping()
	cl.until(func() bool { return cl.pongs == cl.pings })
}

func (cl *simClient) send(event string, data any) {
	b, err := json.Marshal(map[string]any{"event": event, "data": data})
	cl.check(err)
	cl.frame(1, string(b))
}

func (cl *simClient) ping() {
	cl.pings++
	cl.send("pusher:ping", nil)
}

// subscribe asks for a channel: without ids, with them, or from where the client was.
func (cl *simClient) subscribe(name string, ids int) {
	ch := cl.r.channels[name]
	s := newSimSub(ch)
	data := map[string]any{"channel": name}
	cl.authorise(ch, data)
	s.rewound = ch.keeps() && cl.r.rewinds
	switch was := cl.past[name]; {
	case ids == 0:
	case was != nil && ids > 1:
		s.from = was
		data["resume"] = map[string]any{"id": was.place, "socket_ids": cl.connections()}
	default:
		data["resume"] = true
	}
	s.cached = ch.cache()
	cl.subs[name] = s
	cl.send("pusher:subscribe", data)
}

// authorise adds the word of the customer's backend. Who is signed in may leave out
// who it is.
func (cl *simClient) authorise(ch *simChannel, data map[string]any) {
	signed := cl.socketID + ":" + ch.name
	if ch.presence() && !cl.signedIn {
		user := fmt.Sprintf(`{"user_id":%q}`, cl.user)
		data["channel_data"] = user
		signed += ":" + user
	}
	if ch.private() {
		data["auth"] = "key:" + sign("secret", signed)
	}
}

// again subscribes to what the client is subscribed to, which is answered the same way.
func (cl *simClient) again(s *simSub) {
	data := map[string]any{"channel": s.ch.name}
	cl.authorise(s.ch, data)
	s.again = true
	cl.send("pusher:subscribe", data)
	cl.r.meet("subscribed again")
	cl.until(func() bool { return !s.again })
}

// voice returns a subscription on which the client may speak, nil if it has none.
func (cl *simClient) voice(n int) *simSub {
	for i := range simChannels {
		s := cl.subs[simChannels[(n+i)%len(simChannels)]]
		if s != nil && s.succeeded && s.ch.private() {
			return s
		}
	}
	return nil
}

// unsubscribe is sure that nothing more comes when the server has answered what
// was said after it.
func (cl *simClient) unsubscribe(name string, s *simSub) {
	cl.send("pusher:unsubscribe", map[string]any{"channel": name})
	cl.ping()
	cl.until(func() bool { return cl.pongs == cl.pings })
	if cl.ended == nil && cl.pongs == cl.pings {
		cl.part(name, s)
		cl.r.meet("unsubscribed")
	}
}

// say sends an event to the other subscribers.
func (cl *simClient) say(s *simSub, filling int) {
	e := s.ch.begin(cl.maker(), cl.socketID)
	cl.unsure = append(cl.unsure, simSaid{s.ch, e})
	b, err := json.Marshal(map[string]any{"event": "client-e", "channel": s.ch.name, "data": e.data(filling)})
	cl.check(err)
	cl.frame(1, string(b))
	cl.ping()
	cl.until(func() bool { return cl.pongs == cl.pings })
}

// signIn is done once for each connection. Only one client watches others, so that the
// order in which several are told is not left to chance.
func (cl *simClient) signIn() {
	if cl.signedIn || cl.r.terminated[cl.user] {
		return
	}
	user := map[string]any{"id": cl.user}
	if cl.name == "client 0" {
		user["watchlist"] = []string{"u0", "u1", "u2"}
	}
	b, err := json.Marshal(user)
	cl.check(err)
	cl.send("pusher:signin", map[string]any{
		"auth": "key:" + sign("secret", cl.socketID+"::user::"+string(b)), "user_data": string(b),
	})
	cl.ping()
	cl.until(func() bool { return cl.pongs == cl.pings })
}

// judge compares what a client that stays knows of others with what is so.
func (cl *simClient) judge(subscribers map[string]int, members map[string]map[string]bool, online map[string]bool) {
	for name, s := range cl.subs {
		if s.ch.presence() && !maps.Equal(s.members, members[name]) {
			cl.fail("%s: the members are %v, and should be %v", name, s.members, members[name])
		}
		if cl.r.app.SubscriptionCount && !s.ch.presence() && s.count != subscribers[name] {
			cl.fail("%s: was told of %d subscribers, and there are %d", name, s.count, subscribers[name])
		}
		if !s.succeeded || s.replay > 0 {
			cl.fail("%s: has no answer, or not all of the past: %d more", name, s.replay)
		}
	}
	for user, is := range cl.online {
		if is != online[user] {
			cl.fail("%s is online: %v, as it was told; in truth %v", user, is, online[user])
		}
	}
}

// member notes that a user has come or gone.
func (s *simSub) member(user string, there bool) error {
	if s.members[user] == there {
		return fmt.Errorf("%s: %s is said to come or go (%v), which is known", s.ch.name, user, there)
	}
	if there {
		s.members[user] = true
	} else {
		delete(s.members, user)
	}
	return nil
}

func unquoted(data json.RawMessage) []byte {
	var s string
	if json.Unmarshal(data, &s) != nil {
		return data
	}
	return []byte(s)
}

// clientEventOf says whose a client event is.
func clientEventOf(e simEvent) bool { return strings.HasPrefix(e.maker, "c") }
