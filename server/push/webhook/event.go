package webhook

import (
	"slices"
	"strconv"
	"strings"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// kinds is a set of the names of events.
type kinds uint8

const (
	channelOccupied kinds = 1 << iota
	channelVacated
	memberAdded
	memberRemoved
	clientEvent
	cacheMiss
	subscriptionCount
	allKinds = 1<<iota - 1
)

var kindNames = [...]string{
	push.ChannelOccupied, push.ChannelVacated, push.MemberAdded, push.MemberRemoved,
	push.ClientEvent, push.CacheMiss, push.SubscriptionCount,
}

// kindOf returns the set of just name, or the empty one for a name that is none.
func kindOf(name string) kinds {
	if i := slices.Index(kindNames[:], name); i >= 0 {
		return 1 << i
	}
	return 0
}

// withCounterparts adds the leaving to each coming and the other way round: the
// hold-back has to see both to know whether one of them is to be told.
func (k kinds) withCounterparts() kinds {
	if k&(channelOccupied|channelVacated) != 0 {
		k |= channelOccupied | channelVacated
	}
	if k&(memberAdded|memberRemoved) != 0 {
		k |= memberAdded | memberRemoved
	}
	return k
}

// appendEvent appends the object that tells of n. Every kind has exactly the
// fields that the protocol gives it.
func appendEvent(b []byte, n *push.Notice) []byte {
	b = append(b, '{')
	b = appendField(b, "name", n.Name)
	b = append(b, ',')
	b = appendField(b, "channel", n.Channel)
	switch kindOf(n.Name) {
	case memberAdded, memberRemoved:
		b = append(b, ',')
		b = appendField(b, "user_id", n.UserID)
	case clientEvent:
		b = append(b, ',')
		b = appendField(b, "event", n.Event)
		b = append(b, ',')
		b = appendField(b, "data", n.Data)
		b = append(b, ',')
		b = appendField(b, "socket_id", n.SocketID)
		if strings.HasPrefix(n.Channel, "presence-") {
			b = append(b, ',')
			b = appendField(b, "user_id", n.UserID)
		}
	case subscriptionCount:
		b = append(b, `,"subscription_count":`...)
		b = strconv.AppendInt(b, int64(n.Count), 10)
	}
	return append(b, '}')
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return rawjson.AppendQuote(b, value)
}

// noticeSize is what n counts for against limits.
func noticeSize(n *push.Notice) int {
	return itemOverhead + len(n.App) + len(n.Channel) + len(n.UserID) + len(n.Event) + len(n.Data) + len(n.SocketID)
}
