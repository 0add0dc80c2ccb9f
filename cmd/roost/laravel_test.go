package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pusher/pusher-http-go/v5"
)

var laravelEcho = library{name: "laravel", scripts: []string{"pusher-js/dist/web/pusher-with-encryption.js", "laravel-echo/dist/echo.iife.js"}}

// laravel connects laravel-echo as an application's bootstrap.js sets it up for
// Reverb, with a backend that says who its user is.
func laravel(t *testing.T, place string, p *program, backend, user string) *watcher {
	t.Helper()
	host, port, _ := strings.Cut(p.addr, ":")
	return places[place](t, laravelEcho, map[string]any{"options": map[string]any{
		"broadcaster": "reverb", "key": appKey, "wsHost": host, "wsPort": json.Number(port), "wssPort": json.Number(port),
		"forceTLS": false, "enabledTransports": []string{"ws", "wss"},
		"authEndpoint": backend + "/broadcasting/auth?user=" + user,
	}})
}

// What Laravel's documentation of broadcasting shows, on stock laravel-echo:
// public, private, encrypted and presence channels, whispers and notifications.
func TestLaravelEcho(t *testing.T) {
	p, sdk, backend := startChannels(t)
	for place := range places {
		t.Run(place, func(t *testing.T) {
			ann, bob := laravel(t, place, p, backend, "1"), laravel(t, place, p, backend, "2")
			orders, own, secret, room := "orders."+place, "App.Models.User."+place, "secret."+place, "room."+place

			ann.do("listen", "channel", orders, "OrderShipped")
			ann.has("event", orders, "subscribed")
			// Laravel broadcasts events under the names of their classes.
			if err := sdk.Trigger(orders, `App\Events\OrderShipped`, map[string]any{"order": map[string]int{"id": 7}}); err != nil {
				t.Fatal(err)
			}
			ann.has("event", orders, "OrderShipped", `{"order":{"id":7}}`)

			ann.do("listen", "private", own, "OrderShipped")
			ann.has("event", own, "subscribed")
			if err := sdk.Trigger("private-"+own, `Illuminate\Notifications\Events\BroadcastNotificationCreated`, map[string]string{"id": "u-u-i-d", "type": "Paid"}); err != nil {
				t.Fatal(err)
			}
			ann.has("event", own, "notification", `"type":"Paid"`)

			ann.do("listen", "encryptedPrivate", secret, ".told")
			ann.has("event", secret, "subscribed")
			if err := sdk.Trigger("private-encrypted-"+secret, "told", "psst"); err != nil {
				t.Fatal(err)
			}
			ann.has("event", secret, ".told", `"psst"`)

			ann.do("listen", "join", room, "OrderShipped")
			ann.has("event", room, "here", `[{"name":"M1"}]`)
			bob.do("listen", "join", room, "OrderShipped")
			bob.has("event", room, "here", `{"name":"M1"}`, `{"name":"M2"}`)
			ann.has("event", room, "joining", `{"name":"M2"}`)
			bob.do("whisper", room, map[string]string{"text": "hush"})
			ann.has("event", room, "whisper", `{"text":"hush"}`)
			// Laravel's toOthers() leaves out the connection whose X-Socket-ID came along.
			socket := bob.connected()
			if _, err := sdk.TriggerWithParams("presence-"+room, `App\Events\OrderShipped`, "to others", pusher.TriggerParams{SocketID: &socket}); err != nil {
				t.Fatal(err)
			}
			ann.has("event", room, "OrderShipped", `"to others"`)
			bob.do("leave", room)
			ann.has("event", room, "leaving", `{"name":"M2"}`)
			if bob.got(room, "OrderShipped") || bob.got(room, "whisper") {
				t.Error("toOthers or a whisper came back to its sender")
			}

			ann.do("leave", orders)
			stranger := laravel(t, place, p, backend, "nobody")
			stranger.do("listen", "private", own, "OrderShipped")
			stranger.has("event", own, "error", `"status":403`)
		})
	}
}
