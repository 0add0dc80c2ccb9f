package push

import (
	"bytes"
	"strconv"

	"github.com/roost-ws/roost/server"
)

// session is what the protocol knows of one connection. It is the connection's
// user value, and touched only by the goroutine of the connection's loop.
type session struct {
	app  *app
	conn *server.Conn
	subs []subscription
}

// sessionOf returns the session of c, or nil when its handshake was refused.
func sessionOf(c *server.Conn) *session {
	s, _ := c.Value().(*session)
	return s
}

// open starts the session of a new connection, or says why there is none.
func (h *Hub) open(c *server.Conn, r *server.Request) {
	a, no := h.apps.Load().admit(r.Path(), r.Query())
	if no == nil {
		no = a.enter()
	}
	if no != nil {
		// Clients that speak version 5 read the event, newer ones the code.
		_ = c.Send(server.Text, appendErrorEvent(nil, *no))
		_ = c.Close(server.StatusCode(no.code), no.message)
		return
	}
	c.SetValue(&session{app: a, conn: c})
	_ = c.Send(server.Text, h.appendEstablished(nil, h.socketID(c)))
}

// enter counts a new connection, up to the app's limit.
func (a *app) enter() *refusal {
	limit := a.config.Load().Limits.Connections
	if n := a.connections.Add(1); limit > 0 && n > int64(limit) {
		a.connections.Add(-1)
		return &refusal{codeOverQuota, "Application is over its connection quota"}
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
	s.app.connections.Add(-1)
}

// message serves one message of a client.
func (h *Hub) message(c *server.Conn, op server.Opcode, payload []byte) {
	s := sessionOf(c)
	if s == nil {
		return // refused; its Close frame is on the way
	}
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
	switch string(event.name) {
	case "pusher:ping":
		_ = s.conn.SendPrepared(h.pong)
	case "pusher:pong":
		// That it arrived is all there is to know.
	case "pusher:subscribe":
		h.subscribe(s, event.data)
	case "pusher:unsubscribe":
		h.unsubscribe(s, event.data)
	default:
		if bytes.HasPrefix(event.name, []byte("client-")) {
			s.complain("Client events are not enabled for this app")
			return
		}
		s.complain("Unknown event: the server serves pusher:subscribe, pusher:unsubscribe, pusher:ping and pusher:pong")
	}
}

// complain tells a client about a mistake that does not end its connection.
func (s *session) complain(message string) {
	_ = s.conn.Send(server.Text, appendErrorEvent(nil, refusal{codeNone, message}))
}
