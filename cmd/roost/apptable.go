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
	ID                string         `toml:"id"`
	Key               string         `toml:"key"`
	Secret            string         `toml:"secret"`
	SecretFile        string         `toml:"secret_file"`
	Disabled          bool           `toml:"disabled"`
	ClientEvents      bool           `toml:"client_events"`
	SubscriptionCount bool           `toml:"subscription_count"`
	DeflatePrivate    bool           `toml:"deflate_private"`
	TLSOnly           bool           `toml:"tls_only"`
	Origins           []string       `toml:"origins"`
	AuthorisedWithin  duration       `toml:"authorised_within"`
	CountOnly         []string       `toml:"count_only"`
	CacheTTL          duration       `toml:"cache_ttl"`
	History           []historyTable `toml:"history"`
	Tokens            tokensTable    `toml:"tokens"`
	Limits            limitsTable    `toml:"limits"`
	Webhooks          []webhookTable `toml:"webhooks"`
}

// historyTable is one [[apps.history]]: push.HistoryRule.
type historyTable struct {
	Pattern      string      `toml:"pattern"`
	Size         int         `toml:"size"`
	TTL          duration    `toml:"ttl"`
	ClientEvents bool        `toml:"client_events"`
	Rewind       rewindTable `toml:"rewind"`
}

// rewindTable is push.Rewind.
type rewindTable struct {
	Count int      `toml:"count"`
	Age   duration `toml:"age"`
}

// limitsTable is push.AppLimits.
type limitsTable struct {
	Connections           int      `toml:"connections"`
	ChannelsPerConnection int      `toml:"channels_per_connection"`
	Data                  byteSize `toml:"data"`
	ChannelsPerEvent      int      `toml:"channels_per_event"`
	PresenceMembers       int      `toml:"presence_members"`
	Member                byteSize `toml:"member"`
	ClientEventsPerSecond int      `toml:"client_events_per_second"`
	CallsPerSecond        int      `toml:"calls_per_second"`
	Cache                 byteSize `toml:"cache"`
	HistoryChannels       int      `toml:"history_channels"`
	HistoryChannel        byteSize `toml:"history_channel"`
	History               byteSize `toml:"history"`
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
	Notice             byteSize `toml:"notice"`
	Inbox              byteSize `toml:"inbox"`
	Held               byteSize `toml:"held"`
	EndpointsPerApp    int      `toml:"endpoints_per_app"`
	BatchEvents        int      `toml:"batch_events"`
	Batch              byteSize `toml:"batch"`
	InFlight           int      `toml:"in_flight"`
	Attempts           int      `toml:"attempts"`
	EndpointDeliveries int      `toml:"endpoint_deliveries"`
	Pending            byteSize `toml:"pending"`
	DeadLetters        int      `toml:"dead_letters"`
	Dead               byteSize `toml:"dead"`
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
			Connections:           t.Limits.Connections,
			ChannelsPerConnection: t.Limits.ChannelsPerConnection,
			DataBytes:             int(t.Limits.Data),
			ChannelsPerEvent:      t.Limits.ChannelsPerEvent,
			PresenceMembers:       t.Limits.PresenceMembers,
			MemberBytes:           int(t.Limits.Member),
			ClientEventsPerSecond: t.Limits.ClientEventsPerSecond,
			CallsPerSecond:        t.Limits.CallsPerSecond,
			CacheBytes:            int(t.Limits.Cache),
			HistoryChannels:       t.Limits.HistoryChannels,
			HistoryChannelBytes:   int(t.Limits.HistoryChannel),
			HistoryBytes:          int(t.Limits.History),
		},
	}
	for _, h := range t.History {
		app.History = append(app.History, push.HistoryRule{
			Pattern: h.Pattern, Size: h.Size, TTL: h.TTL.Duration, ClientEvents: h.ClientEvents,
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
			NoticeBytes:        int(l.Notice),
			InboxBytes:         int(l.Inbox),
			HeldBytes:          int(l.Held),
			EndpointsPerApp:    l.EndpointsPerApp,
			BatchEvents:        l.BatchEvents,
			BatchBytes:         int(l.Batch),
			InFlight:           l.InFlight,
			Attempts:           l.Attempts,
			EndpointDeliveries: l.EndpointDeliveries,
			PendingBytes:       int(l.Pending),
			DeadLetters:        l.DeadLetters,
			DeadBytes:          int(l.Dead),
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
