package push

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// member is a user on a presence channel, however many connections they have
// there. Who they are is what the first of these said.
type member struct {
	identity
	connections int // guarded by the channel's stripe
}

// prepare makes a new channel what its name says it is.
func (ch *channel) prepare(config *App) {
	if !ch.presence {
		return
	}
	sp := ch.rarely()
	sp.members = make(map[string]*member)
	sp.countOnly = slices.ContainsFunc(config.CountOnly, func(prefix string) bool {
		return strings.HasPrefix(ch.name, prefix)
	})
}

// admits reports whether the user may join ch: a further connection of a
// member always may.
func (ch *channel) admits(who *identity, limit int) bool {
	sp := ch.special
	return sp.countOnly || sp.members[who.id] != nil || len(sp.members) < limit
}

// enterMember counts a connection of a user, and tells the others of the first.
// The user itself joins after that message. ch is locked.
func (a *app) enterMember(ch *channel, who *identity, j *joined, asleep []*shard) []*shard {
	sp := ch.special
	m := sp.members[who.id]
	if m == nil {
		m = &member{identity: *who}
		if sp.countOnly {
			m.info = JSON{}
		}
		sp.members[who.id] = m
	}
	m.connections++
	if m.connections == 1 && !sp.countOnly {
		asleep = a.hand(ch, a.newMemberMessage("member_added", ch.name, m.appendAdded), asleep)
		a.happened(ch, Notice{Name: MemberAdded, UserID: m.id})
	}
	j.member, j.count = m, len(sp.members)
	j.members = ch.list(who, m)
	return asleep
}

// list returns the members that a subscriber, whose member is own, is told of.
func (ch *channel) list(who *identity, own *member) []*member {
	if ch.special.countOnly {
		return []*member{{identity: *cmp.Or(who, &own.identity)}}
	}
	members := make([]*member, 0, len(ch.special.members))
	for _, m := range ch.special.members {
		members = append(members, m)
	}
	return members
}

// leaveMember counts a connection of a user less, and tells the others when it
// was the last. ch is locked.
func (a *app) leaveMember(ch *channel, m *member, asleep []*shard) []*shard {
	sp := ch.special
	a.hub.vouched.give(seatBytes)
	m.connections--
	if m.connections > 0 {
		return asleep
	}
	delete(sp.members, m.id)
	a.hub.vouched.give(sp.memberMemory(&m.identity))
	if sp.countOnly {
		return asleep
	}
	asleep = a.hand(ch, a.newMemberMessage("member_removed", ch.name, m.appendRemoved), asleep)
	a.happened(ch, Notice{Name: MemberRemoved, UserID: m.id})
	return asleep
}

// present returns who is on a presence channel that m is a member of.
func (a *app) present(ch *channel, m *member) (members []*member, count int) {
	s := a.directory.stripe(ch.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	return ch.list(nil, m), len(ch.special.members)
}

func (a *app) newMemberMessage(event, channel string, data func([]byte) []byte) *message {
	b := append([]byte(nil), `{"event":"pusher_internal:`...)
	b = append(b, event...)
	b = append(b, `","channel":"`...)
	b = append(b, channel...)
	b = append(b, `","data":`...)
	b = rawjson.AppendQuote(b, data(nil))
	b = append(b, '}')
	return &message{prepared: prepare(b, a.config.Load().plain(channel)), excludeLoop: -1}
}

func (m *member) appendAdded(b []byte) []byte {
	b = append(b, `{"user_id":`...)
	b = rawjson.AppendQuote(b, m.id)
	b = append(b, `,"user_info":`...)
	b = m.appendInfo(b)
	return append(b, '}')
}

func (m *member) appendRemoved(b []byte) []byte {
	b = append(b, `{"user_id":`...)
	b = rawjson.AppendQuote(b, m.id)
	return append(b, '}')
}

func (m *member) appendInfo(b []byte) []byte {
	if m.info.Kind() == rawjson.Absent {
		return append(b, "null"...)
	}
	return append(b, m.info.Raw()...)
}

// appendMembers appends what a new subscriber is told of a presence channel, in
// the order of the ids, so that equal channels look equal.
func appendMembers(b []byte, members []*member, count int) []byte {
	slices.SortFunc(members, func(x, y *member) int { return strings.Compare(x.id, y.id) })
	b = append(b, `{"presence":{"ids":[`...)
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = rawjson.AppendQuote(b, m.id)
	}
	b = append(b, `],"hash":{`...)
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = rawjson.AppendQuote(b, m.id)
		b = append(b, ':')
		b = m.appendInfo(b)
	}
	b = append(b, `},"count":`...)
	b = strconv.AppendInt(b, int64(count), 10)
	return append(b, "}}"...)
}
