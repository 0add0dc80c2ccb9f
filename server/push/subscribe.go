package push

import (
	"fmt"

	"github.com/roost-ws/roost/server"
)

// The kinds of refused subscriptions, as clients see them.
const (
	kindAuth        = "AuthError"
	kindLimit       = "LimitReached"
	kindInvalid     = "InvalidChannel"
	kindUnsupported = "UnsupportedChannel"
)

// subscribe serves pusher:subscribe.
func (h *Hub) subscribe(s *session, data JSON) {
	d, err := parseSubscribe(data)
	if err != nil {
		s.complain(err.Error())
		return
	}
	if no := s.admission(h.socketID(s.conn), d); no != nil {
		_ = s.conn.Send(server.Text, appendSubscriptionError(nil, d.channel, *no))
		return
	}
	// A second subscribe is answered like the first: a client that unsubscribes and
	// subscribes in one breath must not end up with an error.
	sh := h.shards[s.conn.Loop()]
	if s.index(d.name) < 0 {
		s.join(sh, d.name)
	}
	sh.buf = append(sh.buf[:0], `{"event":"pusher_internal:subscription_succeeded","channel":"`...)
	sh.buf = append(sh.buf, d.name...)
	sh.buf = append(sh.buf, `","data":"{}"}`...)
	_ = s.conn.Send(server.Text, sh.buf)
}

// admission says why s, which clients know as id, may not subscribe, if so.
func (s *session) admission(id SocketID, d subscribeData) *subscriptionRefusal {
	config := s.app.config.Load()
	kind := kindOf(d.name)
	switch {
	case !validChannelName(d.name):
		return &subscriptionRefusal{kindInvalid, fmt.Sprintf("Invalid channel name: 1 to %d of the characters a-z A-Z 0-9 _ - = @ , . ;", MaxChannelName), 400}
	case kind.presence:
		return &subscriptionRefusal{kindUnsupported, "Presence channels are not served by this version", 501}
	case kind.cache:
		return &subscriptionRefusal{kindUnsupported, "Cache channels are not served by this version", 501}
	case kind.private && !config.authorises(d.auth, id.String(), d.name):
		return &subscriptionRefusal{kindAuth, fmt.Sprintf("Invalid signature: expected the app key, a colon and the HMAC SHA256 hex digest of %s:%s", id, d.name), 401}
	case len(s.subs) >= config.Limits.ChannelsPerConnection && s.index(d.name) < 0:
		return &subscriptionRefusal{kindLimit, fmt.Sprintf("A connection may subscribe to %d channels", config.Limits.ChannelsPerConnection), 4100}
	}
	return nil
}

// unsubscribe serves pusher:unsubscribe. There is no reply, and none is missed
// by a client that was not subscribed.
func (h *Hub) unsubscribe(s *session, data JSON) {
	name, err := parseUnsubscribe(data)
	if err != nil {
		s.complain(err.Error())
		return
	}
	if i := s.index(name); i >= 0 {
		s.leave(h.shards[s.conn.Loop()], i)
	}
}

// index returns which of s's subscriptions is to the named channel, or -1.
func (s *session) index(name string) int {
	for i := range s.subs {
		if s.subs[i].roster.channel.name == name {
			return i
		}
	}
	return -1
}

// join subscribes s, whose loop's shard is sh, to the named channel.
func (s *session) join(sh *shard, name string) {
	r := s.app.directory.join(name, sh.loop)
	sh.subscriptions.Add(1)
	at := r.add(s.conn, len(s.subs))
	s.subs = append(s.subs, subscription{roster: r, at: at})
}

// leave ends subscription i. The last one takes its place.
func (s *session) leave(sh *shard, i int) {
	sh.subscriptions.Add(-1)
	sub := s.subs[i]
	last := len(s.subs) - 1
	if i != last {
		moved := s.subs[last]
		s.subs[i] = moved
		moved.roster.subs[moved.at].at = uint32(i)
	}
	s.subs[last] = subscription{}
	s.subs = s.subs[:last]
	sub.roster.remove(int(sub.at))
	if len(sub.roster.subs) == 0 {
		s.app.directory.leave(sub.roster)
	}
}
