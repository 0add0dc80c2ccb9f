package push

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/internal/ground"
	"github.com/roost-ws/roost/server/internal/sim"
)

var simChannels = []string{
	"news", "h-0", "h-1", "cache-0", "private-0", "private-h-0", "presence-0", "presence-h-0",
}

// simRun is one push server in a simulated world, with its clients and publishers.
type simRun struct {
	w        *sim.World
	k        *sim.Kernel
	draw     *rand.Rand // what the run is like; the order of things is w.Rand's
	hub      *Hub
	srv      *server.Server
	server   ground.Server
	pool     *sim.Pool
	listener *sim.Listener
	app      App
	on       ground.Ground
	config   server.Config

	cuts    bool // queues are so short that clients may be cut
	roomy   bool // history holds all there will ever be
	rewinds bool
	filling int // of an event, at most
	pace    time.Duration

	leaving, stopped, settled bool

	channels   map[string]*simChannel
	notices    simNotices
	terminated map[string]bool // users
	published  int
	unsure     int // events of clients that were cut before they knew whether these were published
	several    int // events that went to several channels
	clients    []*simClient
	coming     int // clients that have not come to rest
	there      int // clients that are still there
	publishers int
	met        map[string]int
}

// newSimRun draws a server and its surroundings.
func newSimRun(c sim.Config) *simRun {
	w := sim.NewWorld(c)
	d := w.RandOf("run")
	r := &simRun{
		w: w, draw: d, k: sim.NewKernel(w, sim.SwarmFaults(d)), channels: make(map[string]*simChannel),
		terminated: make(map[string]bool), met: make(map[string]int),
	}
	w.PartFaults(&r.k.Faults)
	for _, name := range simChannels {
		r.channels[name] = newSimChannel(name)
	}
	r.notices = simNotices{r: r, on: make(map[string]bool)}
	r.pool = w.NewPool("loop", 0)
	r.on = ground.Ground{
		Kernel: r.k, Submit: r.pool.Submit,
		ReadBuffer: []int{1 + d.IntN(500), 1 + d.IntN(5000), 0}[d.IntN(3)],
	}
	const never = 3 * time.Hour
	r.config = server.Config{
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Loops: 1 + d.IntN(3),
		Limits:   server.Limits{Conns: 100, ConnsPerAddress: -1},
		Timeouts: server.Timeouts{Handshake: never, Message: never, Close: never, Stall: never},
	}
	r.app = App{
		ID: "1", Key: "key", Secret: "secret", ClientEvents: true, SubscriptionCount: r.one(2),
		Limits: AppLimits{ClientEventsPerSecond: 1000},
	}
	r.filling, r.pace = d.IntN(200), []time.Duration{0, 10 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond}[d.IntN(4)]
	rule := HistoryRule{Pattern: "*h-*", TTL: MaxHistoryTTL, ClientEvents: true}
	if r.cuts = r.one(4); r.cuts {
		r.config.Limits.Outbound = 1500 + d.IntN(3000)
		r.filling *= 3
	}
	if r.roomy = !r.cuts && !r.one(3); !r.roomy {
		rule.Size = 1 + d.IntN(3)
		r.app.Limits.HistoryChannels = d.IntN(4) // 0: no limit
		if r.one(3) {
			rule.TTL = time.Duration(1+d.IntN(8)) * time.Second
		}
	}
	if r.rewinds = r.one(3); r.rewinds {
		rule.Rewind.Count = 1 + d.IntN(3)
	}
	r.app.History = []HistoryRule{rule}
	r.listener = r.k.Listen(1000)
	return r
}

func (r *simRun) one(n int) bool { return r.draw.IntN(n) == 0 }

func (r *simRun) meet(what string) { r.met[what]++ }

// begin makes the hub and its server. Nothing of it is left to chance.
func (r *simRun) begin() error {
	config := Config{Apps: []App{r.app}, ActivityTimeout: 3 * time.Hour}
	if r.one(2) {
		config.Notifier = &r.notices
	}
	if r.one(4) {
		config.Backlog = 1 + r.draw.IntN(4)
	}
	if r.one(8) {
		config.BacklogBytes = 1 + r.draw.IntN(5000)
	}
	h, err := New(config)
	if err != nil {
		return err
	}
	h.numbering.salt = 1
	h.now = func() time.Time { return time.Unix(1_700_000_000, 0).Add(r.w.Now()) }
	h.alarm.asked.Store(true) // it rings when the run says so
	h.apps.Load().byID[r.app.ID].history.epoch = 1
	ground.Put(&r.config, r.on)
	if r.srv, err = h.NewServer(r.config); err != nil {
		return err
	}
	if !r.one(3) { // elsewhere so few clients are all served in one go
		for _, s := range h.shards {
			s.turn, s.budget = 1+r.draw.IntN(3), 1+r.draw.IntN(5)
		}
	}
	r.hub, r.server = h, ground.Of(r.srv)
	return nil
}

// run runs everything and checks the end.
func (r *simRun) run() error {
	if err := r.begin(); err != nil {
		return err
	}
	w, d := r.w, r.draw
	clients, publishers := 1+d.IntN(6), d.IntN(4)
	early, leave, terminator := r.one(6), r.one(3), r.one(4)
	w.Go("main", func() {
		r.server.ListenSoon(r.listener.FD(), func(err error) {
			if err != nil {
				w.Fail("%v", err)
			}
		})
		w.Go("alarm", r.alarm)
		for i := range clients {
			if w.Part("client %d", i) {
				cl := newSimClient(r, i)
				r.clients = append(r.clients, cl)
				r.coming++
				r.there++
				w.Go(cl.name, func() {
					cl.live()
					r.there--
				})
			}
		}
		for i := range publishers {
			if w.Part("publisher %d", i) {
				r.publish(fmt.Sprintf("p%d", i), r.publisher)
			}
		}
		if terminator && w.Part("terminator") {
			r.publish("terminator", r.terminator)
		}
		if early {
			w.Sleep(time.Duration(d.Int64N(int64(3 * time.Second))))
			leave = leave || r.one(2)
			r.meet("left early")
		} else {
			w.Sleep(time.Duration(d.Int64N(int64(10 * time.Second))))
			r.k.Faults = sim.Faults{}
			w.Within(12*time.Hour, "all come to rest", func() bool { return r.coming+r.publishers == 0 })
			r.settle()
		}
		r.k.Faults = sim.Faults{}
		if leave {
			r.leaving = true
			r.server.ShutdownSoon()
			w.Sleep(time.Duration(d.Int64N(int64(10 * time.Second))))
		}
		r.stop()
	})
	return w.Run()
}

// publish runs a goroutine of the application's beside the server.
func (r *simRun) publish(name string, live func(maker string)) {
	r.publishers++
	r.w.Go(name, func() {
		live(name)
		r.publishers--
	})
}

// alarm rings in place of the real one.
func (r *simRun) alarm() {
	for !r.stopped {
		r.w.Sleep(5 * time.Second)
		r.hub.rang()
	}
}

// settle waits until nothing is on its way any more, and checks what everybody knows.
func (r *simRun) settle() {
	w := r.w
	for i := 0; !r.quiet(); i++ {
		if i == 3600 {
			w.Fail("after an hour there is still something on its way: %+v", r.hub.Stats())
		}
		w.Sleep(time.Second)
	}
	w.Sleep(10 * time.Second) // the last count, and what is just being read
	r.judge()
	r.settled = true
	r.meet("settled")
}

func (r *simRun) quiet() bool {
	if st := r.hub.Stats(); st.Pending+st.PendingBytes > 0 || r.srv.Stats().Outbound > 0 || r.srv.Stats().Closing > 0 {
		return false
	}
	for _, cl := range r.clients {
		if cl.staying && cl.c.Buffered() > 0 {
			return false
		}
	}
	return true
}

// judge compares what all who are there know with each other and with the hub.
func (r *simRun) judge() {
	w := r.w
	subscribers, members, online := make(map[string]int), make(map[string]map[string]bool), make(map[string]bool)
	there := 0
	for _, cl := range r.clients {
		if !cl.staying {
			continue
		}
		there++
		if cl.doomed {
			cl.fail("is still there, and was terminated")
		}
		if cl.signedIn {
			online[cl.user] = true
		}
		for name, s := range cl.subs {
			subscribers[name]++
			if s.ch.presence() {
				if members[name] == nil {
					members[name] = make(map[string]bool)
				}
				members[name][cl.user] = true
			}
			if err := s.whole(cl.connections()); err != nil {
				cl.fail("%v", err)
			}
		}
	}
	all := 0
	for _, n := range subscribers {
		all += n
	}
	for name, ch := range r.channels {
		if err := ch.disorder(); err != nil {
			w.Fail("%s: events came in different orders: %v", name, err)
		}
	}
	for _, cl := range r.clients {
		if cl.staying {
			cl.judge(subscribers, members, online)
		}
	}
	st := r.hub.Stats()
	if st.Connections != int64(there) || st.Channels != len(subscribers) || st.Subscriptions != int64(all) {
		w.Fail("%d clients are there, with %d subscriptions of %d channels; the hub counts %+v", there, all, len(subscribers), st)
	}
	if n := int(st.Published); n < r.published || n > r.published+r.unsure {
		w.Fail("%d events were published, perhaps %d more, and %d are counted", r.published, r.unsure, n)
	}
}

// stop ends the server without its wait, and then nothing may be left, but what a
// loop that ended before another was still to deliver: to nobody.
func (r *simRun) stop() {
	w := r.w
	r.stopped = true
	r.server.CloseSoon()
	w.Within(time.Hour, "the server stops", func() bool { return r.pool.Busy() == 0 })
	w.Within(time.Hour, "clients and publishers end", func() bool { return r.there+r.publishers == 0 })
	if leaks := r.k.Leaks(); len(leaks) > 0 {
		w.Fail("descriptors are left: %q", leaks)
	}
	st := r.srv.Stats()
	if n := st.Conns + st.Connecting + st.Open + st.Closing + st.Lingering + st.Streams; n+int64(st.Held)+int64(st.Outbound) != 0 {
		w.Fail("after the end there are still connections or bytes: %+v", st)
	}
	h, a := r.hub, r.hub.apps.Load().byID[r.app.ID]
	if st := h.Stats(); st.Connections+int64(st.Channels)+st.Subscriptions+st.VouchedBytes != 0 || h.further.taken.Load() != 0 || a.connections.Load() != 0 {
		w.Fail("after the end the hub has still %+v, %d beyond the first", st, h.further.taken.Load())
	}
	if n := len(a.users.byID); n != 0 {
		w.Fail("after the end %d users are known", n)
	}
	for what := range r.notices.on {
		if h.notices.to != nil {
			w.Fail("after the end nobody was told that it is over: %s", what)
		}
	}
}

// simNotices is told what happens, and notes what does not fit.
type simNotices struct {
	r      *simRun
	on     map[string]bool // channels, and users on them
	inside bool
}

func (n *simNotices) Notify(notice Notice) {
	if n.inside {
		n.r.w.Fail("Notify is called while it runs")
	}
	n.inside = true
	n.r.w.Yield("notify")
	n.inside = false
	what := notice.Channel
	switch notice.Name {
	case ChannelOccupied, ChannelVacated:
	case MemberAdded, MemberRemoved:
		what += " " + notice.UserID
	default:
		return
	}
	began := notice.Name == ChannelOccupied || notice.Name == MemberAdded
	if n.on[what] == began {
		n.r.w.Fail("%s of %s, of which that is known", notice.Name, what)
	}
	if began {
		n.on[what] = true
	} else {
		delete(n.on, what)
	}
}

// publisher publishes as the HTTP API does, and looks around.
func (r *simRun) publisher(maker string) {
	d := r.w.RandOf(maker)
	for i := range 1 + d.IntN(50) {
		if r.stopped {
			return
		}
		if r.pace > 0 {
			r.w.Sleep(time.Duration(d.Int64N(int64(r.pace))))
		} else {
			r.w.Yield("publisher")
		}
		names := [2][]string{r.someChannels(d)}
		if d.IntN(4) == 0 {
			names[1] = r.someChannels(d)
		}
		looks, excludes, filling := d.IntN(12) == 0, d.IntN(3) == 0, d.IntN(r.filling+1)
		if !r.w.Part("%s deed %d", maker, i) {
			continue
		}
		if looks {
			r.hub.Stats()
			r.hub.Endings()
			_, _ = r.hub.History(r.app.ID, "h-0", "", 10)
		}
		r.send(maker, names, excludes, filling)
	}
}

func (r *simRun) someChannels(d *rand.Rand) (names []string) {
	for range 1 + d.IntN(8)/6 {
		names = append(names, simChannels[d.IntN(len(simChannels))])
	}
	if len(names) == 2 && names[0] == names[1] {
		names = names[:1]
	}
	return names
}

// send publishes one or two events. One that goes to two channels has a maker of
// its own, so that it has one name on both.
func (r *simRun) send(maker string, names [2][]string, excludes bool, filling int) {
	exclude := ""
	if cl := r.someClient(); excludes && cl != nil && cl.socketID != "" {
		exclude = cl.socketID
		r.meet("excluded")
	}
	type made struct {
		ch *simChannel
		e  simEvent
	}
	var all []made
	var events []Event
	for i, channels := range names {
		if len(channels) == 0 {
			continue
		}
		author := maker
		if len(channels) > 1 {
			r.several++
			author = fmt.Sprintf("%s.%d.%d", maker, r.several, i)
		}
		event := Event{Channels: channels, Name: Quote("e")}
		event.Exclude, _ = ParseSocketID(cmp.Or(exclude, "0.0"))
		for _, name := range channels {
			ch := r.channels[name]
			e := ch.begin(author, exclude)
			event.Data = Quote(e.data(filling))
			all = append(all, made{ch, e})
		}
		events = append(events, event)
	}
	ids, err := r.hub.PublishIDs(r.app.ID, events...)
	if e, ok := err.(*EventError); ok && e.Fault == Overloaded {
		r.meet("overloaded")
		for _, m := range all {
			m.ch.begun[m.e.maker]--
			delete(m.ch.exclude, m.e)
		}
		return
	}
	if err != nil || len(ids) != len(all) {
		r.w.Fail("published as %q, with %v", ids, err)
	}
	r.published += len(events)
	r.meet("published")
	for i, m := range all {
		m.ch.published(m.e, r.w.Now())
		if (ids[i] != "") != m.ch.keeps() {
			r.w.Fail("an event of %s has the id %q", m.ch.name, ids[i])
		}
		if ids[i] == "" {
			continue
		}
		if err := m.ch.learn(ids[i], m.e); err != nil {
			r.w.Fail("%v", err)
		}
	}
}

func (r *simRun) someClient() *simClient {
	if len(r.clients) == 0 {
		return nil
	}
	return r.clients[r.w.Rand.IntN(len(r.clients))]
}

// terminator ends the connections of a user.
func (r *simRun) terminator(name string) {
	d := r.w.RandOf(name)
	for i := range 1 + d.IntN(3) {
		r.w.Sleep(time.Duration(d.Int64N(int64(3 * time.Second))))
		user := simUser(d)
		if r.stopped || !r.w.Part("terminator deed %d", i) {
			continue
		}
		r.terminated[user] = true
		for _, cl := range r.clients {
			cl.doomed = cl.doomed || cl.signedIn && cl.user == user && cl.ended == nil
		}
		if _, err := r.hub.Terminate(r.app.ID, user); err != nil {
			r.w.Fail("%v", err)
		}
	}
}

func simUser(d *rand.Rand) string { return fmt.Sprintf("u%d", d.IntN(3)) }
