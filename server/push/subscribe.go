package push

import (
	"fmt"
	"slices"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// The kinds of refused subscriptions, as clients see them.
const (
	kindAuth    = "AuthError"
	kindLimit   = "LimitReached"
	kindInvalid = "InvalidChannel"
)

// subscribe serves pusher:subscribe.
func (h *Hub) subscribe(s *session, data JSON) {
	d, err := parseSubscribe(data)
	if err != nil {
		s.complain(err.Error())
		return
	}
	sh := h.shards[s.conn.Loop()]
	who, no := s.admission(h.socketID(s.conn), d)
	if no == nil {
		no = s.enter(sh, d.name, who, d.resume)
	}
	if no != nil {
		_ = s.conn.Send(server.Text, appendSubscriptionError(nil, d.channel, *no))
	}
	h.notices.tell()
}

// enter subscribes s to a channel that admits it, and tells it what it starts from.
func (s *session) enter(sh *shard, name string, who *identity, ask catchUp) *subscriptionRefusal {
	// A second subscribe is answered like the first: a client that unsubscribes and
	// subscribes in one breath must not end up with an error. It has missed nothing, so
	// there is nothing to be told of the past.
	if i := s.index(name); i >= 0 {
		var j joined
		if ask.ids {
			s.wantIDs(s.subs[i])
		}
		if m := s.member(name); m != nil {
			j.members, j.count = s.app.present(s.subs[i].roster.channel, m)
		}
		s.succeed(sh, name, &j)
		return nil
	}
	kind := kindOf(name)
	if kind.presence {
		if no := s.mayJoin(); no != nil {
			return no
		}
	}
	j, no := s.join(sh, name, who, ask)
	if no != nil {
		return no
	}
	if ask.resume && j.past.id != (position{}) {
		s.app.history.settled(j.past.recovered)
	}
	if kind.private && s.rare != nil {
		s.rare.unauthorised = false
	}
	s.succeed(sh, name, &j)
	switch {
	case !kind.cache || j.past.recovered:
	case j.cached != nil && j.past.has(j.cached):
	case j.cached != nil:
		s.send(name, j.cached.frame)
	default:
		sh.buf = appendCacheMiss(sh.buf[:0], name)
		_ = s.conn.Send(server.Text, sh.buf)
	}
	s.replay(sh, name, &j.past)
	return nil
}

// mayJoin says why s may not join a presence channel now. Whoever comes and goes is
// announced to all others: one small message becomes as many as there are members.
// There is no limit to leaving, because nobody leaves more often than they join.
func (s *session) mayJoin() *subscriptionRefusal {
	l := &s.app.config.Load().Limits
	if s.rarely().joins.TakeOf(s.app.hub.now(), l.MemberJoinsPerSecond, max(l.ChannelsPerConnection, l.MemberJoinsPerSecond)) {
		return nil
	}
	s.app.tooManyJoins.Add(1)
	return &subscriptionRefusal{kindLimit, fmt.Sprintf("A connection may join presence channels %d times in a second", l.MemberJoinsPerSecond), 4100}
}

func appendCacheMiss(b []byte, channel string) []byte {
	b = append(b, `{"event":"pusher:cache_miss","channel":"`...)
	b = append(b, channel...)
	return append(b, `","data":"{}"}`...)
}

// succeed tells s that it is subscribed, and to whom it is in company.
func (s *session) succeed(sh *shard, name string, j *joined) {
	sh.buf = append(sh.buf[:0], `{"event":"pusher_internal:subscription_succeeded","channel":`...)
	sh.buf = appendChannel(sh.buf, name)
	if j.members == nil {
		sh.buf = append(sh.buf, `,"data":"{}"`...)
	} else {
		sh.inner = appendMembers(sh.inner[:0], j.members, j.count)
		sh.buf = append(sh.buf, `,"data":`...)
		sh.buf = rawjson.AppendQuote(sh.buf, sh.inner)
	}
	if j.past.id != (position{}) {
		sh.buf = j.past.appendResume(sh.buf)
	}
	sh.buf = append(sh.buf, '}')
	s.send(name, sh.buf)
	if cap(sh.buf) > keepBytes {
		sh.buf, sh.inner = nil, nil
	}
}

// keepBytes is the largest buffer that a loop keeps for its next frame.
const keepBytes = 64 << 10

// admission says why s, which clients know as id, may not subscribe, if so, and
// as whom if the channel wants to know.
func (s *session) admission(id SocketID, d subscribeData) (who *identity, no *subscriptionRefusal) {
	config := s.app.config.Load()
	kind := kindOf(d.name)
	if kind.user {
		if owner, ok := userOf(d.name); !ok || s.user() == nil || s.user().id != owner {
			return nil, &subscriptionRefusal{kindAuth, "A user's own channel is for connections that are signed in as that user", 401}
		}
	} else if !validChannelName(d.name) {
		return nil, &subscriptionRefusal{kindInvalid, fmt.Sprintf("Invalid channel name: 1 to %d of the characters a-z A-Z 0-9 _ - = @ , . ;", MaxChannelName), 400}
	}
	var b *bearer
	if text, ok := isToken(d.auth); kind.private && ok {
		b, no = s.permit(text, d)
	} else if kind.private {
		no = authorise(config, id, d)
	}
	if no != nil {
		return nil, no
	}
	switch {
	case !kind.presence:
	case b != nil:
		who, no = b.identify(s, d)
	default:
		who, no = s.identify(config, d)
	}
	if no != nil {
		return nil, no
	}
	if len(s.subs) >= config.Limits.ChannelsPerConnection && s.index(d.name) < 0 {
		return nil, &subscriptionRefusal{kindLimit, fmt.Sprintf("A connection may subscribe to %d channels", config.Limits.ChannelsPerConnection), 4100}
	}
	return who, nil
}

// authorise checks the signature of a subscription.
func authorise(config *App, id SocketID, d subscribeData) *subscriptionRefusal {
	signed, shown := []string{id.String(), d.name}, ""
	if d.channelData.Kind() == rawjson.String {
		signed, shown = append(signed, string(d.channelData.Bytes())), ":<channel_data>"
	}
	if config.authorises(d.auth, signed...) {
		return nil
	}
	return &subscriptionRefusal{kindAuth, fmt.Sprintf("Invalid signature: expected the app key, a colon and the HMAC SHA256 hex digest of %s:%s%s", id, d.name, shown), 401}
}

// identify says as whom s subscribes to a presence channel.
func (s *session) identify(config *App, d subscribeData) (*identity, *subscriptionRefusal) {
	switch d.channelData.Kind() {
	case rawjson.String:
		who, err := parseChannelData(d.channelData.Bytes(), &config.Limits)
		if err != nil {
			return nil, &subscriptionRefusal{kindAuth, "Invalid " + err.Error(), 400}
		}
		return who, nil
	case rawjson.Absent, rawjson.Null:
		if user := s.user(); user != nil {
			return &user.identity, nil
		}
	}
	return nil, &subscriptionRefusal{kindAuth, "Subscribing to a presence channel takes channel_data, a string, or having signed in", 401}
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
		h.notices.tell()
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
func (s *session) join(sh *shard, name string, who *identity, ask catchUp) (j joined, no *subscriptionRefusal) {
	further := len(s.subs) > 0
	if further && !s.app.hub.further.take() {
		return j, &subscriptionRefusal{kindLimit, overSubscribed, 4100}
	}
	if j, no = s.app.join(name, sh.loop, who, ask); no != nil {
		if further {
			s.app.hub.further.give()
		}
		return j, no
	}
	j.past.fit((sh.outbound - s.conn.Waiting()) / 2) // lists of members need room, too
	sh.subscriptions.Add(1)
	s.app.traffic.of(sh.loop).joined.Add(1)
	s.show(WatchSubscribed, name)
	r := j.roster
	if j.waiting {
		r.postpone(s.conn, j.since)
	}
	at := r.add(s.conn, len(s.subs), s.form(ask))
	s.subs = append(s.subs, subscription{roster: r, at: at})
	if j.member != nil {
		s.rarely().seats = append(s.rarely().seats, seat{r.channel, j.member})
	}
	return j, nil
}

// wantIDs has the events of a subscription carry their ids from now on.
func (s *session) wantIDs(sub subscription) {
	sub.roster.subs[sub.at].form = formID
	ch := sub.roster.channel
	stripe := s.app.directory.stripe(ch.name)
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	ch.followed = true
}

// leave ends subscription i. The last one takes its place.
func (s *session) leave(sh *shard, i int) {
	sh.subscriptions.Add(-1)
	s.app.traffic.of(sh.loop).left.Add(1)
	sub := s.subs[i]
	s.show(WatchUnsubscribed, sub.roster.channel.name)
	last := len(s.subs) - 1
	if i != last {
		moved := s.subs[last]
		s.subs[i] = moved
		moved.roster.subs[moved.at].at = uint32(i)
	}
	s.subs[last] = subscription{}
	s.subs = s.subs[:last]
	if last > 0 {
		s.app.hub.further.give()
	}
	sub.roster.remove(int(sub.at))
	s.app.leave(sub.roster, s.stand(sub.roster.channel))
}

// stand gives up s's seat on a channel, and returns whose it was, or nil.
func (s *session) stand(ch *channel) *member {
	if !ch.presence {
		return nil
	}
	seats := s.rare.seats
	i := slices.IndexFunc(seats, func(seat seat) bool { return seat.channel == ch })
	m := seats[i].member
	s.rare.seats = slices.Delete(seats, i, i+1)
	return m
}
