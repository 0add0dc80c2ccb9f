package webhook

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/roost-ws/roost/server/push"
)

// 1.13: every kind of event has exactly these fields. Everything is set in the
// notices, so that a field too many shows.
func TestEventsHaveTheirFields(t *testing.T) {
	for _, c := range []struct{ name, channel, want string }{
		{push.ChannelOccupied, "a", `{"name":"channel_occupied","channel":"a"}`},
		{push.ChannelVacated, "a", `{"name":"channel_vacated","channel":"a"}`},
		{push.MemberAdded, "presence-a", `{"name":"member_added","channel":"presence-a","user_id":"u\"1"}`},
		{push.MemberRemoved, "presence-a", `{"name":"member_removed","channel":"presence-a","user_id":"u\"1"}`},
		{push.ClientEvent, "private-a", `{"name":"client_event","channel":"private-a","event":"client-x","data":"{\"a\":\"<&>é\"}","socket_id":"1.2"}`},
		{push.ClientEvent, "presence-a", `{"name":"client_event","channel":"presence-a","event":"client-x","data":"{\"a\":\"<&>é\"}","socket_id":"1.2","user_id":"u\"1"}`},
		{push.CacheMiss, "cache-a", `{"name":"cache_miss","channel":"cache-a"}`},
		{push.SubscriptionCount, "a", `{"name":"subscription_count","channel":"a","subscription_count":7}`},
	} {
		n := push.Notice{
			App: appID, Name: c.name, Channel: c.channel, UserID: `u"1`,
			Event: "client-x", Data: `{"a":"<&>é"}`, SocketID: "1.2", Count: 7,
		}
		if got := string(appendEvent(nil, &n)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Whatever a client puts into its event, what is sent is JSON.
func FuzzEventIsJSON(f *testing.F) {
	f.Add("a", "b", "c", "d", "e")
	f.Add("presence-\xff", "\x00", "\u2028", `"}],"`, "\ud7ff")
	f.Fuzz(func(t *testing.T, channel, user, event, data, socket string) {
		n := push.Notice{Name: push.ClientEvent, Channel: channel, UserID: user, Event: event, Data: data, SocketID: socket}
		var got map[string]string
		if err := json.Unmarshal(appendEvent(nil, &n), &got); err != nil {
			t.Fatal(err)
		}
		if got["data"] != strings.Map(func(r rune) rune { return r }, data) {
			t.Errorf("data %q became %q", data, got["data"])
		}
	})
}

// Both sides of a pair come with one another, since the hold-back needs both.
func TestKindsComeInPairs(t *testing.T) {
	for _, name := range kindNames {
		kind := kindOf(name)
		got := kind.withCounterparts()
		want := kind
		switch kind {
		case channelOccupied, channelVacated:
			want = channelOccupied | channelVacated
		case memberAdded, memberRemoved:
			want = memberAdded | memberRemoved
		}
		if got != want {
			t.Errorf("%s: %07b, want %07b", name, got, want)
		}
	}
	if kindOf("channel_") != 0 || allKinds != 1<<len(kindNames)-1 {
		t.Error("the set of names and the constants differ")
	}
}
