package push

import (
	"bytes"
	"strconv"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/rate"
)

// session is what the protocol knows of one connection. It is the connection's
// user value, and touched only by the goroutine of the connection's loop.
type session struct {
	app  *app
	conn *server.Conn
	subs []subscription
	rare *rare // nil for a connection that only listens
}

// rare is what only some connections need.
type rare struct {
	seats        []seat
	user         *signedIn // nil until then
	events       rate.Rate // of the client's own
	joins        rate.Rate // of presence channels
	unauthorised bool      // and due to become authorised
	places       *places   // of a stream of several channels
}

// seat is a membership: whom the connection stands for on a presence channel.
type seat struct {
	channel *channel
	member  *member
}

func (s *session) rarely() *rare {
	if s.rare == nil {
		s.rare = &rare{}
	}
	return s.rare
}

// user is who s is signed in as, or nil.
func (s *session) user() *signedIn {
	if s.rare == nil {
		return nil
	}
	return s.rare.user
}

// member is whom s stands for on the named channel, or nil.
func (s *session) member(channel string) *member {
	if s.rare == nil {
		return nil
	}
	for _, seat := range s.rare.seats {
		if seat.channel.name == channel {
			return seat.member
		}
	}
	return nil
}

// sessionOf returns the session of c, or nil when its handshake was refused.
func sessionOf(c *server.Conn) *session {
	s, _ := c.Value().(*session)
	return s
}

// open starts the session of a new connection, or says why there is none.
func (h *Hub) open(c *server.Conn, r *server.Request) {
	if c.Streaming() {
		h.openStream(c)
		h.notices.tell()
		return
	}
	a, no := h.apps.Load().admit(r.Path(), r.Query())
	if no == nil {
		no = a.config.Load().welcomes(r.Header("Origin"), r.Header("X-Forwarded-Proto"), r.TLS() != nil)
	}
	if no == nil {
		no = h.enter(a)
	}
	if no != nil {
		refuse(c, no)
		return
	}
	s := &session{app: a, conn: c}
	c.SetValue(s)
	s.tally().opened.Add(1)
	a.show(WatchConnected, func() Happening { return Happening{SocketID: h.socketID(c).String()} })
	if within := a.config.Load().AuthorisedWithin; within > 0 {
		h.await(s, within)
	}
	_ = c.Send(server.Text, h.appendEstablished(nil, h.socketID(c)))
}

// enter counts a new connection, up to the limits of the app and of the hub.
func (h *Hub) enter(a *app) *refusal {
	limit := a.config.Load().Limits.Connections
	if n := a.connections.Add(1); limit > 0 && n > int64(limit) {
		a.connections.Add(-1)
		a.refused.Add(1)
		return &refusal{codeOverQuota, "Application is over its connection quota"}
	}
	if n := h.connections.Add(1); h.limit > 0 && n > h.limit {
		h.connections.Add(-1)
		a.connections.Add(-1)
		a.refused.Add(1)
		return &refusal{codeOverCapacity, "The server is over its capacity"}
	}
	return nil
}

func (h *Hub) appendEstablished(b []byte, id SocketID) []byte {
	// The data of this event is JSON within a string, hence the backslashes.
	b = append(b, `{"event":"pusher:connection_established","data":"{\"socket_id\":\"`...)
	b = id.append(b)
	b = append(b, `\",\"activity_timeout\":`...)
	b = strconv.AppendInt(b, int64(h.activityTimeout.Seconds()), 10)
	return append(b, `}"}`...)
}

// close ends a session. Nothing can be sent to it any more.
func (h *Hub) close(c *server.Conn) {
	s := sessionOf(c)
	if s == nil {
		return
	}
	sh := h.shards[c.Loop()]
	for len(s.subs) > 0 {
		s.leave(sh, len(s.subs)-1)
	}
	if user := s.user(); user != nil {
		s.app.signOut(s, user.id, user.watchlist)
		h.vouched.give(user.memory())
	}
	if s.rare != nil {
		s.rare.unauthorised = false // it is too late to refuse it
	}
	s.tally().closed.Add(1)
	s.app.connections.Add(-1)
	h.connections.Add(-1)
	s.app.show(WatchDisconnected, func() Happening { return Happening{SocketID: h.socketID(c).String()} })
	h.notices.tell() // last: it may panic
}

// message serves one message of a client.
func (h *Hub) message(c *server.Conn, op server.Opcode, payload []byte) {
	s := sessionOf(c)
	if s == nil {
		return // refused; its Close frame is on the way
	}
	if no := s.app.serving(); no != nil {
		refuse(c, no)
		return
	}
	t := s.tally()
	t.received.Add(1)
	t.receivedBytes.Add(uint64(len(payload)))
	event, err := parseClientEvent(payload)
	switch {
	case err != nil && op == server.Binary:
		_ = c.Close(statusUnsupportedData, "binary messages are not part of the protocol")
	case err != nil:
		s.complain(err.Error())
	default:
		h.dispatch(s, event)
	}
}

// statusUnsupportedData is RFC 6455's "a type of data it cannot accept".
const statusUnsupportedData server.StatusCode = 1003

// dispatch serves one event of a client.
func (h *Hub) dispatch(s *session, event clientEvent) {
	switch name := event.name.Bytes(); string(name) {
	case "pusher:ping":
		_ = s.conn.SendPrepared(h.pong)
	case "pusher:pong":
		// That it arrived is all there is to know.
	case "pusher:subscribe":
		h.subscribe(s, event.data)
	case "pusher:unsubscribe":
		h.unsubscribe(s, event.data)
	case "pusher:signin":
		h.signIn(s, event.data)
	default:
		if bytes.HasPrefix(name, []byte("client-")) {
			h.relay(s, event)
			return
		}
		s.complain("Unknown event: clients may send pusher:subscribe, pusher:unsubscribe, pusher:signin, pusher:ping, pusher:pong and client-...")
	}
}

// complain tells a client about a mistake that does not end its connection.
func (s *session) complain(message string) { s.tell(&refusal{codeNone, message}) }

// tell is complain with a code.
func (s *session) tell(r *refusal) {
	_ = s.conn.Send(server.Text, appendErrorEvent(nil, *r))
}
