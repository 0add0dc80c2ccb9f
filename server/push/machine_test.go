package push

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
)

// move is one thing that happens; what a and b stand for depends on do. Any move
// can be made at any time, so that a list of them stays one when some are left out.
type move struct {
	do   string
	a, b int
}

func (m move) String() string { return fmt.Sprintf("{%q, %d, %d}", m.do, m.a, m.b) }

// moves and how likely they are, in a hundred.
var moves = []struct {
	do     string
	likely int
}{
	{"join", 26}, {"leave", 12}, {"again", 6}, {"close", 5}, {"publish", 13}, {"step", 22}, {"run", 4}, {"wait", 6}, {"ask", 3}, {"crowd", 3},
}

func randomMoves(rnd *rand.Rand, n int) (list []move) {
	for range n {
		at := rnd.IntN(100)
		for _, m := range moves {
			if at -= m.likely; at < 0 {
				list = append(list, move{m.do, rnd.IntN(1 << 16), rnd.IntN(1 << 16)})
				break
			}
		}
	}
	return list
}

// machineChannels are of all kinds: public, private, cache, presence with and
// without a list of members, and a user's own.
var machineChannels = []string{
	"public", "private-a", "cache-c", "presence-a", "presence-cache-b", "presence-count-big", "#server-to-user-u1", "private-encrypted-cache-x",
}

const (
	machineLoops   = 3
	machineTabs    = 9 // those that single moves are about
	machineUsers   = 5
	machineMembers = 3 // of one presence channel
	machineCrowd   = countAtOnce + 1
	machineTTL     = 3 * time.Second // of cached events; less than missEvery
)

// machine is a hub beside the model of it.
type machine struct {
	app   *app
	sent  map[*server.Conn][]*server.Prepared
	model *plain
	told  map[string][]string // notices by channel
	tabs  []*machineTab
	crowd bool // is there
	n     int  // events so far
}

type machineTab struct {
	id      int
	session *session
	shard   *shard
	user    string
	from    map[string]int // in the channel's log, while subscribed
	seen    map[string]int // frames it had been sent by then
}

// Notify implements Notifier.
func (m *machine) Notify(n Notice) {
	words := []any{n.Name, n.Channel}
	if n.UserID != "" {
		words = append(words, n.UserID)
	}
	if n.Name == SubscriptionCount {
		words = append(words, n.Count)
	}
	m.told[n.Channel] = append(m.told[n.Channel], strings.TrimSpace(fmt.Sprintln(words...)))
}

// play makes the moves and says where hub and model differ first.
func play(t testing.TB, list []move) (wrong string) {
	config := testApp
	config.SubscriptionCount, config.CountOnly, config.CacheTTL = true, []string{"presence-count-"}, machineTTL
	config.Limits.PresenceMembers = machineMembers
	m := &machine{model: &plain{now: time.Unix(1_700_000_000, 0), channels: map[string]*plainChannel{}}, told: map[string][]string{}}
	m.app, m.sent = stage(t, machineLoops, config)
	m.app.hub.notices.to = m
	m.app.hub.now = func() time.Time { return m.model.now }
	for i := range machineTabs + machineCrowd {
		m.tabs = append(m.tabs, m.open(i))
	}
	defer func() {
		if p := recover(); p != nil {
			wrong = fmt.Sprintf("panic: %v", p)
		}
	}()
	for i, move := range list {
		if wrong := m.make(move); wrong != "" {
			return fmt.Sprintf("move %d, %v: %s", i, move, wrong)
		}
	}
	return m.end()
}

func (m *machine) open(i int) *machineTab {
	s := &session{app: m.app, conn: &server.Conn{}}
	s.conn.SetValue(s)
	return &machineTab{
		id: i, session: s, shard: m.app.hub.shards[i%machineLoops], user: fmt.Sprintf("u%d", i%machineUsers),
		from: map[string]int{}, seen: map[string]int{},
	}
}

func (m *machine) make(move move) (wrong string) {
	tab := m.tabs[move.a%machineTabs]
	c := m.model.channel(machineChannels[move.b%len(machineChannels)])
	_, in := tab.from[c.name]
	switch move.do {
	case "join":
		if !in {
			return m.join(tab, c)
		}
	case "leave":
		if in {
			return m.leave(tab, c)
		}
	case "again": // unsubscribe and subscribe in one breath
		if in {
			if wrong := m.leave(tab, c); wrong != "" {
				return wrong
			}
			return m.join(tab, c)
		}
	case "close": // and open again, on another loop and as somebody else
		return m.replace(tab, move.b)
	case "publish":
		m.n++
		err := m.app.hub.Publish("1", Event{Channels: []string{c.name}, Name: Quote("e"), Data: Quote(fmt.Sprint(m.n))})
		m.model.publish(c, fmt.Sprint(m.n), machineTTL)
		if err != nil {
			return err.Error()
		}
	case "step":
		step(rand.New(rand.NewPCG(uint64(move.b), 0)), m.app.hub.shards[move.a%machineLoops])
	case "run":
		m.app.hub.shards[move.a%machineLoops].run()
	case "wait":
		m.model.now = m.model.now.Add([]time.Duration{time.Second, countEvery, missEvery, time.Minute}[move.a%4])
		m.model.ring()
		m.app.hub.tellDueCounts()
	case "ask":
		return m.ask(c)
	case "crowd": // so many come, or go, that their number is no longer told at once
		return m.crowdOn(m.model.channel([]string{"public", "presence-count-big"}[move.b%2]))
	}
	return ""
}

func (m *machine) join(tab *machineTab, c *plainChannel) string {
	want := m.model.join(c, tab.id, tab.user, machineMembers)
	var who *identity
	if c.presence() {
		who = &identity{id: tab.user, info: Quote("about " + tab.user)}
	}
	j, no := tab.session.join(tab.shard, c.name, who, catchUp{})
	m.app.hub.notices.tell()
	if no != nil || want.refused {
		if (no != nil) != want.refused {
			return fmt.Sprintf("refused %v, want %v", no != nil, want.refused)
		}
		return ""
	}
	tab.from[c.name], tab.seen[c.name] = want.from, len(m.sent[tab.session.conn])
	var ids []string
	for _, member := range j.members {
		ids = append(ids, member.id)
	}
	slices.Sort(ids)
	cached := ""
	if j.cached != nil {
		cached = string(j.cached.frame)
	}
	if !slices.Equal(ids, want.members) || j.count != want.count || cached != want.cached {
		return fmt.Sprintf("tab %d starts from members %v, %d of them, and %q; want %v, %d, %q", tab.id, ids, j.count, cached, want.members, want.count, want.cached)
	}
	return ""
}

func (m *machine) leave(tab *machineTab, c *plainChannel) string {
	tab.session.leave(tab.shard, tab.session.index(c.name))
	m.app.hub.notices.tell()
	m.model.leave(c, tab.id)
	// What the leaving itself made the others hear is not for the one who left.
	wrong := m.compare(tab, c, false)
	delete(tab.from, c.name)
	return wrong
}

// step lets a loop do as little as it can.
func step(rnd *rand.Rand, s *shard) {
	if rnd.IntN(2) == 0 {
		s.collect()
	}
	if s.active.len() == 0 {
		return
	}
	f := s.active.pop()
	s.serve(f, 1)
	if f.queue.len() > 0 {
		s.active.push(f)
	} else {
		s.release(f)
	}
}

// replace closes a tab as the hub does when a connection ends.
func (m *machine) replace(tab *machineTab, salt int) string {
	for len(tab.session.subs) > 0 {
		last := tab.session.subs[len(tab.session.subs)-1].roster.channel.name
		if wrong := m.leave(tab, m.model.channel(last)); wrong != "" {
			return wrong
		}
	}
	*tab = *m.open(tab.id)
	tab.shard = m.app.hub.shards[salt%machineLoops]
	tab.user = fmt.Sprintf("u%d", salt/machineLoops%machineUsers)
	return ""
}

func (m *machine) crowdOn(c *plainChannel) (wrong string) {
	m.crowd = !m.crowd
	for _, tab := range m.tabs[machineTabs:] {
		if wrong != "" {
			break
		}
		if m.crowd {
			wrong = m.join(tab, c)
		} else {
			wrong = m.replace(tab, tab.id*7)
		}
	}
	return wrong
}

// compare looks at what a tab was sent on a channel since it joined: what was
// said, in order, as far as delivery has got, or all of it if whole.
func (m *machine) compare(tab *machineTab, c *plainChannel, whole bool) string {
	var got []string
	for _, p := range m.sent[tab.session.conn][tab.seen[c.name]:] {
		if text := textOf(p); strings.Contains(text, `"channel":"`+c.name+`"`) {
			got = append(got, text)
		}
	}
	want := c.log[tab.from[c.name]:]
	if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) || whole && len(got) != len(want) {
		return fmt.Sprintf("tab %d on %s (whole: %v)\ngot  %s\nwant %s", tab.id, c.name, whole, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	return ""
}

func textOf(p *server.Prepared) string {
	frame := string(reflect.ValueOf(p).Elem().Field(0).Bytes())
	return frame[strings.Index(frame, `{"`):] // the header may hold a brace, too
}

// ask compares what the HTTP API would say, and what the customer was told.
func (m *machine) ask(c *plainChannel) string {
	info, err := m.app.hub.Channel("1", c.name)
	users := 0
	if c.presence() {
		users = len(c.users())
	}
	if err != nil || info.Subscriptions != len(c.tabs) || info.Users != users {
		return fmt.Sprintf("%s has %d subscriptions of %d users (%v), want %d of %d", c.name, info.Subscriptions, info.Users, err, len(c.tabs), users)
	}
	if c.presence() {
		if ids, err := m.app.hub.Users("1", c.name); err != nil || !slices.Equal(ids, c.users()) {
			return fmt.Sprintf("users of %s: %v (%v), want %v", c.name, ids, err, c.users())
		}
	}
	if cached := info.Cached != nil; c.cache() && cached != (m.model.last(c) != "") {
		return fmt.Sprintf("%s has an event cached: %v", c.name, cached)
	}
	if !slices.Equal(m.told[c.name], c.notices) {
		return fmt.Sprintf("notices of %s\ngot  %q\nwant %q", c.name, m.told[c.name], c.notices)
	}
	return ""
}

// end lets all loops finish: everybody must have everything, and when all have
// left nothing remains.
func (m *machine) end() string {
	m.drain()
	for _, tab := range m.tabs {
		for name := range tab.from {
			if wrong := m.compare(tab, m.model.channel(name), true); wrong != "" {
				return wrong
			}
		}
	}
	for _, tab := range m.tabs {
		if wrong := m.replace(tab, 0); wrong != "" {
			return wrong
		}
	}
	for _, name := range machineChannels {
		if wrong := m.ask(m.model.channel(name)); wrong != "" {
			return wrong
		}
	}
	m.drain()
	if n := m.app.directory.size(); n != 0 {
		return fmt.Sprintf("%d channels are left", n)
	}
	for _, s := range m.app.hub.shards {
		if s.subscriptions.Load() != 0 || s.pending.Load() != 0 || s.active.len() != 0 {
			return fmt.Sprintf("loop %d has %d subscriptions, %d events pending, %d rosters served", s.loop, s.subscriptions.Load(), s.pending.Load(), s.active.len())
		}
	}
	return ""
}

func (m *machine) drain() {
	for _, s := range m.app.hub.shards {
		for s.pending.Load() > 0 {
			s.run()
		}
	}
}

// shrink leaves moves out, many at first and then single ones, as long as it
// still goes wrong.
func shrink(list []move, wrong func([]move) bool) []move {
	for size := len(list) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(list); {
			if shorter := slices.Delete(slices.Clone(list), at, at+size); wrong(shorter) {
				list = shorter
			} else {
				at += size
			}
		}
	}
	return list
}

// Rows B2, B4, B7, B8 and 1.6, 1.7, 1.10 of the protocol: tabs of a few users subscribe, unsubscribe,
// do both in one breath, are closed and come back as others, on several loops and
// channels of every kind, while events are published and delivery stands at every
// stage. Compared with a model that knows no loops: what everybody starts from, every frame
// they get after that, what the API answers, what the customer is told, and that nothing is left.
// ROOST_SEED=n plays one seed, ROOST_SEEDS=n that many.
func TestMachineAgainstModel(t *testing.T) {
	number := func(name string, otherwise uint64) uint64 {
		if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
			return n
		}
		return otherwise
	}
	first, seeds := number("ROOST_SEED", 0), number("ROOST_SEEDS", 60)
	if os.Getenv("ROOST_SEED") != "" {
		seeds = 1
	}
	for seed := first; seed < first+seeds; seed++ {
		list := randomMoves(rand.New(rand.NewPCG(seed, 9)), 400)
		if play(t, list) == "" {
			continue
		}
		short := shrink(list, func(list []move) bool { return play(t, list) != "" })
		t.Fatalf("ROOST_SEED=%d, of which these %d moves are enough:\n%v\n%.2000s", seed, len(short), short, play(t, short))
	}
}

// What shrink leaves is as short as leaving out single moves can make it.
func TestShrink(t *testing.T) {
	list := randomMoves(rand.New(rand.NewPCG(1, 1)), 300)
	needed := []move{list[17], list[100], list[299]}
	got := shrink(list, func(list []move) bool {
		for _, m := range needed {
			if !slices.Contains(list, m) {
				return false
			}
		}
		return true
	})
	if !slices.Equal(got, needed) {
		t.Errorf("shrunk to %v, want %v", got, needed)
	}
}
