package push

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
)

// The rules and limits that the model knows in its own words.
const (
	modelSize   = 6
	modelTTL    = time.Minute
	modelRewind = 3
	modelAge    = 20 * time.Second
	modelBytes  = 2000 // of one channel
)

// chronicle is a channel with history in the plainest words: everything that was
// ever published, with its time, and how often the server lost count.
type chronicle struct {
	name   string
	events []entry
	known  bool // the server has count of it
	lost   int  // how often it lost that
	began  int  // events when it began to count last
	ends   time.Time
	// followed: somebody who subscribed with ids, or after such a one, is there.
	followed bool
	present  map[*away]bool
}

type entry struct {
	name    string
	at      time.Time
	bytes   int
	exclude SocketID
}

// away is somebody who comes and goes, and what they know.
type away struct {
	t     *testing.T
	conn  *server.Conn
	shard *shard
	sent  map[*server.Conn][]*server.Prepared
	ids   bool
	owns  SocketID // a connection they had

	at    map[*chronicle]bookmark
	since map[*chronicle]int // events there were when they subscribed
	seen  map[*chronicle]int // frames they had been sent by then
}

// bookmark is where somebody is: the id they know, and what it means.
type bookmark struct {
	id   string
	lost int
	read int // events, of all there ever were
}

// use is what everything does that looks at or changes what is kept.
func (c *chronicle) use(now time.Time) {
	if !c.known {
		c.known, c.began = true, len(c.events)
	}
	c.ends = now.Add(modelTTL)
}

// kept is how many of the last events are there still.
func (c *chronicle) kept(now time.Time) (n int) {
	bytes := 0
	for _, e := range slices.Backward(c.events) {
		bytes += e.bytes
		if n == modelSize || n == len(c.events)-c.began || now.Sub(e.at) >= modelTTL || bytes > modelBytes {
			break
		}
		n++
	}
	return n
}

// expire is what time does.
func (c *chronicle) expire(now time.Time) {
	if !c.known || now.Before(c.ends) {
		return
	}
	if c.followed {
		c.ends = now.Add(modelTTL)
		return
	}
	c.known = false
	c.lost++
}

// missed says what somebody at b gets who comes back now.
func (c *chronicle) missed(b bookmark, now time.Time) (names []string, recovered bool) {
	if !c.known || b.lost != c.lost || len(c.events)-b.read > c.kept(now) {
		return nil, false
	}
	for _, e := range c.events[b.read:] {
		names = append(names, e.name)
	}
	return names, true
}

// without leaves out what was not for the connection of the one who comes.
func (c *chronicle) without(names []string, of SocketID) (left []string) {
	for _, name := range names {
		i := slices.IndexFunc(c.events, func(e entry) bool { return e.name == name })
		if c.events[i].exclude != of {
			left = append(left, name)
		}
	}
	return left
}

// rewound says what somebody gets who comes for the first time.
func (c *chronicle) rewound(now time.Time) (names []string) {
	for _, e := range c.events[len(c.events)-min(modelRewind, c.kept(now)):] {
		if now.Sub(e.at) <= modelAge {
			names = append(names, e.name)
		}
	}
	return names
}

func namesOf(events []*kept) (names []string) {
	for _, k := range events {
		var frame struct{ Event string }
		_ = json.Unmarshal(k.frame, &frame) // its name is missing then
		names = append(names, frame.Event)
	}
	return names
}

// come subscribes, and compares what is told of the past with the model.
func (p *away) come(c *chronicle, now time.Time) {
	p.t.Helper()
	s := sessionOf(p.conn)
	ask := catchUp{ids: p.ids}
	b, has := p.at[c]
	var want []string
	recovered := false
	switch {
	case p.ids && has:
		ask.resume, ask.from, ask.former = true, parsePosition(b.id), []SocketID{{}, p.owns}
		want, recovered = c.missed(b, now)
		want = c.without(want, p.owns)
	default:
		want = c.rewound(now)
	}
	j, no := s.join(p.shard, c.name, nil, ask)
	if no != nil {
		p.t.Fatal(no)
	}
	if got := namesOf(j.past.events); !slices.Equal(got, want) || j.past.recovered != recovered {
		p.t.Fatalf("%s at %+v of %d events: got %v, recovered %v; want %v, %v", c.name, b, len(c.events), got, j.past.recovered, want, recovered)
	}
	if p.ids {
		c.use(now)
		c.followed = true
		p.at[c] = bookmark{j.past.id.String(), c.lost, len(c.events)}
	} else if j.past.id != (position{}) {
		p.t.Fatalf("%s is told an id who did not ask", c.name)
	}
	c.present[p] = true
	p.since[c], p.seen[c] = len(c.events), len(p.sent[p.conn])
}

// leave unsubscribes, and compares what came meanwhile with the model: a prefix of what was
// published, with ids for those who asked.
func (p *away) leave(c *chronicle, now time.Time, whole bool) {
	p.t.Helper()
	want := c.events[p.since[c]:]
	n := 0
	for _, prepared := range p.sent[p.conn][p.seen[c]:] {
		var frame struct{ Event, Channel, ID string }
		text := textOf(prepared)
		if err := json.Unmarshal([]byte(text), &frame); err != nil {
			p.t.Fatal(err)
		}
		if frame.Channel != c.name {
			continue
		}
		if n == len(want) || frame.Event != want[n].name || (frame.ID != "") != p.ids {
			p.t.Fatalf("%s: %s is number %d of %d", c.name, text, n, len(want))
		}
		n++
		if p.ids {
			// An id that the server gave out before it lost count is of no use after.
			p.at[c] = bookmark{frame.ID, p.at[c].lost, p.since[c] + n}
		}
	}
	if whole && n != len(want) {
		p.t.Fatalf("%s: %d of %d events came", c.name, n, len(want))
	}
	s := sessionOf(p.conn)
	s.leave(p.shard, s.index(c.name))
	delete(c.present, p)
	if len(c.present) == 0 && c.followed {
		c.followed = false
		if c.known {
			c.ends = now.Add(modelTTL)
		}
	}
}

// Section 2: people come and go on several loops, while events are published and
// forgotten, with delivery at every stage. Who comes back gets exactly what they
// missed, in order, or nothing and is told so, and that only if some of it is gone;
// and from then on everything once and in order.
func TestHistoryAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		playHistory(t, rand.New(rand.NewPCG(seed, 7)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func playHistory(t *testing.T, rnd *rand.Rand) {
	app := testApp
	app.Limits.HistoryChannelBytes = modelBytes
	app.History = []HistoryRule{{Pattern: "h*", Size: modelSize, TTL: modelTTL, Rewind: Rewind{Count: modelRewind, Age: modelAge}}}
	a, sent := stage(t, 3, app)
	now := a.hub.now()
	a.hub.now = func() time.Time { return now }
	channels := []*chronicle{{name: "h1", present: map[*away]bool{}}, {name: "h2", present: map[*away]bool{}}}
	people := make([]*away, 6)
	for i := range people {
		p := &away{t: t, sent: sent, ids: i != 0, owns: SocketID{1, uint64(i + 1)}, at: map[*chronicle]bookmark{}, since: map[*chronicle]int{}, seen: map[*chronicle]int{}}
		people[i] = p
	}
	connect := func(p *away) {
		p.shard = a.hub.shards[rnd.IntN(3)]
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		p.conn = s.conn
	}
	publish := func(c *chronicle) {
		name := fmt.Sprintf("%s.%d", c.name, len(c.events))
		e := Event{Channels: []string{c.name}, Name: Quote(name), Data: Quote(strings.Repeat("x", rnd.IntN(500)))}
		if rnd.IntN(4) == 0 {
			e.Exclude = people[rnd.IntN(len(people))].owns
		}
		if err := a.hub.Publish("1", e); err != nil {
			t.Fatal(err)
		}
		c.use(now)
		c.followed = c.followed && len(c.present) > 0
		c.events = append(c.events, entry{name, now, len(e.append(nil, c.name, "")) + keptOverhead, e.Exclude})
	}
	for range 500 {
		c, p := channels[rnd.IntN(2)], people[rnd.IntN(len(people))]
		switch op := rnd.IntN(12); {
		case op < 4:
			publish(c)
		case op < 6 && !c.present[p]:
			if p.conn == nil {
				connect(p)
			}
			p.come(c, now)
		case op == 6 && c.present[p]:
			p.leave(c, now, false)
		case op == 7 && p.conn != nil: // the network is cut
			for _, c := range channels {
				if c.present[p] {
					p.leave(c, now, false)
				}
			}
			p.conn = nil
		case op == 8:
			now = now.Add(time.Duration(rnd.IntN(20)) * time.Second)
			if rnd.IntN(8) == 0 {
				now = now.Add(modelTTL)
			}
			a.hub.rang()
			for _, c := range channels {
				c.expire(now)
			}
		case op == 9:
			checkRecall(t, a, c, p, now)
		default:
			step(rnd, a.hub.shards[rnd.IntN(3)])
		}
		checkHistoryBytes(t, &a.history)
	}
	endHistory(a, channels, now)
	for range 2 {
		now = now.Add(modelTTL)
		a.hub.rang()
	}
	if stats := a.history.stats(); stats.Channels != 0 || stats.Bytes != 0 {
		t.Fatalf("left over: %+v", stats)
	}
}

// endHistory delivers all there is, and lets everybody leave who has seen it.
func endHistory(a *app, channels []*chronicle, now time.Time) {
	for _, s := range a.hub.shards {
		for s.pending.Load() > 0 {
			s.run()
		}
	}
	for _, c := range channels {
		for p := range c.present {
			p.leave(c, now, true)
		}
	}
}

// checkRecall compares what a backend is told with the model.
func checkRecall(t *testing.T, a *app, c *chronicle, p *away, now time.Time) {
	t.Helper()
	b := p.at[c]
	got, err := a.hub.History("1", c.name, b.id, MaxRecall)
	if err != nil {
		t.Fatal(err)
	}
	complete, want := true, c.events[len(c.events)-c.kept(now):]
	if !c.known {
		want = nil
	}
	if b.id != "" {
		var names []string
		if names, complete = c.missed(b, now); !complete || len(names) < len(want) {
			want = want[len(want)-len(names):]
		}
	}
	if got.Complete != complete || len(got.Events) != len(want) {
		t.Fatalf("%s since %+v: %d events, complete %v; want %d, %v", c.name, b, len(got.Events), got.Complete, len(want), complete)
	}
	for i, text := range got.Events {
		if !strings.Contains(string(text), want[i].name) {
			t.Fatalf("%s since %+v: %s, want %s", c.name, b, text, want[i].name)
		}
	}
}

// checkHistoryBytes counts anew what is kept, and looks at the order of expiry.
func checkHistoryBytes(t *testing.T, h *histories) {
	t.Helper()
	bytes := 0
	for _, rings := range []byExpiry{h.full, h.blank} {
		for i, r := range rings {
			own := 0
			for _, k := range r.events.all() {
				own += k.size()
			}
			if own != r.bytes || r.place != i || r.full != (own > 0) || h.byName[r.name] != r || r.last-r.gone != uint64(r.events.len()) {
				t.Fatalf("%s: %d bytes, counted %d; place %d of %d, full %v; events %d to %d are %d",
					r.name, own, r.bytes, r.place, i, r.full, r.gone, r.last, r.events.len())
			}
			if i > 0 && r.expires.Before(rings[(i-1)/2].expires) {
				t.Fatalf("%s expires before one that is to go first", r.name)
			}
			bytes += own + ringOverhead
		}
	}
	if bytes != h.bytes || len(h.byName) != len(h.full)+len(h.blank) {
		t.Fatalf("%d bytes, counted %d; %d names of %d and %d channels", bytes, h.bytes, len(h.byName), len(h.full), len(h.blank))
	}
}
