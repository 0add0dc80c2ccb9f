package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// joinOrder brings clients of a push backend to where they are subscribed.
type joinOrder struct {
	idle
	Join
	s       *Session
	left    int                // still to begin
	under   int                // begun, not yet subscribed
	clients map[uint32]*client // by connection
	result  *Joined
}

// client is one connection of a Join.
type client struct {
	channel    string
	greeted    bool // it was told its socket id, and has subscribed
	subscribed bool
	members    int // of its presence channel, as far as it was told
}

// Join opens connections and subscribes each to a channel. What the server did
// wrong is in the result.
func (s *Session) Join(j Join, progress func(Progress)) (*Joined, error) {
	s.request = s.handshake(j.App.clientPath())
	o := &joinOrder{Join: j, s: s, left: j.Count, clients: map[uint32]*client{}, result: &Joined{Latency: NewHistogram()}}
	s.adopt(o, 0, true)
	s.textual = true
	defer func() { s.order, s.textual = idle{}, false }()
	cpu, start := s.serverCPU(), s.clock()
	tell := ticker(progress)
	for {
		for o.left > 0 && o.under < max(1, j.Concurrency) {
			o.left--
			if err := o.begin(); err != nil {
				return nil, err
			}
		}
		if o.left == 0 && o.under == 0 && (s.failures.Total() > 0 || o.acquainted()) {
			break
		}
		if err := s.poll(100 * time.Millisecond); err != nil {
			return nil, err
		}
		if s.now-start > j.Deadline {
			s.failures.Add(Lost, uint64(max(1, o.left+o.under)), "%d clients are not subscribed %v after the first attempt, or do not know of all others", o.left+o.under, j.Deadline)
			break
		}
		tell(Progress{Done: uint64(o.result.Joined), Elapsed: s.now - start})
	}
	o.result.Elapsed = s.clock() - start
	o.result.ServerCPU = s.serverCPU() - cpu
	o.result.Failures = s.failures
	return o.result, nil
}

func (o *joinOrder) begin() error {
	s, before := o.s, len(o.s.conns)
	if err := s.dialOne(); err != nil || len(s.conns) == before {
		return err
	}
	c := s.conns[before]
	channel := o.Channel
	if o.Own {
		channel = fmt.Sprintf("%s%d-%d", o.Channel, s.dial.Source, c.id)
	}
	o.clients[c.id] = &client{channel: channel}
	o.under++
	return nil
}

func (o *joinOrder) lost(c *conn) {
	if cl := o.clients[c.id]; cl != nil && !cl.subscribed {
		o.under--
	}
	delete(o.clients, c.id)
}

// acquainted reports whether every member knows of every other one.
func (o *joinOrder) acquainted() bool {
	if !isPresence(o.Channel) || o.Own {
		return true
	}
	for _, cl := range o.clients {
		if cl.members != len(o.clients) {
			return false
		}
	}
	return true
}

// The events that a joining client hears, by how they begin. roost writes them
// without spaces, and this client is not there to be kind.
var (
	established = []byte(`{"event":"pusher:connection_established",`)
	succeeded   = []byte(`{"event":"pusher_internal:subscription_succeeded",`)
	memberAdded = []byte(`{"event":"pusher_internal:member_added",`)
)

func (o *joinOrder) text(c *conn, payload []byte) *fault {
	cl := o.clients[c.id]
	switch {
	case cl == nil: // of an earlier Join
		return &fault{Stranger, fmt.Sprintf("connection %d heard %.200s", c.id, payload)}
	case !cl.greeted && bytes.HasPrefix(payload, established):
		return o.greet(c, cl, payload)
	case cl.greeted && !cl.subscribed && bytes.HasPrefix(payload, succeeded):
		return o.subscribed(c, cl, payload)
	case cl.subscribed && bytes.HasPrefix(payload, memberAdded):
		cl.members++
		o.result.Told++
		return nil
	}
	return &fault{Protocol, fmt.Sprintf("connection %d heard %.200s", c.id, payload)}
}

// unwrap reads an event whose data is JSON within a string.
func unwrap(payload []byte, data any) (channel string, f *fault) {
	var event struct{ Channel, Data string }
	if err := json.Unmarshal(payload, &event); err != nil {
		return "", &fault{Protocol, fmt.Sprintf("%v: %.200s", err, payload)}
	}
	if err := json.Unmarshal([]byte(event.Data), data); err != nil {
		return "", &fault{Protocol, fmt.Sprintf("data: %v: %.200s", err, payload)}
	}
	return event.Channel, nil
}

func (o *joinOrder) greet(c *conn, cl *client, payload []byte) *fault {
	var data struct {
		SocketID string `json:"socket_id"`
	}
	if _, f := unwrap(payload, &data); f != nil {
		return f
	}
	cl.greeted = true
	o.s.writeText(c, o.App.subscription(data.SocketID, cl.channel, c.id))
	return nil
}

func (o *joinOrder) subscribed(c *conn, cl *client, payload []byte) *fault {
	var data struct{ Presence struct{ Count int } }
	channel, f := unwrap(payload, &data)
	if f != nil {
		return f
	}
	if channel != cl.channel {
		return &fault{Stranger, fmt.Sprintf("connection %d asked for %s and was subscribed to %s", c.id, cl.channel, channel)}
	}
	cl.subscribed, cl.members = true, data.Presence.Count
	o.under--
	o.result.Joined++
	o.result.Latency.Record(o.s.now - c.began)
	return nil
}

// writeText sends a text message.
func (s *Session) writeText(c *conn, text string) {
	s.write(c, appendText(nil, text, s.pattern.key))
}
