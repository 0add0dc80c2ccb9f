package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// A token of roost token, shown by stock pusher-js through its customHandlers,
// opens private and presence channels and signs its user in.
func TestPushToken(t *testing.T) {
	p := startServe(t)
	env := []string{"ROOST_HOST=" + p.addr, "ROOST_APP_ID=" + appID, "ROOST_APP_KEY=" + appKey, "ROOST_APP_SECRET=" + appSecret}
	made := command(t, env, "token", "--user", "5", "--info", `{"name":"Ann"}`, "--subscribe", "private-user.5", "--subscribe", "presence-*")
	bearer := map[string]string{"token": strings.TrimSpace(made.stdout), "user": "5"}
	for place, watch := range places {
		t.Run(place, func(t *testing.T) {
			c := watch(t, pusherJS, map[string]any{"key": appKey, "options": clientOptions(p), "bearer": bearer})
			c.connected()
			c.subscribe("private-user.5")
			command(t, env, "publish", "private-user.5", "hello", "x")
			c.event("private-user.5", "hello")

			c.do("subscribe", "presence-room")
			var members struct {
				Me struct {
					ID   string
					Info struct{ Name string }
				}
			}
			data := c.event("presence-room", "pusher:subscription_succeeded")
			if err := json.Unmarshal(data, &members); err != nil || members.Me.ID != "5" || members.Me.Info.Name != "Ann" {
				t.Errorf("pusher-js knows its user as %s (%v)", data, err)
			}

			c.do("subscribe", "private-user.6")
			c.event("private-user.6", "pusher:subscription_error")

			c.do("signin")
			c.seen("sign-in", func(h happening) bool { return h.Kind == "message" && h.Name == "pusher:signin_success" })
			// Only then pusher-js subscribes to the user's own channel.
			c.has("message", "#server-to-user-5", "pusher_internal:subscription_succeeded")
			command(t, env, "publish", "#server-to-user-5", "to-you", "x")
			c.seen("an event for the user", func(h happening) bool { return h.Kind == "user" && h.Name == "to-you" })
		})
	}
}

// What the app would refuse is not made, and the words say why.
func TestTokenThatIsRefused(t *testing.T) {
	path := write(t, "roost.toml", "[[apps]]\nid = \"1\"\nkey = \"k\"\nsecret = \"s\"\n[apps.tokens]\nmax_lifetime = \"2h\"\n[apps.limits]\nmember = \"100B\"\n"+
		"[[apps]]\nid = \"2\"\nkey = \"l\"\nsecret = \"s\"\n[apps.tokens]\noff = true\n")
	for _, row := range []struct {
		want string
		args []string
	}{
		{"2h", []string{"--user", "5", "--ttl", "3h"}},
		{"a*b", []string{"--user", "5", "--subscribe", "a*b"}},
		{"1 to 128 characters", []string{"--user", strings.Repeat("u", 200)}},
		{"100 bytes", []string{"--user", "5", "--info", `"` + strings.Repeat("i", 200) + `"`}},
		{"8192", []string{"--subscribe", strings.Repeat("c", 9000)}},
		{"takes no tokens", []string{"--user", "5", "--app-id", "2"}},
	} {
		args := append([]string{"token", "--config", path, "--app-id", "1"}, row.args...)
		got := command(t, nil, args...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, row.want) {
			t.Errorf("%.80q: %d %q %q, want %q", row.args, got.code, got.stdout, got.stderr, row.want)
		}
	}
	if got := command(t, nil, "token", "--config", path, "--app-id", "1", "--user", "5", "--ttl", "2h"); got.code != exitOK || got.stdout == "" {
		t.Errorf("a good one: %+v", got)
	}
}
