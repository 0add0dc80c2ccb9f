package push

import (
	"fmt"
	"unicode/utf8"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// relay serves an event that a client sends to the other subscribers of a channel.
func (h *Hub) relay(s *session, event clientEvent) {
	config := s.app.config.Load()
	name := string(event.channel.Bytes())
	if err := s.mayRelay(config, event, name); err != nil {
		s.complain("Client event rejected: " + err.Error())
		return
	}
	if !s.rarely().events.Take(h.now(), config.Limits.ClientEventsPerSecond) {
		s.app.tooManyEvents.Add(1)
		s.tell(&refusal{codeTooManyEvents, fmt.Sprintf("Client event rejected: more than %d in a second", config.Limits.ClientEventsPerSecond)})
		return
	}
	if h.overloaded() {
		s.tell(&refusal{codeTooManyEvents, "Client event rejected: the server is busy delivering"})
		return
	}
	id := h.socketID(s.conn)
	e := Event{Name: event.name, Data: event.data, Exclude: id}
	if e.Data.Kind() == rawjson.Absent {
		e.Data = noData
	}
	userID := ""
	if m := s.member(name); m != nil {
		userID = m.id
	}
	h.published.Add(1)
	s.app.published.Add(1)
	frame := e.append(nil, name, userID)
	plain := config.plain(name)
	m := h.newMessage(frame, plain, id)
	m.born = born()
	s.app.deliver(name, m, keep{event: kept{frame: frame, plain: plain, exclude: id}, client: true})
	s.app.show(WatchClientEvent, func() Happening {
		return Happening{
			Channel: name, Event: string(e.Name.Bytes()), Data: string(e.text()),
			SocketID: id.String(), UserID: userID,
		}
	})
	if h.notices.to == nil {
		return
	}
	h.notices.add(Notice{
		App: config.ID, Name: ClientEvent, Channel: name, UserID: userID,
		Event: string(event.name.Bytes()), Data: string(e.text()), SocketID: id.String(),
	})
	h.notices.tell()
}

// noData is what a client event without data is delivered with: clients expect some.
var noData, _ = rawjson.Parse([]byte("null"))

// mayRelay says why an event is not delivered. Only members speak on a channel,
// and only where all who listen have been authorised.
func (s *session) mayRelay(config *App, event clientEvent, channel string) error {
	kind := kindOf(channel)
	switch {
	case !config.ClientEvents:
		return fmt.Errorf("client events are not enabled for this app")
	case event.channel.Kind() != rawjson.String:
		return fmt.Errorf("channel: expected a string, got %s", event.channel.Kind())
	case !kind.private:
		return fmt.Errorf("it is only possible on private and presence channels")
	case kind.encrypted:
		return fmt.Errorf("it is not possible on encrypted channels")
	case utf8.RuneCount(event.name.Bytes()) > MaxEventName:
		return fmt.Errorf("event: must not be longer than %d characters", MaxEventName)
	case dataSize(event.data) > config.Limits.DataBytes:
		return fmt.Errorf("data: at most %d bytes, got %d", config.Limits.DataBytes, dataSize(event.data))
	case s.index(channel) < 0:
		return fmt.Errorf("the connection is not subscribed to the channel")
	}
	return nil
}
