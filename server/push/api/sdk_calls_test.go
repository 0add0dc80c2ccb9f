package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	pusher "github.com/pusher/pusher-http-go/v5"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// subscribeWith subscribes with what the SDK's authoriser returns, as a customer's
// backend hands it to the page.
func subscribeWith(t *testing.T, c *pushtest.Client, channel string, answer []byte, err error) {
	t.Helper()
	var data map[string]string
	if err == nil {
		err = json.Unmarshal(answer, &data)
	}
	if err != nil {
		t.Fatal(err)
	}
	delete(data, "shared_secret") // the client keeps it to itself
	data["channel"] = channel
	c.Event("pusher:subscribe", data)
	if got := c.Next(); !strings.HasPrefix(got, `{"event":"pusher_internal:subscription_succeeded","channel":"`+channel+`"`) {
		t.Fatal(got)
	}
}

func authParams(socketID, channel string) []byte {
	return []byte(url.Values{"socket_id": {socketID}, "channel_name": {channel}}.Encode())
}

// Every call and every signature that the official SDK can make.
func TestOfficialSDKEveryCall(t *testing.T) {
	addr := serve(t, app)
	sdk := pusher.Client{AppID: app.ID, Key: app.Key, Secret: app.Secret, Host: addr.String(), EncryptionMasterKeyBase64: "ZUhQVldIZzduRkdZVkJzS2pPRkRYV1JyaWJJUjJiMGI="}
	c, id := pushtest.Connect(t, addr, app.Key)
	check := func(what string, got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", what, got, err, want)
		}
	}
	text := func(v any) string { b, _ := json.Marshal(v); return string(b) }

	answer, err := sdk.AuthorizePrivateChannel(authParams(id, "private-x"))
	subscribeWith(t, c, "private-x", answer, err)
	answer, err = sdk.AuthorizePrivateChannel(authParams(id, "private-encrypted-x"))
	subscribeWith(t, c, "private-encrypted-x", answer, err)
	answer, err = sdk.AuthorizePresenceChannel(authParams(id, "presence-x"), pusher.MemberData{UserID: "10", UserInfo: map[string]string{"name": "<Zoë>"}})
	subscribeWith(t, c, "presence-x", answer, err)

	answer, err = sdk.AuthenticateUser([]byte("socket_id="+id), map[string]any{"id": "10", "watchlist": []any{"11"}})
	var signin map[string]string
	if err != nil || json.Unmarshal(answer, &signin) != nil {
		t.Fatal(err)
	}
	c.Event("pusher:signin", signin)
	if got := c.Next(); !strings.HasPrefix(got, `{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"10\\\"`) {
		t.Fatal(got)
	}
	c.Expect(`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"offline\",\"user_ids\":[\"11\"]}]}"}`)
	c.Subscribe("#server-to-user-10")

	check("SendToUser", nil, sdk.SendToUser("10", "e", "x"), nil)
	c.Expect(`{"event":"e","channel":"#server-to-user-10","data":"x"}`)
	check("encrypted Trigger", nil, sdk.Trigger("private-encrypted-x", "e", "secret"), nil)
	var frame struct{ Event, Channel, Data string }
	var box struct{ Nonce, Ciphertext string }
	got := c.Next()
	if json.Unmarshal([]byte(got), &frame) != nil || json.Unmarshal([]byte(frame.Data), &box) != nil || box.Nonce == "" || box.Ciphertext == "" || strings.Contains(got, "secret") {
		t.Errorf("encrypted event: %s", got)
	}

	both, users, subscriptions, prefix := "user_count,subscription_count", "user_count", "subscription_count", "presence-"
	list, err := sdk.TriggerMultiWithParams([]string{"presence-x", "nobody"}, "e", "x", pusher.TriggerParams{SocketID: &id, Info: &both})
	check("Trigger with info", text(list), err, `{"channels":{"nobody":{"subscription_count":0},"presence-x":{"user_count":1,"subscription_count":1}}}`)
	batch, err := sdk.TriggerBatch([]pusher.Event{{Channel: "private-x", Name: "a", Data: map[string]int{"n": 1}}, {Channel: "private-x", Name: "b", Data: "x", SocketID: &id}, {Channel: "presence-x", Name: "c", Data: "x"}})
	check("TriggerBatch", text(batch), err, `{"batch":null}`)
	pair := []string{c.Next(), c.Next()} // two channels have no common order
	slices.Sort(pair)
	if got := strings.Join(pair, ""); got != `{"event":"a","channel":"private-x","data":"{\"n\":1}"}{"event":"c","channel":"presence-x","data":"x"}` {
		t.Errorf("a batch arrives as %s", got)
	}
	batch, err = sdk.TriggerBatch([]pusher.Event{{Channel: "nobody", Name: "a", Data: "x"}, {Channel: "presence-x", Name: "b", Data: "x", SocketID: &id, Info: &users}})
	check("TriggerBatch with info", text(batch), err, `{"batch":[{},{"user_count":1}]}`)

	channels, err := sdk.Channels(pusher.ChannelsParams{FilterByPrefix: &prefix, Info: &users})
	check("Channels", channels, err, &pusher.ChannelsList{Channels: map[string]pusher.ChannelListItem{"presence-x": {UserCount: 1}}})
	channels, err = sdk.Channels(pusher.ChannelsParams{})
	check("all Channels", fmt.Sprint(len(channels.Channels)), err, "3")
	channel, err := sdk.Channel("presence-x", pusher.ChannelParams{Info: &both})
	check("Channel", channel, err, &pusher.Channel{Name: "presence-x", Occupied: true, UserCount: 1, SubscriptionCount: 1})
	channel, err = sdk.Channel("nobody", pusher.ChannelParams{Info: &subscriptions})
	check("empty Channel", channel, err, &pusher.Channel{Name: "nobody"})
	members, err := sdk.GetChannelUsers("presence-x")
	check("GetChannelUsers", members, err, &pusher.Users{List: []pusher.User{{ID: "10"}}})
	if _, err := sdk.GetChannelUsers("private-x"); err == nil || !strings.Contains(err.Error(), "Status Code: 400") {
		t.Errorf("GetChannelUsers of a private channel: %v", err)
	}
	c.Ping()
}
