package webhook

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pusher/pusher-http-go/v5"

	"github.com/roost-ws/roost/server/push"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// The official Go SDK accepts what arrives at a real server, and only with the
// right secret. The node SDK compares the type with the exact string.
func TestOfficialSDKVerifies(t *testing.T) {
	sdk := pusher.Client{AppID: appID, Key: appKey, Secret: appSecret}
	stranger := pusher.Client{AppID: appID, Key: appKey, Secret: appSecret + "x"}
	var mu sync.Mutex
	var hooks []*pusher.Webhook
	var problems []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		hook, err := sdk.Webhook(r.Header, body)
		if err != nil {
			problems = append(problems, err.Error())
		}
		if _, err := stranger.Webhook(r.Header, body); err == nil {
			problems = append(problems, "the signature does not depend on the secret")
		}
		if got := r.Header["Content-Type"]; !slices.Equal(got, []string{"application/json"}) {
			problems = append(problems, fmt.Sprint("Content-Type ", got))
		}
		if r.Method != http.MethodPost || r.Header.Get("X-Own") != "value" || r.URL.RawQuery != "q=1" || r.ContentLength != int64(len(body)) {
			problems = append(problems, fmt.Sprint(r.Method, r.URL, r.Header, r.ContentLength))
		}
		hooks = append(hooks, hook)
	}))
	defer server.Close()
	for _, batch := range []bool{false, true} {
		hooks = nil
		s, err := New(Config{
			AllowNetworks: loopback,
			Apps: []App{{ID: appID, Key: appKey, Secret: appSecret, Endpoints: []Endpoint{
				{URL: server.URL + "/hook?q=1", Batch: batch, Headers: map[string]string{"X-Own": "value"}},
			}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		s.Notify(occupied("a"))
		s.Notify(push.Notice{
			App: appID, Name: push.ClientEvent, Channel: "presence-a", UserID: "u", Event: "client-x", Data: `{"a":"<é>"}`, SocketID: "1.2",
		})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if len(problems) > 0 {
			t.Fatalf("batch %v: %s", batch, strings.Join(problems, "\n"))
		}
		var events []pusher.WebhookEvent
		for _, hook := range hooks {
			if late := time.UnixMilli(int64(hook.TimeMs)).Sub(before.Truncate(time.Millisecond)); late < 0 || late > patience {
				t.Errorf("time_ms is %v off", late)
			}
			events = append(events, hook.Events...)
		}
		slices.SortFunc(events, func(a, b pusher.WebhookEvent) int { return strings.Compare(a.Name, b.Name) })
		want := []pusher.WebhookEvent{
			{Name: "channel_occupied", Channel: "a"},
			{Name: "client_event", Channel: "presence-a", Event: "client-x", Data: `{"a":"<é>"}`, SocketID: "1.2", UserID: "u"},
		}
		if !slices.Equal(events, want) {
			t.Errorf("batch %v: got %+v", batch, events)
		}
		if requests := map[bool]int{false: 2, true: 1}[batch]; len(hooks) != requests {
			t.Errorf("batch %v: %d requests, want %d", batch, len(hooks), requests)
		}
		mu.Unlock()
	}
}
