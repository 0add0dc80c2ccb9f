package push

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roost-ws/roost/server/push/internal/rate"
)

// The limits of watching.
const (
	// MaxWatches is how many may watch all apps at a time.
	MaxWatches = 16
	// watchRate is how many happenings a second one of them is shown; the rest is
	// counted. Nobody reads faster, and a busy server must not work for whoever watches.
	watchRate = 100
	// watchQueue is how many wait for one who is slow to look.
	watchQueue = 256
	// watchDataBytes is how much of an event's data is shown.
	watchDataBytes = 2 << 10
)

// The kinds of happenings.
const (
	WatchEvent        = "event"        // the HTTP API, or the program itself, has published
	WatchClientEvent  = "client_event" // a client has
	WatchSubscribed   = "subscribed"
	WatchUnsubscribed = "unsubscribed"
	WatchConnected    = "connected"
	WatchDisconnected = "disconnected"
)

// Happening is something that an app did or that was done to it, for a person to look at.
type Happening struct {
	At       time.Time
	Kind     string // one of the constants above
	Channel  string
	Event    string // its name
	Data     string // of the event, decoded; long data is cut
	SocketID string // of the connection it is about, or that the event came from
	UserID   string // of the sender on a presence channel
}

// ErrTooManyWatches is what Watch returns when MaxWatches are there.
var ErrTooManyWatches = errors.New("push: too many are watching")

// Watch shows what happens in one app. It is a sample when too much happens.
type Watch struct {
	app     *app
	kinds   []string // none: all
	items   chan Happening
	skipped atomic.Uint64
	mu      sync.Mutex
	rate    rate.Rate // guarded by mu
	over    bool      // guarded by mu
}

// Watch begins to show what happens in an app, or what of it is of the given
// kinds. Whoever calls it must call Close. An app that nobody watches pays one look at a pointer for each event.
func (h *Hub) Watch(appID string, kinds ...string) (*Watch, error) {
	a := h.apps.Load().byID[appID]
	if a == nil {
		return nil, ErrNoApp
	}
	if h.watches.Add(1) > MaxWatches {
		h.watches.Add(-1)
		return nil, ErrTooManyWatches
	}
	w := &Watch{app: a, kinds: slices.Clone(kinds), items: make(chan Happening, watchQueue)}
	a.changeWatches(func(all []*Watch) []*Watch { return append(slices.Clone(all), w) })
	return w, nil
}

// Happenings is where they arrive. It is closed by Close.
func (w *Watch) Happenings() <-chan Happening { return w.items }

// Skipped is how many were not shown so far, because they were too many.
func (w *Watch) Skipped() uint64 { return w.skipped.Load() }

// Close ends the watch.
func (w *Watch) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.over = true
	w.app.changeWatches(func(all []*Watch) []*Watch {
		return slices.DeleteFunc(slices.Clone(all), func(other *Watch) bool { return other == w })
	})
	w.app.hub.watches.Add(-1)
	close(w.items)
}

// changeWatches replaces the list of those who watch a; an empty one by none.
func (a *app) changeWatches(change func([]*Watch) []*Watch) {
	for {
		old := a.watchers.Load()
		var next *[]*Watch
		var all []*Watch
		if old != nil {
			all = *old
		}
		if all = change(all); len(all) > 0 {
			next = &all
		}
		if a.watchers.CompareAndSwap(old, next) {
			return
		}
	}
}

// show tells those who watch a. happening is called only when somebody does and
// gets to see it.
func (a *app) show(kind string, happening func() Happening) {
	if all := a.watchers.Load(); all != nil {
		a.showTo(*all, kind, happening)
	}
}

func (a *app) showTo(all []*Watch, kind string, happening func() Happening) {
	now := a.hub.now()
	var made *Happening
	for _, w := range all {
		if len(w.kinds) > 0 && !slices.Contains(w.kinds, kind) {
			continue
		}
		w.mu.Lock()
		switch {
		case w.over:
		case len(w.items) == cap(w.items) || !w.rate.Take(now, watchRate):
			w.skipped.Add(1)
		default:
			if made == nil {
				one := happening()
				one.At, one.Kind, one.Data = now, kind, clip(one.Data)
				made = &one
			}
			w.items <- *made // there is room, and only here it is filled
		}
		w.mu.Unlock()
	}
}

// clip returns as much of an event's data as is shown, in memory of its own.
func clip(data string) string {
	if len(data) <= watchDataBytes {
		return data
	}
	return strings.ToValidUTF8(strings.Clone(data[:watchDataBytes]), "") + "…"
}

// show tells those who watch the app what s did with a channel.
func (s *session) show(kind, channel string) {
	s.app.show(kind, func() Happening {
		return Happening{Channel: channel, SocketID: s.app.hub.socketID(s.conn).String()}
	})
}
