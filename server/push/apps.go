package push

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/roost-ws/roost/server/push/internal/token"
)

// app is an App while it is served. It outlives changes of its configuration:
// connections hold on to it, and it holds on to its channels.
type app struct {
	hub         *Hub
	config      atomic.Pointer[App] // replaced as a whole, never changed
	tokens      atomic.Pointer[token.Verifier]
	removed     atomic.Bool // no longer configured
	connections atomic.Int64
	directory   directory
	cache       eventCache
	history     histories
	users       users

	traffic       traffic
	published     atomic.Uint64
	tooManyEvents atomic.Uint64            // client events over the rate
	tooManyJoins  atomic.Uint64            // of presence channels, over the rate
	refused       atomic.Uint64            // connections over a limit
	watchers      atomic.Pointer[[]*Watch] // replaced as a whole; nil while nobody watches
}

// apps is every app by the two names it goes by. It is replaced as a whole.
type apps struct {
	byID  map[string]*app
	byKey map[string]*app
	gone  []*app // no longer configured, and some connections have not heard yet
}

// replace makes the table for other configurations. An app that was there
// before, by its id, stays the same app.
func (t *apps) replace(hub *Hub, configs []App) (*apps, error) {
	if len(configs) == 0 {
		return nil, errors.New("no app is configured")
	}
	next := &apps{byID: make(map[string]*app), byKey: make(map[string]*app)}
	known := make(map[string]*app)
	for _, a := range t.gone {
		known[a.config.Load().ID] = a
	}
	for id, a := range t.byID {
		known[id] = a
	}
	now := func() time.Time { return hub.now() }
	verifiers := make(map[string]*token.Verifier)
	for _, config := range configs {
		if err := config.check(); err != nil {
			return nil, err
		}
		verifier, err := config.verifier(now)
		if err != nil {
			return nil, err
		}
		verifiers[config.ID] = verifier
		if next.byID[config.ID] != nil {
			return nil, fmt.Errorf("app id %s is there twice", config.ID)
		}
		if next.byKey[config.Key] != nil {
			return nil, fmt.Errorf("app key %s is there twice", config.Key)
		}
		a := known[config.ID]
		if a == nil {
			a = &app{hub: hub, users: users{vouched: &hub.vouched}}
		}
		next.byID[config.ID], next.byKey[config.Key] = a, a
	}
	// Nothing can fail from here on, so what is served may change.
	for _, config := range configs {
		a := next.byID[config.ID]
		config = config.withDefaults()
		a.config.Store(&config)
		a.tokens.Store(verifiers[config.ID])
		a.removed.Store(false)
		a.forgetUnruled()
		delete(known, config.ID)
	}
	for _, a := range known {
		a.removed.Store(true)
		if a.connections.Load() > 0 {
			next.gone = append(next.gone, a)
		}
	}
	return next, nil
}

// SetApps replaces the configuration of all apps while they are served, or
// changes nothing and says why. An app keeps its id, and with it its connections and
// channels; whatever else is new about it holds from the next message or call
// on. Clients of an app that is gone are closed with 4001 when they next say something,
// which idle ones do every activity timeout: not all at once. Streams, which say
// nothing, end.
func (h *Hub) SetApps(configs []App) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	next, err := h.apps.Load().replace(h, configs)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	h.apps.Store(next)
	for _, a := range next.byID {
		h.endStreams(a)
	}
	for _, a := range next.gone {
		h.endStreams(a)
	}
	return nil
}

// Apps returns the configurations of all apps, in no order.
func (h *Hub) Apps() []App {
	var configs []App
	for _, a := range h.apps.Load().byID {
		configs = append(configs, *a.config.Load())
	}
	return configs
}

// serving says why the connections of a are to end, if so.
func (a *app) serving() *refusal {
	switch {
	case a.removed.Load():
		return &refusal{codeNoApp, "Application does not exist any more"}
	case a.config.Load().Disabled:
		return &refusal{codeAppDisabled, "Application disabled"}
	}
	return nil
}
