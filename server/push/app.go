package push

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
)

// App is one application. Applications on one server share nothing but the
// machine: channels of the same name in two of them are two channels.
type App struct {
	ID     string // names the app in the HTTP API; some SDKs insist on digits
	Key    string // public; clients connect with it
	Secret string // signs calls of the HTTP API and authorisations of channels

	// Disabled refuses connections (4003) and calls (403) and keeps the app's name taken.
	Disabled bool

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
}

// Defaults of AppLimits.
const (
	DefaultChannelsPerConnection = 200
	DefaultDataBytes             = 10 << 10
	DefaultChannelsPerEvent      = 100
)

// An id or key stands in URLs and, before a colon, in authorisations.
var idPattern = regexp.MustCompile(`\A[-a-zA-Z0-9_.]{1,100}\z`)

// check reports what is wrong with a, in words for whoever wrote its configuration.
func (a *App) check() error {
	switch {
	case !idPattern.MatchString(a.ID):
		return fmt.Errorf("app id %q: use 1 to 100 letters, digits, '-', '_' or '.'", a.ID)
	case !idPattern.MatchString(a.Key):
		return fmt.Errorf("app %s: key %q: use 1 to 100 letters, digits, '-', '_' or '.'", a.ID, a.Key)
	case a.Secret == "":
		return fmt.Errorf("app %s: no secret", a.ID)
	case min(a.Limits.Connections, a.Limits.ChannelsPerConnection, a.Limits.DataBytes, a.Limits.ChannelsPerEvent) < 0:
		return fmt.Errorf("app %s: a limit is negative", a.ID)
	}
	return nil
}

// withDefaults returns a with every limit filled in.
func (a App) withDefaults() App {
	l := &a.Limits
	l.ChannelsPerConnection = cmp.Or(l.ChannelsPerConnection, DefaultChannelsPerConnection)
	l.DataBytes = cmp.Or(l.DataBytes, DefaultDataBytes)
	l.ChannelsPerEvent = cmp.Or(l.ChannelsPerEvent, DefaultChannelsPerEvent)
	return a
}

// app is an App while it is served. It outlives changes of its configuration:
// connections hold on to it, and it holds on to its channels.
type app struct {
	config      atomic.Pointer[App] // replaced as a whole, never changed
	connections atomic.Int64
	directory   directory
}

// apps is every app by the two names it goes by. It is replaced as a whole.
type apps struct {
	byID  map[string]*app
	byKey map[string]*app
}

// newApps checks the configurations and makes the tables.
func newApps(configs []App) (*apps, error) {
	if len(configs) == 0 {
		return nil, errors.New("no app is configured")
	}
	t := &apps{byID: make(map[string]*app), byKey: make(map[string]*app)}
	for _, config := range configs {
		if err := config.check(); err != nil {
			return nil, err
		}
		if t.byID[config.ID] != nil {
			return nil, fmt.Errorf("app id %s is there twice", config.ID)
		}
		if t.byKey[config.Key] != nil {
			return nil, fmt.Errorf("app key %s is there twice", config.Key)
		}
		a := &app{}
		config = config.withDefaults()
		a.config.Store(&config)
		t.byID[config.ID], t.byKey[config.Key] = a, a
	}
	return t, nil
}
