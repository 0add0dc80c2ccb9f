package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config says where notices go. Without Apps nothing is sent until SetApps.
type Config struct {
	Apps []App

	// Path is the file that keeps deliveries over restarts. One Sender uses it at
	// a time. Without it everything is in memory and lost at the end.
	Path string
	// StoreWait is how long New waits for another process to let go of the file
	// at Path. Default 5 s.
	StoreWait time.Duration

	// AllowNetworks are exceptions from the rule that no request goes to the
	// server's own machine or private networks (see refused). The resolved
	// address of every connection is checked, not the name in the URL.
	AllowNetworks []netip.Prefix

	// HoldBack is how long channel_vacated and member_removed wait for the channel
	// or the member to come back. Default 3 s; negative: not at all.
	HoldBack time.Duration
	// BatchWindow is how long a batch waits for more events. Default 250 ms.
	BatchWindow time.Duration
	// AttemptTimeout bounds one attempt, from looking up the name to the end of
	// the answer. Default 4 s.
	AttemptTimeout time.Duration
	// RetryMin is the pause after a first failure. Every further one doubles it, up
	// to RetryMax; each is cut by up to a half at random. Defaults 1 s and 5 min.
	RetryMin, RetryMax time.Duration
	// RetryAge is for how long a delivery is tried again. Default 24 h.
	RetryAge time.Duration

	Limits Limits

	// Logger hears of trouble with the store. Default slog.Default().
	Logger *slog.Logger

	transport http.RoundTripper // the tests' own
}

// App is one application: who signs, and who hears of what.
type App struct {
	ID     string // as in notices
	Key    string // X-Pusher-Key
	Secret string // signs
	// Endpoints are told apart by their URL, which an app may name once.
	Endpoints []Endpoint
}

// Endpoint is one receiver.
type Endpoint struct {
	URL string // http or https
	// Events are the names of the events it gets. Empty: all of them.
	Events []string
	// It gets events of channels whose names begin with one of ChannelPrefixes
	// and end with one of ChannelSuffixes. An empty list matches every name.
	ChannelPrefixes, ChannelSuffixes []string
	// Headers are sent along. They cannot replace those of the protocol.
	Headers map[string]string
	// Batch groups events into one request. Without it each has its own.
	Batch bool
}

// Limits bounds what a Sender holds. Zero means the default. What is over a limit
// is counted in Stats. Sizes include what it takes to keep an item in order.
type Limits struct {
	// NoticeBytes is the largest notice. Default 128 KiB.
	NoticeBytes int
	// InboxBytes is the size of all notices that wait to be looked at; more are
	// dropped. Default 8 MiB.
	InboxBytes int
	// HeldBytes is the size of all notices held back. When there are more the
	// oldest ones go out early. Default 16 MiB.
	HeldBytes int

	// EndpointsPerApp is how many endpoints an app may have. Default 32.
	EndpointsPerApp int
	// BatchEvents and BatchBytes bound a batch; a single event may be larger than
	// BatchBytes. Defaults 20 and 256 KiB.
	BatchEvents, BatchBytes int
	// InFlight is how many attempts one endpoint sees at once. Default 8.
	InFlight int
	// Attempts is after how many failures a delivery becomes a dead letter.
	// Default 50, which is about three hours.
	Attempts int

	// EndpointDeliveries is how many deliveries may wait for one endpoint; more
	// are dropped. Default 10,000.
	EndpointDeliveries int
	// PendingBytes is the size of the deliveries that wait, of all endpoints. When
	// there are more, the endpoint with most of them loses some. Default 64 MiB.
	PendingBytes int

	// DeadLetters and DeadBytes are how many dead letters are kept; older ones are
	// discarded. Defaults 10,000 and 16 MiB.
	DeadLetters, DeadBytes int
}

// Bounds of what configures an endpoint, and of what it answers.
const (
	maxURL         = 2048     // bytes
	maxFilters     = 32       // prefixes, and suffixes
	maxHeaders     = 32       // own ones of an endpoint
	maxHeaderBytes = 8 << 10  // of these headers
	answerHeader   = 16 << 10 // bytes of header read of an answer
	answerBody     = 64 << 10 // bytes of body, so that the connection can be used again
	idleConns      = 256      // connections kept for later, to all endpoints
	idleTimeout    = 90 * time.Second
	failingAfter   = 3               // rounds of failures in a row make an endpoint failing
	storeRetry     = time.Second     // pause after a commit that failed
	storeChanges   = 1024            // written in one commit
	reasonBytes    = 300             // kept of why an attempt failed
	itemOverhead   = 256             // bytes a notice or delivery takes, besides its text
	storeSlack     = 4               // size of the file, in sizes of what it holds
	storeFloor     = int64(64 << 20) // bytes it may always grow to
)

// withDefaults returns c with every setting filled in, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	l := &c.Limits
	for _, d := range []struct {
		name  string
		value *time.Duration
		or    time.Duration
	}{
		{"store wait", &c.StoreWait, 5 * time.Second},
		{"batch window", &c.BatchWindow, 250 * time.Millisecond},
		{"attempt timeout", &c.AttemptTimeout, 4 * time.Second},
		{"retry min", &c.RetryMin, time.Second},
		{"retry max", &c.RetryMax, 5 * time.Minute},
		{"retry age", &c.RetryAge, 24 * time.Hour},
	} {
		if *d.value = cmp.Or(*d.value, d.or); *d.value < 0 {
			return c, fmt.Errorf("%s is negative", d.name)
		}
	}
	for _, d := range []struct {
		name  string
		value *int
		or    int
	}{
		{"notice bytes", &l.NoticeBytes, 128 << 10},
		{"inbox bytes", &l.InboxBytes, 8 << 20},
		{"held bytes", &l.HeldBytes, 16 << 20},
		{"endpoints per app", &l.EndpointsPerApp, 32},
		{"batch events", &l.BatchEvents, 20},
		{"batch bytes", &l.BatchBytes, 256 << 10},
		{"in flight", &l.InFlight, 8},
		{"attempts", &l.Attempts, 50},
		{"endpoint deliveries", &l.EndpointDeliveries, 10_000},
		{"pending bytes", &l.PendingBytes, 64 << 20},
		{"dead letters", &l.DeadLetters, 10_000},
		{"dead bytes", &l.DeadBytes, 16 << 20},
	} {
		if *d.value = cmp.Or(*d.value, d.or); *d.value < 0 {
			return c, fmt.Errorf("limit of %s is negative", d.name)
		}
	}
	c.HoldBack = cmp.Or(c.HoldBack, 3*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.RetryMax < c.RetryMin {
		return c, fmt.Errorf("retry max %v is less than retry min %v", c.RetryMax, c.RetryMin)
	}
	return c, nil
}

// check reports what is wrong with a, in words for whoever configured it.
func (a *App) check(limits *Limits) error {
	switch {
	case a.ID == "" || a.Key == "" || a.Secret == "":
		return fmt.Errorf("app %q: id, key and secret are needed", a.ID)
	case len(a.Endpoints) > limits.EndpointsPerApp:
		return fmt.Errorf("app %s: %d endpoints, at most %d", a.ID, len(a.Endpoints), limits.EndpointsPerApp)
	}
	seen := make(map[string]bool)
	for i := range a.Endpoints {
		e := &a.Endpoints[i]
		if err := e.check(); err != nil {
			return fmt.Errorf("app %s: webhook %.100q: %w", a.ID, e.URL, err)
		}
		if seen[e.URL] {
			return fmt.Errorf("app %s: webhook %.100q is there twice", a.ID, e.URL)
		}
		seen[e.URL] = true
	}
	return nil
}

func (e *Endpoint) check() error {
	if len(e.URL) > maxURL {
		return fmt.Errorf("the URL is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(e.URL)
	switch {
	case err != nil:
		return errors.New("this is no URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("use http://host/path or https://host/path")
	case u.User != nil:
		return errors.New("put credentials into headers, the URL is shown in lists")
	case u.Fragment != "":
		return errors.New("a fragment (#) is never sent")
	}
	for _, name := range e.Events {
		if kindOf(name) == 0 {
			return fmt.Errorf("event %.100q: use %s", name, strings.Join(kindNames[:], ", "))
		}
	}
	if len(e.ChannelPrefixes) > maxFilters || len(e.ChannelSuffixes) > maxFilters {
		return fmt.Errorf("at most %d prefixes and %[1]d suffixes", maxFilters)
	}
	return checkHeaders(e.Headers)
}

// ownHeaders are the protocol's, or the transport's business.
var ownHeaders = []string{
	"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "X-Pusher-Key", "X-Pusher-Signature",
}

func checkHeaders(headers map[string]string) error {
	size := 0
	seen := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value := headers[name]
		size += len(name) + len(value)
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !tokenRune(r) }):
			return fmt.Errorf("header %.100q: this is no name", name)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return fmt.Errorf("header %s: the value has control characters", name)
		case slices.Contains(ownHeaders, canonical):
			return fmt.Errorf("header %s cannot be set", name)
		case seen[canonical]:
			return fmt.Errorf("header %s is there twice", canonical)
		}
		seen[canonical] = true
	}
	if len(headers) > maxHeaders || size > maxHeaderBytes {
		return fmt.Errorf("at most %d headers of %d bytes together", maxHeaders, maxHeaderBytes)
	}
	return nil
}

// tokenRune reports whether r may stand in a header's name: "token" of RFC 9110, 5.6.2.
func tokenRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
