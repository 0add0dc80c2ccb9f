package webhook_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/webhook"
)

// A sender for one app, which keeps what it could not deliver in a file. It is
// the push.Notifier of a hub; here the example plays the hub.
func ExampleNew() {
	delivered := make(chan string)
	customer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		delivered <- r.Header.Get("X-Pusher-Key")
	}))
	defer customer.Close()

	sender, err := webhook.New(webhook.Config{
		Apps: []webhook.App{{
			ID: "1", Key: "key", Secret: "secret",
			Endpoints: []webhook.Endpoint{{URL: customer.URL, Events: []string{push.ChannelOccupied}, Batch: true}},
		}},
		// Path: "/var/lib/roost/webhooks",
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, // the customer of this example
	})
	if err != nil {
		log.Fatal(err)
	}
	var notifier push.Notifier = sender
	notifier.Notify(push.Notice{App: "1", Name: push.ChannelOccupied, Channel: "news", At: time.Now()})
	fmt.Println("delivered with", <-delivered)

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := sender.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: delivered with key
}
