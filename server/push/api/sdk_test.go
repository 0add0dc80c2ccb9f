package api

import (
	"fmt"
	"net"
	"strings"
	"testing"

	pusher "github.com/pusher/pusher-http-go/v5"
	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// serve runs the whole of it on one port, as cmd/roost does.
func serve(t *testing.T, app push.App) net.Addr {
	t.Helper()
	hub, err := push.New(push.Config{Apps: []push.App{app}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := hub.NewServer(server.Config{Loops: 2, HTTP: New(hub)})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := srv.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	return addr
}

// The job of the whole thing: the official SDK publishes, clients receive.
func TestOfficialSDK(t *testing.T) {
	addr := serve(t, app)
	sdk := pusher.Client{AppID: app.ID, Key: app.Key, Secret: app.Secret, Host: addr.String()}
	a, idOfA := pushtest.Connect(t, addr, app.Key)
	b, _ := pushtest.Connect(t, addr, app.Key)
	for _, c := range []*pushtest.Client{a, b} {
		c.Subscribe("one")
		c.Subscribe("two")
	}

	if err := sdk.Trigger("one", "greeting", map[string]any{"text": "<b>héllo</b> & \u2028"}); err != nil {
		t.Fatal(err)
	}
	// The SDK's json.Marshal escaped what it did; those very bytes arrive.
	want := `{"event":"greeting","channel":"one","data":"{\"text\":\"\\u003cb\\u003ehéllo\\u003c/b\\u003e \\u0026 \\u2028\"}"}`
	a.Expect(want)
	b.Expect(want)

	socket := idOfA
	if _, err := sdk.TriggerMultiWithParams([]string{"one", "two", "three"}, "e", "x", pusher.TriggerParams{SocketID: &socket}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{b.Next(): true, b.Next(): true}
	for _, channel := range []string{"one", "two"} {
		if !got[`{"event":"e","channel":"`+channel+`","data":"x"}`] {
			t.Errorf("nothing on %s: %v", channel, got)
		}
	}
	a.Ping()
	b.Ping()
}

// SDKs show users what the server said.
func TestOfficialSDKSeesTheReason(t *testing.T) {
	addr := serve(t, push.App{ID: app.ID, Key: app.Key, Secret: app.Secret, Limits: push.AppLimits{DataBytes: 20_000}})
	good := pusher.Client{AppID: app.ID, Key: app.Key, Secret: app.Secret, Host: addr.String(), OverrideMaxMessagePayloadKB: 100}
	wrongSecret, wrongApp, wrongKey := good, good, good
	wrongSecret.Secret, wrongApp.AppID, wrongKey.Key = "wrong", "99", "wrong"
	for _, c := range []struct {
		what   string
		client pusher.Client
		data   string
		want   string
	}{
		{"a higher limit", good, strings.Repeat("x", 20_000), ""},
		{"over it", good, strings.Repeat("x", 20_001), "Status Code: 413 - data: at most 20000 bytes, got 20001"},
		{"far over it", good, strings.Repeat("x", 99_000), "Status Code: 413 - data: at most 20000 bytes, got 99000"},
		{"wrong secret", wrongSecret, "x", "Status Code: 401 - Invalid signature: you should have sent the HMAC SHA256 hex digest, made with your secret, of \"POST\\n/apps/3/events\\nauth_key="},
		{"wrong key", wrongKey, "x", "Status Code: 401 - Not authenticated: auth_key is not the key of app 3"},
		{"wrong app", wrongApp, "x", "Status Code: 404 - There is no app with this id"},
	} {
		err := c.client.Trigger("c", "e", c.data)
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}
