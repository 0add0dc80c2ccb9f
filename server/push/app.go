package push

import (
	"cmp"
	"fmt"
	"regexp"
	"time"
)

// App is one application. Applications on one server share nothing but the
// machine: channels of the same name in two of them are two channels.
type App struct {
	ID     string // names the app in the HTTP API; some SDKs insist on digits
	Key    string // public; clients connect with it
	Secret string // signs calls of the HTTP API and authorisations of channels

	// Disabled refuses connections (4003) and calls (403) and keeps the app's
	// name taken. Clients that are connected are closed when they next say something.
	Disabled bool

	// ClientEvents lets clients send events to each other on private and
	// presence channels.
	ClientEvents bool
	// SubscriptionCount tells subscribers how many they are, on all channels but
	// those that know their members anyway.
	SubscriptionCount bool
	// DeflatePrivate compresses messages of private and presence channels, too,
	// where the server compresses at all; those of encrypted channels never are. The length
	// of a message then tells how much of it repeats, which is of no use to
	// listeners unless a secret stands beside something that they chose.
	DeflatePrivate bool
	// TLSOnly refuses clients (4000) that did not come by TLS and that no proxy marked with
	// "X-Forwarded-Proto: https".
	TLSOnly bool
	// Origins are the web pages whose scripts may connect, each as
	// "https://example.com", "example.com" or "*.example.com". Others are refused
	// (4009). Empty: all. Clients that are no browsers send no Origin and may connect.
	Origins []string
	// AuthorisedWithin is how long a connection may stay without signing in or
	// subscribing to a private or presence channel, before it is closed (4009). 0: for ever.
	AuthorisedWithin time.Duration
	// CountOnly are prefixes of presence channels that are too large for lists of
	// members: subscribers learn of themselves and how many there are.
	CountOnly []string
	// CacheTTL is how long a cache channel keeps its last event. Default and maximum 30 min.
	CacheTTL time.Duration
	// History says which channels keep their last events. By default none does.
	History []HistoryRule
	// Tokens says which tokens clients may show. By default they are signed with Secret.
	Tokens Tokens

	Limits AppLimits
}

// AppLimits bounds one app. Zero means the default.
type AppLimits struct {
	// Connections is how many may be open at once; more are closed with 4004.
	// By default only the server's own limit holds.
	Connections int
	// ChannelsPerConnection is how many channels one connection may be
	// subscribed to. Default 200.
	ChannelsPerConnection int
	// DataBytes is the size of an event's data, decoded. Default 10 KiB.
	DataBytes int
	// ChannelsPerEvent is how many channels one event may be published to.
	// Default 100.
	ChannelsPerEvent int
	// PresenceMembers is how many users may be on one presence channel, unless
	// that is CountOnly. Default 100.
	PresenceMembers int
	// MemberBytes is the size of what a customer's backend says of one user, in
	// channel_data or user_data without the watchlist. Default 2 KiB.
	MemberBytes int
	// ClientEventsPerSecond is how many one connection may send. Default 10.
	ClientEventsPerSecond int
	// MemberJoinsPerSecond is how many presence channels one connection may join,
	// once it has joined as many at once as it may have channels. Default 10.
	MemberJoinsPerSecond int
	// CallsPerSecond is how many calls of the HTTP API are served; more get 429.
	// By default there is no limit.
	CallsPerSecond int
	// CacheBytes is the memory for the last events of cache channels; the oldest
	// give way. Default 64 MiB.
	CacheBytes int
	// HistoryChannels is how many channels keep history; of more the one that
	// would forget it next forgets it now. Default 100,000.
	HistoryChannels int
	// HistoryChannelBytes is the memory for the events that one channel keeps; the
	// oldest give way. Default 256 KiB.
	HistoryChannelBytes int
	// HistoryBytes is the memory for all of it; channels give way as with
	// HistoryChannels. Default 64 MiB.
	HistoryBytes int
}

// Defaults of AppLimits.
const (
	DefaultChannelsPerConnection = 200
	DefaultDataBytes             = 10 << 10
	DefaultChannelsPerEvent      = 100
	DefaultPresenceMembers       = 100
	DefaultMemberBytes           = 2 << 10
	DefaultClientEventsPerSecond = 10
	DefaultMemberJoinsPerSecond  = 10
	DefaultCacheBytes            = 64 << 20
	DefaultHistoryChannels       = 100_000
	DefaultHistoryChannelBytes   = 256 << 10
	DefaultHistoryBytes          = 64 << 20
)

// MaxCacheTTL is the longest that a cache channel keeps an event.
const MaxCacheTTL = 30 * time.Minute

// An id or key stands in URLs and, before a colon, in authorisations.
var idPattern = regexp.MustCompile(`\A[-a-zA-Z0-9_.]{1,100}\z`)

// check reports what is wrong with a, in words for whoever wrote its configuration.
func (a *App) check() error {
	l := a.Limits
	switch {
	case !idPattern.MatchString(a.ID):
		return fmt.Errorf("app id %q: use 1 to 100 letters, digits, '-', '_' or '.'", a.ID)
	case !idPattern.MatchString(a.Key):
		return fmt.Errorf("app %s: key %q: use 1 to 100 letters, digits, '-', '_' or '.'", a.ID, a.Key)
	case a.Secret == "":
		return fmt.Errorf("app %s: no secret", a.ID)
	case min(l.Connections, l.ChannelsPerConnection, l.DataBytes, l.ChannelsPerEvent, l.PresenceMembers,
		l.MemberBytes, l.ClientEventsPerSecond, l.MemberJoinsPerSecond, l.CallsPerSecond, l.CacheBytes,
		l.HistoryChannels, l.HistoryChannelBytes, l.HistoryBytes) < 0:
		return fmt.Errorf("app %s: a limit is negative", a.ID)
	case a.AuthorisedWithin < 0:
		return fmt.Errorf("app %s: the time to become authorised is negative", a.ID)
	case a.CacheTTL < 0 || a.CacheTTL > MaxCacheTTL:
		return fmt.Errorf("app %s: a cache channel keeps an event for at most %v, not %v", a.ID, MaxCacheTTL, a.CacheTTL)
	}
	for _, prefix := range a.CountOnly {
		if !kindOf(prefix).presence {
			return fmt.Errorf("app %s: count-only %q: only presence channels have members to count", a.ID, prefix)
		}
	}
	if len(a.History) > MaxHistoryRules {
		return fmt.Errorf("app %s: at most %d rules for history, not %d", a.ID, MaxHistoryRules, len(a.History))
	}
	for i := range a.History {
		if err := a.History[i].check(); err != nil {
			return fmt.Errorf("app %s: %w", a.ID, err)
		}
	}
	for _, origin := range a.Origins {
		if !originPattern.MatchString(origin) {
			return fmt.Errorf("app %s: origin %q: use https://example.com, example.com or *.example.com", a.ID, origin)
		}
	}
	return nil
}

// withDefaults returns a with every limit filled in.
func (a App) withDefaults() App {
	l := &a.Limits
	l.ChannelsPerConnection = cmp.Or(l.ChannelsPerConnection, DefaultChannelsPerConnection)
	l.DataBytes = cmp.Or(l.DataBytes, DefaultDataBytes)
	l.ChannelsPerEvent = cmp.Or(l.ChannelsPerEvent, DefaultChannelsPerEvent)
	l.PresenceMembers = cmp.Or(l.PresenceMembers, DefaultPresenceMembers)
	l.MemberBytes = cmp.Or(l.MemberBytes, DefaultMemberBytes)
	l.ClientEventsPerSecond = cmp.Or(l.ClientEventsPerSecond, DefaultClientEventsPerSecond)
	l.MemberJoinsPerSecond = cmp.Or(l.MemberJoinsPerSecond, DefaultMemberJoinsPerSecond)
	l.CacheBytes = cmp.Or(l.CacheBytes, DefaultCacheBytes)
	l.HistoryChannels = cmp.Or(l.HistoryChannels, DefaultHistoryChannels)
	l.HistoryChannelBytes = cmp.Or(l.HistoryChannelBytes, DefaultHistoryChannelBytes)
	l.HistoryBytes = cmp.Or(l.HistoryBytes, DefaultHistoryBytes)
	a.CacheTTL = cmp.Or(a.CacheTTL, MaxCacheTTL)
	rules := make([]HistoryRule, len(a.History)) // the caller's stay as they are
	for i, rule := range a.History {
		rules[i] = rule.withDefaults()
	}
	a.History = rules
	return a
}
