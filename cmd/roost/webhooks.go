package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/roost-ws/roost/server/push/webhook"
)

// How long the end waits for webhooks. With a store the next process goes on,
// and sooner is better: then people who are back at once are not reported gone.
// Without one, what was not sent is lost.
const (
	storedWait   = time.Second
	unstoredWait = 10 * time.Second
)

// newSender returns what sends the webhooks of t.
func newSender(t *tenants, log *slog.Logger) (*webhook.Sender, error) {
	config := t.webhooks
	config.Logger = log
	if config.Path == "" && t.endpoints() > 0 {
		log.Warn("webhooks that wait are lost when this process ends: set path below [webhooks] to keep them")
	}
	return webhook.New(config)
}

// closeSender ends the sending of webhooks; at once if hurried.
func closeSender(sender *webhook.Sender, t *tenants, log *slog.Logger, hurried bool) {
	wait := unstoredWait
	if t.webhooks.Path != "" {
		wait = storedWait
	}
	if hurried {
		wait = 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := sender.Close(ctx); err != nil {
		log.Warn("webhooks were not all sent", "err", err)
	}
}
