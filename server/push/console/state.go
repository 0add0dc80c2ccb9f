package console

import (
	"cmp"
	"encoding/json"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
)

const (
	shownApps     = 100 // those with the most connections
	shownChannels = 20
	shownEndings  = 40
)

// state is a snapshot. Rates are the page's to make, from two of them.
type state struct {
	At       int64 // Unix milliseconds
	Began    int64
	Version  string
	MaxConns int
	Memory   uint64 // of the Go runtime, bytes
	Routines int

	Server  server.Stats
	Push    push.Stats
	Latency latency
	Apps    []app
	AllApps int

	// Of the app that was asked about.
	App         string
	Channels    []push.ChannelInfo
	AllChannels int

	Endings map[server.StatusCode]uint64
	Recent  []ending
}

type app struct {
	push.AppStats
	ClientEvents bool
	Disabled     bool
}

type latency struct {
	Bounds []float64 // milliseconds
	Counts []uint64
}

type ending struct {
	At       int64 // Unix milliseconds
	App      string
	SocketID string
	Code     int
	Why      string
	Remote   bool
}

func (c *Console) state(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	s := state{
		At: now.UnixMilli(), Began: c.began.UnixMilli(), Version: c.config.Version,
		MaxConns: c.config.Server.Config().Limits.Conns,
		Memory:   memory(), Routines: runtime.NumGoroutine(),
		Server: c.config.Server.Stats(), Push: c.config.Hub.Stats(), Latency: latencyOf(c.config.Hub.Latency()),
		App: r.URL.Query().Get("app"),
	}
	s.Apps, s.AllApps = c.apps()
	if _, ok := c.config.Hub.App(s.App); !ok && len(s.Apps) > 0 {
		s.App = s.Apps[0].ID
	}
	s.Channels, s.AllChannels = c.tops.get(c.config.Hub, s.App, now)
	s.Endings, s.Recent = endings(c.config.Hub.Endings())
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(&s) // or the reader is gone
}

// apps returns those with the most connections, and how many there are.
func (c *Console) apps() (shown []app, all int) {
	stats := c.config.Hub.AppStats()
	slices.SortFunc(stats, func(a, b push.AppStats) int {
		return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.ID, b.ID))
	})
	for _, s := range stats[:min(len(stats), shownApps)] {
		config, ok := c.config.Hub.App(s.ID)
		shown = append(shown, app{AppStats: s, ClientEvents: config.ClientEvents, Disabled: config.Disabled || !ok})
	}
	return shown, len(stats)
}

func latencyOf(l push.Latency) latency {
	bounds := make([]float64, len(l.Bounds))
	for i, bound := range l.Bounds {
		bounds[i] = bound.Seconds() * 1000
	}
	return latency{bounds, l.Counts}
}

func endings(all push.Endings) (counts map[server.StatusCode]uint64, recent []ending) {
	counts = make(map[server.StatusCode]uint64)
	for code, n := range all.Counts {
		if n > 0 {
			counts[code] = n
		}
	}
	for _, e := range all.Recent[:min(len(all.Recent), shownEndings)] {
		why := e.How.Reason
		if e.How.Err != nil {
			why = e.How.Err.Error()
		}
		recent = append(recent, ending{e.At.UnixMilli(), e.App, e.SocketID.String(), int(e.How.Code), why, e.How.Remote})
	}
	return counts, recent
}

// memory is what the Go runtime has of the system. The kernel's part, for
// sockets, is not in it.
func memory() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}

// tops remembers the largest channels for a while: to find them takes a look at
// all there are, and several pages ask every second.
type tops struct {
	mu    sync.Mutex // held while they are looked for, so that one does it for all
	app   string
	shown []push.ChannelInfo
	all   int
	until time.Time
}

// topShare is the part of a processor that looking for the largest channels may take.
const topShare = 0.02

func (t *tops) get(hub *push.Hub, app string, now time.Time) (shown []push.ChannelInfo, all int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if app == t.app && now.Before(t.until) {
		return t.shown, t.all
	}
	began := time.Now()
	t.app = app
	t.shown, t.all, _ = hub.TopChannels(app, shownChannels) // none for an app that is gone
	took := time.Since(began)
	t.until = now.Add(max(time.Second/2, time.Duration(float64(took)/topShare)))
	return t.shown, t.all
}
