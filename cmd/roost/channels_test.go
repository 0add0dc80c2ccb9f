package main

import (
	"strings"
	"testing"

	"github.com/pusher/pusher-http-go/v5"
)

// watchAs connects pusher-js with a backend that says who its user is.
func watchAs(t *testing.T, place string, p *program, backend, user string) *watcher {
	t.Helper()
	options := clientOptions(p)
	options["channelAuthorization"] = map[string]any{"endpoint": backend + "/auth?user=" + user, "transport": "ajax"}
	options["userAuthentication"] = map[string]any{"endpoint": backend + "/user?user=" + user, "transport": "ajax"}
	return places[place](t, pusherJS, map[string]any{"key": appKey, "options": options})
}

// has waits for an event whose data contains all of the texts.
func (w *watcher) has(kind, channel, name string, texts ...string) happening {
	w.t.Helper()
	return w.seen(name+" on "+channel+" with "+strings.Join(texts, ", "), func(h happening) bool {
		for _, text := range texts {
			if !strings.Contains(string(h.Data), text) {
				return false
			}
		}
		return h.Kind == kind && h.Channel == channel && h.Name == name
	})
}

// count is how often something has come so far.
func (w *watcher) count(kind, name string) (n int) {
	for _, h := range w.all() {
		if h.Kind == kind && h.Name == name {
			n++
		}
	}
	return n
}

func startChannels(t *testing.T) (p *program, sdk *pusher.Client, backendURL string) {
	t.Helper()
	p = start(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s", "--config", write(t, "roost.toml",
		appText(appID, appKey)+"client_events = true\nsubscription_count = true\n"), "--app-id", appID, "--app-secret", appSecret)
	return p, newSDK(p), backend(t, p)
}

// Private and encrypted channels: who the backend refuses is refused, and what
// is encrypted arrives as it was written, though roost never had the key.
func TestPrivateAndEncrypted(t *testing.T) {
	p, sdk, backend := startChannels(t)
	for place := range places {
		t.Run(place, func(t *testing.T) {
			c := watchAs(t, place, p, backend, "1")
			stranger := watchAs(t, place, p, backend, "nobody")
			for _, channel := range []string{"private-a", "private-encrypted-a"} {
				c.subscribe(channel)
				stranger.do("subscribe", channel)
				stranger.has("event", channel, "pusher:subscription_error", `"status":403`)
				if err := sdk.Trigger(channel, "e-"+place, map[string]string{"text": "grüße"}); err != nil {
					t.Fatal(err)
				}
				c.has("event", channel, "e-"+place, `{"text":"grüße"}`)
				if stranger.got(channel, "e-"+place) {
					t.Errorf("an event of %s reached who may not have it", channel)
				}
			}
		})
	}
}

// Presence is by user and not by tab; client events say whose they are, and do
// not come back.
func TestPresenceAndClientEvents(t *testing.T) {
	p, sdk, backend := startChannels(t)
	for place := range places {
		t.Run(place, func(t *testing.T) {
			room := "presence-" + strings.ToLower(place)
			ann := watchAs(t, place, p, backend, "1")
			ann.subscribe(room)
			bob := watchAs(t, place, p, backend, "2")
			bob.subscribe(room)
			again := watchAs(t, place, p, backend, "2")
			again.subscribe(room)
			if h := ann.has("event", room, "pusher:member_added", `"id":"2"`, `{"name":"M2"}`); h.Members != 2 {
				t.Errorf("after the second user joined pusher-js counts %d members", h.Members)
			}
			users, err := sdk.GetChannelUsers(room)
			if err != nil || len(users.List) != 2 {
				t.Errorf("the API lists users %v (%v), want 2", users, err)
			}
			bob.do("trigger", room, "client-typing", map[string]any{"n": 1})
			for _, c := range []*watcher{ann, again} {
				c.has("event", room, "client-typing", `{"n":1}`)
				c.seen("whose event it is", func(h happening) bool { return h.Kind == "message" && h.Name == "client-typing" && h.User == "2" })
			}
			bob.do("disconnect")
			again.do("disconnect")
			ann.has("event", room, "pusher:member_removed", `"id":"2"`)
			if bob.got(room, "client-typing") {
				t.Error("a client event came back to its sender")
			}
			if came, went := ann.count("event", "pusher:member_added"), ann.count("event", "pusher:member_removed"); came != 1 || went != 1 {
				t.Errorf("one user with two tabs came %d times and went %d times, want once", came, went)
			}
		})
	}
}

// Cache channels give the last event to whoever comes later, and say so when
// there is none. subscription_count reaches pusher-js.
func TestCacheAndCount(t *testing.T) {
	p, sdk, backend := startChannels(t)
	for place := range places {
		t.Run(place, func(t *testing.T) {
			c := watchAs(t, place, p, backend, "1")
			for _, channel := range []string{"cache-" + place, "private-cache-" + place, "private-encrypted-cache-" + place, "presence-cache-" + place} {
				c.subscribe(channel)
				c.event(channel, "pusher:cache_miss")
				if err := sdk.Trigger(channel, "score", "1:0"); err != nil {
					t.Fatal(err)
				}
				c.has("event", channel, "score", `"1:0"`)
				late := watchAs(t, place, p, backend, "2")
				late.subscribe(channel)
				late.has("event", channel, "score", `"1:0"`)
				if late.got(channel, "pusher:cache_miss") {
					t.Errorf("%s: a miss beside the event", channel)
				}
				if !strings.HasPrefix(channel, "presence-") {
					c.has("event", channel, "pusher:subscription_count", `"subscription_count":2`)
				}
				late.do("disconnect")
			}
		})
	}
}

// Signed-in users: they hear what is sent to them, of those they watch, and
// terminated they stay away.
func TestSignedInUsers(t *testing.T) {
	p, sdk, backend := startChannels(t)
	for place := range places {
		t.Run(place, func(t *testing.T) {
			c := watchAs(t, place, p, backend, "ann-"+place)
			c.do("signin")
			c.has("watchlist", "", "offline", `"watched"`)
			watched := watchAs(t, place, p, backend, "watched")
			watched.do("signin")
			c.has("watchlist", "", "online", `"watched"`)
			// pusher-js subscribes to the user's own channel once it is signed in.
			c.has("message", "#server-to-user-ann-"+place, "pusher_internal:subscription_succeeded")
			if err := sdk.SendToUser("ann-"+place, "hello", map[string]int{"n": 7}); err != nil {
				t.Fatal(err)
			}
			c.has("user", "", "hello", `{"n":7}`)
			callerOf(t, p).says("terminate", "watched")
			watched.seen("error 4009", func(h happening) bool { return h.Kind == "error" && h.Code == 4009 })
			watched.seen("the client staying away", func(h happening) bool { return h.Kind == "state" && h.Name == "disconnected" })
			c.seen("the watched user leaving", func(happening) bool { return c.count("watchlist", "offline") >= 2 })
		})
	}
}
