package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/webhook"
)

// appTable is one [[apps]] of a file: push.App, and who hears of the app.
type appTable struct {
	ID                string           `toml:"id"`
	Key               string           `toml:"key"`
	Secret            string           `toml:"secret"`
	SecretFile        string           `toml:"secret_file"`
	Disabled          bool             `toml:"disabled"`
	ClientEvents      bool             `toml:"client_events"`
	SubscriptionCount bool             `toml:"subscription_count"`
	DeflatePrivate    bool             `toml:"deflate_private"`
	TLSOnly           bool             `toml:"tls_only"`
	Origins           []string         `toml:"origins"`
	AuthorisedWithin  optionalDuration `toml:"authorised_within"`
	CountOnly         []string         `toml:"count_only"`
	CacheTTL          duration         `toml:"cache_ttl"`
	History           []historyTable   `toml:"history"`
	Tokens            tokensTable      `toml:"tokens"`
	Limits            limitsTable      `toml:"limits"`
	Webhooks          []webhookTable   `toml:"webhooks"`
}

// historyTable is one [[apps.history]]: push.HistoryRule.
type historyTable struct {
	Pattern      string      `toml:"pattern"`
	Size         quantity    `toml:"size"`
	TTL          duration    `toml:"ttl"`
	ClientEvents bool        `toml:"client_events"`
	Rewind       rewindTable `toml:"rewind"`
}

// rewindTable is push.Rewind.
type rewindTable struct {
	Count int              `toml:"count"`
	Age   optionalDuration `toml:"age"`
}

// limitsTable is push.AppLimits.
type limitsTable struct {
	Connections           quantity `toml:"connections"`
	ChannelsPerConnection quantity `toml:"channels_per_connection"`
	Data                  size     `toml:"data"`
	ChannelsPerEvent      quantity `toml:"channels_per_event"`
	PresenceMembers       quantity `toml:"presence_members"`
	Member                size     `toml:"member"`
	ClientEventsPerSecond quantity `toml:"client_events_per_second"`
	MemberJoinsPerSecond  quantity `toml:"member_joins_per_second"`
	CallsPerSecond        quantity `toml:"calls_per_second"`
	Cache                 size     `toml:"cache"`
	HistoryChannels       quantity `toml:"history_channels"`
	HistoryChannel        size     `toml:"history_channel"`
	History               size     `toml:"history"`
}

// webhookTable is one [[apps.webhooks]]: webhook.Endpoint.
type webhookTable struct {
	URL             string            `toml:"url"`
	Events          []string          `toml:"events"`
	ChannelPrefixes []string          `toml:"channel_prefixes"`
	ChannelSuffixes []string          `toml:"channel_suffixes"`
	Headers         map[string]string `toml:"headers"`
	Batch           bool              `toml:"batch"`
}

// webhooksTable is [webhooks]: webhook.Config without the apps.
type webhooksTable struct {
	Path           string             `toml:"path"`
	StoreWait      duration           `toml:"store_wait"`
	AllowNetworks  []netip.Prefix     `toml:"allow_networks"`
	HoldBack       *pause             `toml:"hold_back"`
	BatchWindow    duration           `toml:"batch_window"`
	AttemptTimeout duration           `toml:"attempt_timeout"`
	RetryMin       duration           `toml:"retry_min"`
	RetryMax       duration           `toml:"retry_max"`
	RetryAge       duration           `toml:"retry_age"`
	Limits         webhookLimitsTable `toml:"limits"`
}

// webhookLimitsTable is webhook.Limits.
type webhookLimitsTable struct {
	Notice             size     `toml:"notice"`
	Inbox              size     `toml:"inbox"`
	Held               size     `toml:"held"`
	EndpointsPerApp    quantity `toml:"endpoints_per_app"`
	BatchEvents        quantity `toml:"batch_events"`
	Batch              size     `toml:"batch"`
	InFlight           quantity `toml:"in_flight"`
	Attempts           quantity `toml:"attempts"`
	EndpointDeliveries quantity `toml:"endpoint_deliveries"`
	Pending            size     `toml:"pending"`
	DeadLetters        quantity `toml:"dead_letters"`
	Dead               size     `toml:"dead"`
}

// app returns what the table says of an app. The secret may be in a file of its
// own, so that the rest can be shown to people.
func (t *appTable) app(f *file) (push.App, error) {
	app := push.App{
		ID: t.ID, Key: t.Key, Secret: t.Secret,
		Disabled:          t.Disabled,
		ClientEvents:      t.ClientEvents,
		SubscriptionCount: t.SubscriptionCount,
		DeflatePrivate:    t.DeflatePrivate,
		TLSOnly:           t.TLSOnly,
		Origins:           t.Origins,
		AuthorisedWithin:  t.AuthorisedWithin.Duration,
		CountOnly:         t.CountOnly,
		CacheTTL:          t.CacheTTL.Duration,
		Limits: push.AppLimits{
			Connections:           t.Limits.Connections.n,
			ChannelsPerConnection: t.Limits.ChannelsPerConnection.n,
			DataBytes:             int(t.Limits.Data.byteSize),
			ChannelsPerEvent:      t.Limits.ChannelsPerEvent.n,
			PresenceMembers:       t.Limits.PresenceMembers.n,
			MemberBytes:           int(t.Limits.Member.byteSize),
			ClientEventsPerSecond: t.Limits.ClientEventsPerSecond.n,
			MemberJoinsPerSecond:  t.Limits.MemberJoinsPerSecond.n,
			CallsPerSecond:        t.Limits.CallsPerSecond.n,
			CacheBytes:            int(t.Limits.Cache.byteSize),
			HistoryChannels:       t.Limits.HistoryChannels.n,
			HistoryChannelBytes:   int(t.Limits.HistoryChannel.byteSize),
			HistoryBytes:          int(t.Limits.History.byteSize),
		},
	}
	for _, h := range t.History {
		app.History = append(app.History, push.HistoryRule{
			Pattern: h.Pattern, Size: h.Size.n, TTL: h.TTL.Duration, ClientEvents: h.ClientEvents,
			Rewind: push.Rewind{Count: h.Rewind.Count, Age: h.Rewind.Age.Duration},
		})
	}
	var err error
	if app.Tokens, err = t.Tokens.tokens(f); err != nil {
		return app, fmt.Errorf("%s: app %s: tokens: key_file: %w", f.path, t.ID, err)
	}
	if t.SecretFile == "" {
		return app, nil
	}
	if t.Secret != "" {
		return app, fmt.Errorf("%s: app %s has secret and secret_file: leave one out", f.path, t.ID)
	}
	if app.Secret, err = readSecret(f.beside(t.SecretFile)); err != nil {
		return app, fmt.Errorf("%s: app %s: secret_file: %w", f.path, t.ID, err)
	}
	return app, nil
}

// readSecret returns the content of a file without the line's end that editors add.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}

// endpoints returns who hears of the app.
func (t *appTable) endpoints() []webhook.Endpoint {
	var all []webhook.Endpoint
	for _, w := range t.Webhooks {
		all = append(all, webhook.Endpoint{
			URL: w.URL, Events: w.Events, ChannelPrefixes: w.ChannelPrefixes, ChannelSuffixes: w.ChannelSuffixes,
			Headers: w.Headers, Batch: w.Batch,
		})
	}
	return all
}

// config returns how webhooks are sent, without the apps.
func (t *webhooksTable) config(f *file) webhook.Config {
	l := &t.Limits
	config := webhook.Config{
		StoreWait:      t.StoreWait.Duration,
		AllowNetworks:  t.AllowNetworks,
		BatchWindow:    t.BatchWindow.Duration,
		AttemptTimeout: t.AttemptTimeout.Duration,
		RetryMin:       t.RetryMin.Duration,
		RetryMax:       t.RetryMax.Duration,
		RetryAge:       t.RetryAge.Duration,
		Limits: webhook.Limits{
			NoticeBytes:        int(l.Notice.byteSize),
			InboxBytes:         int(l.Inbox.byteSize),
			HeldBytes:          int(l.Held.byteSize),
			EndpointsPerApp:    l.EndpointsPerApp.n,
			BatchEvents:        l.BatchEvents.n,
			BatchBytes:         int(l.Batch.byteSize),
			InFlight:           l.InFlight.n,
			Attempts:           l.Attempts.n,
			EndpointDeliveries: l.EndpointDeliveries.n,
			PendingBytes:       int(l.Pending.byteSize),
			DeadLetters:        l.DeadLetters.n,
			DeadBytes:          int(l.Dead.byteSize),
		},
	}
	if t.Path != "" {
		config.Path = f.beside(t.Path)
	}
	if t.HoldBack != nil {
		config.HoldBack = t.HoldBack.config()
	}
	return config
}
