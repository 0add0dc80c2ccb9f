package push

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roost-ws/roost/server"
)

// Config says how a Hub behaves. Only Apps has no default.
type Config struct {
	Apps []App

	// ActivityTimeout is after how much silence clients ping the server; they are
	// told when they connect. One that stays silent for ActivityGrace longer is
	// closed with 4201. Default 120 s, whole seconds. Proxies that cut idle
	// connections sooner (nginx: 60 s) need less.
	ActivityTimeout time.Duration

	// Connections is how many may be open over all apps; more are closed with
	// 4100, and come back a second later. By default only the server's own limit holds.
	Connections int

	// Notifier hears of what happens on channels. nil: nobody does.
	Notifier Notifier

	// Backlog is how many events may wait for delivery on one loop before more
	// are refused, and BacklogBytes the memory of those that wait on all loops.
	// Defaults 8192 and 128 MiB.
	Backlog, BacklogBytes int

	// Subscriptions is how many all connections may have together, beyond one for
	// each; more are refused. Default DefaultSubscriptions.
	Subscriptions int

	// VouchedBytes is the memory of what customers' backends say of clients: of
	// members of presence channels, users who signed in and their watchlists, over all
	// apps. Beyond, subscribing to presence channels gets a subscription error 4100, and signing in
	// ends with 4100. Default DefaultVouchedBytes.
	VouchedBytes int
}

// ActivityGrace is how much longer than the activity timeout a silent client is
// tolerated: official clients wait 30 s for the answer to a ping.
const ActivityGrace = 30 * time.Second

const (
	defaultActivityTimeout = 120 * time.Second
	defaultBacklog         = 8192
	defaultBacklogBytes    = 128 << 20
	// messageBytes is the largest message of a client. The largest in the
	// protocol are client events and sign-ins, about 10 KiB before escaping.
	messageBytes = 64 << 10
	// envelopeBytes is the room for what surrounds the data of a client event.
	envelopeBytes = 4 << 10
)

// Hub serves apps. Make one with New, and one server for it with NewServer.
type Hub struct {
	apps            atomic.Pointer[apps]
	activityTimeout time.Duration
	grace           time.Duration // ActivityGrace, but in tests
	backlog         int64
	backlogBytes    int64
	pendingBytes    atomic.Int64 // of events that some loop has not yet delivered
	numbering       numbering
	pong            *server.Prepared
	shards          []*shard // by loop; made before the server accepts
	server          *server.Server
	published       atomic.Uint64
	connections     atomic.Int64 // over all apps
	limit           int64        // of connections; 0: none
	further         further
	vouched         vouched
	notices         notices
	counts          counts
	alarm           alarm
	now             func() time.Time // wallClock, but in tests
	changing        sync.Mutex       // held by SetApps
	watches         atomic.Int64     // of all apps
}

// New makes a Hub. It serves nobody until NewServer was called.
func New(config Config) (*Hub, error) {
	if config.ActivityTimeout == 0 {
		config.ActivityTimeout = defaultActivityTimeout
	}
	// Stock clients give up on a connection that announces 0.
	if config.ActivityTimeout < time.Second || config.ActivityTimeout%time.Second != 0 {
		return nil, fmt.Errorf("push: activity timeout %v: use whole seconds, at least one", config.ActivityTimeout)
	}
	if config.Backlog == 0 {
		config.Backlog = defaultBacklog
	}
	config.BacklogBytes = cmp.Or(config.BacklogBytes, defaultBacklogBytes)
	config.Subscriptions = cmp.Or(config.Subscriptions, DefaultSubscriptions)
	config.VouchedBytes = cmp.Or(config.VouchedBytes, DefaultVouchedBytes)
	if min(config.Backlog, config.BacklogBytes, config.Connections, config.Subscriptions, config.VouchedBytes) < 0 {
		return nil, errors.New("push: a limit is negative")
	}
	h := &Hub{
		activityTimeout: config.ActivityTimeout,
		grace:           ActivityGrace,
		backlog:         int64(config.Backlog),
		backlogBytes:    int64(config.BacklogBytes),
		further:         further{limit: int64(config.Subscriptions)},
		vouched:         vouched{limit: int64(config.VouchedBytes)},
		numbering:       newNumbering(),
		pong:            server.Prepare(server.Text, []byte(`{"event":"pusher:pong","data":"{}"}`)),
		limit:           int64(config.Connections),
		now:             wallClock,
	}
	h.notices = notices{to: config.Notifier, now: func() time.Time { return h.now() }}
	h.alarm.ring = h.rang
	h.apps.Store(&apps{})
	if err := h.SetApps(config.Apps); err != nil {
		return nil, err
	}
	return h, nil
}

// NewServer makes the server that h speaks through. It completes config with
// what the protocol asks for: handlers run on the loops, any Origin may connect (apps
// say themselves which may not), and silence ends connections. Everything
// else is the caller's, HTTP above all. A Hub has one server; call NewServer
// once, and Publish only after it.
func (h *Hub) NewServer(config server.Config) (*server.Server, error) {
	if h.shards != nil {
		return nil, errors.New("push: the hub has its server already")
	}
	config.Inline = true
	config.Origins = server.Origins{Any: true}
	// A client on a busy channel never pings: every message it receives tells it
	// that the connection lives, and tells the server nothing. So the server
	// asks, by a Ping frame that WebSocket libraries answer on their own, once
	// nothing has come for about as long as an idle client takes to ping.
	config.PingInterval = h.activityTimeout + h.grace*2/3
	config.PongTimeout = -1 // there is the next line
	config.IdleTimeout = h.activityTimeout + h.grace
	config.IdleCode = codePongNotReceived
	config.Limits.Outbound = cmp.Or(config.Limits.Outbound, outboundBytes)
	config.Limits.Message = cmp.Or(config.Limits.Message, h.messageBytes())
	config.OnStream = h.onStream
	config.StreamPing = []byte(": ping\n\n")
	config.StreamPingInterval = min(streamPing, h.activityTimeout)
	if config.HTTP != nil {
		config.HTTP = h.streamsToo(config.HTTP)
	}
	srv, err := server.New(server.Handler{
		OnOpen:    h.open,
		OnMessage: h.message,
		OnClose:   h.ended,
	}, config)
	if err != nil {
		return nil, err
	}
	if srv.Loops() > maxLoops {
		return nil, fmt.Errorf("push: %d loops do not fit into socket ids, at most %d do", srv.Loops(), maxLoops)
	}
	for loop := range srv.Loops() {
		s := &shard{
			loop: loop, post: srv.Post, send: (*server.Conn).SendPrepared, outbound: config.Limits.Outbound,
			turn: turnSends, budget: runSends,
		}
		s.task = s.run
		h.shards = append(h.shards, s)
	}
	h.server = srv
	return srv, nil
}

// App returns the configuration of the app with the given id.
func (h *Hub) App(id string) (App, bool) {
	a := h.apps.Load().byID[id]
	if a == nil {
		return App{}, false
	}
	return *a.config.Load(), true
}

// ErrNoApp is what Publish returns for an app that is not there.
var ErrNoApp = errors.New("push: no such app")

// Publish delivers events to the subscribers of their channels: all of them, or
// none and an *EventError. When it returns, every event has been handed to all
// loops that have subscribers. All subscribers of a channel get its events in one order,
// and one publisher's in the order it published them.
func (h *Hub) Publish(appID string, events ...Event) error {
	_, err := h.PublishIDs(appID, events...)
	return err
}

// PublishIDs is Publish, and returns the ids under which the events are in the
// history of their channels: one for each channel of each event, in order and without
// those that an event names a second time; "" where a channel keeps none.
func (h *Hub) PublishIDs(appID string, events ...Event) (ids []string, err error) {
	a := h.apps.Load().byID[appID]
	if a == nil {
		return nil, ErrNoApp
	}
	limits := &a.config.Load().Limits
	for i := range events {
		if err := events[i].check(limits); err != nil {
			return nil, err
		}
	}
	if h.overloaded() {
		return nil, &EventError{Overloaded, "the server is busy delivering: try again"}
	}
	for i := range events {
		ids = h.publish(a, &events[i], ids)
	}
	return ids, nil
}

// overloaded reports whether so much waits for delivery that nothing is added.
func (h *Hub) overloaded() bool {
	return h.pendingBytes.Load() >= h.backlogBytes ||
		slices.ContainsFunc(h.shards, func(s *shard) bool { return s.pending.Load() >= h.backlog })
}

// publish adds to ids those that the event has in history.
func (h *Hub) publish(a *app, e *Event, ids []string) []string {
	h.published.Add(1)
	a.published.Add(1)
	came := born()
	config := a.config.Load()
	for i, name := range e.Channels {
		if slices.Contains(e.Channels[:i], name) {
			continue // named twice, delivered once
		}
		frame := e.append(nil, name, "")
		plain := config.plain(name)
		m := h.newMessage(frame, plain, e.Exclude)
		keep := keep{event: kept{frame: frame, plain: plain, exclude: e.Exclude}}
		if kindOf(name).cache {
			keep.cached = &cached{frame: frame, data: slices.Clone(e.text()), expires: h.now().Add(config.CacheTTL)}
		}
		id := ""
		m.born = came
		if a.deliver(name, m, keep); m.kept != nil {
			id = m.kept.position.String()
		}
		ids = append(ids, id)
		a.show(WatchEvent, func() Happening {
			return Happening{Channel: name, Event: string(e.Name.Bytes()), Data: string(e.text())}
		})
	}
	return ids
}

// newMessage encodes a frame once for everybody who gets it.
func (h *Hub) newMessage(frame []byte, plain bool, exclude SocketID) *message {
	m := &message{prepared: prepare(frame, plain), size: len(frame), excludeLoop: -1}
	if loop, number, ok := h.numbering.find(exclude); ok {
		m.excludeLoop, m.exclude = loop, number
	}
	return m
}

// messageBytes is the largest message of a client that any app allows.
func (h *Hub) messageBytes() int {
	limit := messageBytes
	for _, a := range h.Apps() {
		limit = max(limit, a.Limits.DataBytes+envelopeBytes)
	}
	return limit
}

// socketID names c to clients and publishers.
func (h *Hub) socketID(c *server.Conn) SocketID {
	return h.numbering.id(c.Loop(), c.ID())
}

// Stats counts what a Hub does.
type Stats struct {
	Connections   int64  // open now, over all apps
	Channels      int    // with subscribers now, over all apps
	Subscriptions int64  // of all connections now
	Published     uint64 // events, since the start
	Delivered     uint64 // events times subscribers, since the start
	Pending       int64  // events that wait on some loop now
	PendingBytes  int64  // the memory of these, roughly
	// SubscriptionsRefused counts what met Config.Subscriptions.
	SubscriptionsRefused uint64
	// VouchedBytes is the memory of what backends say of members and users, as
	// Config.VouchedBytes counts it; MembersRefused and UsersRefused count what met that.
	VouchedBytes                 int64
	MembersRefused, UsersRefused uint64
	History                      HistoryStats
}

// Stats returns the counters.
func (h *Hub) Stats() Stats {
	stats := Stats{Published: h.published.Load()}
	stats.Connections = h.connections.Load()
	stats.PendingBytes = h.pendingBytes.Load()
	stats.SubscriptionsRefused = h.further.refused.Load()
	stats.VouchedBytes = h.vouched.taken.Load()
	stats.MembersRefused, stats.UsersRefused = h.vouched.members.Load(), h.vouched.users.Load()
	for _, a := range h.apps.Load().byID {
		stats.Channels += a.directory.size()
		stats.History.add(a.history.stats())
	}
	for _, s := range h.shards {
		stats.Delivered += s.delivered.Load()
		stats.Pending += s.pending.Load()
		stats.Subscriptions += s.subscriptions.Load()
	}
	return stats
}
