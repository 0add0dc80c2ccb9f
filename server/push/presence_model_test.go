package push

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/roost-ws/roost/server"
)

// world is a presence channel in the plainest words: who is there, how often,
// and everything that was ever said on it, in order.
type world struct {
	name  string
	users map[string]int // connections of each
	log   []string       // frames
	last  string         // the last event, for a cache channel
}

func (w *world) say(event, data string) {
	w.log = append(w.log, fmt.Sprintf(`{"event":"%s","channel":"%s","data":"%s"}`, event, w.name, data))
}

func (w *world) enter(user string) {
	w.users[user]++
	if w.users[user] == 1 {
		w.say("pusher_internal:member_added", fmt.Sprintf(`{\"user_id\":\"%s\",\"user_info\":{\"n\":\"%s\"}}`, user, user))
	}
}

func (w *world) leave(user string) {
	w.users[user]--
	if w.users[user] == 0 {
		delete(w.users, user)
		w.say("pusher_internal:member_removed", fmt.Sprintf(`{\"user_id\":\"%s\"}`, user))
	}
}

// tab is one connection of a user and what it has to see.
type tab struct {
	t       *testing.T
	session *session
	shard   *shard
	user    string
	sent    map[*server.Conn][]*server.Prepared
	from    map[*world]int // length of the log when it joined
	seen    map[*world]int // frames it had been sent by then
}

// frames is what the tab was sent on w since it joined.
func (b *tab) frames(w *world) (got []string) {
	for _, p := range b.sent[b.session.conn][b.seen[w]:] {
		if text := textOf(p); strings.Contains(text, `"channel":"`+w.name+`"`) {
			got = append(got, text)
		}
	}
	return got
}

func textOf(p *server.Prepared) string {
	frame := string(reflect.ValueOf(p).Elem().Field(0).Bytes())
	return frame[strings.IndexByte(frame, '{'):]
}

// join subscribes the tab, and compares what it starts from with the world.
func (b *tab) join(w *world) {
	b.t.Helper()
	info := raw(b.t, fmt.Sprintf(`{"n":"%s"}`, b.user))
	j, no := b.session.join(b.shard, w.name, &identity{id: b.user, info: info}, catchUp{})
	if no != nil {
		b.t.Fatalf("refused: %+v", no)
	}
	w.enter(b.user)
	b.from[w], b.seen[w] = len(w.log), len(b.sent[b.session.conn])
	var ids []string
	for _, m := range j.members {
		ids = append(ids, m.id)
	}
	slices.Sort(ids)
	if want := slices.Sorted(maps.Keys(w.users)); !slices.Equal(ids, want) || j.count != len(want) {
		b.t.Fatalf("%s was told of members %v (%d), there are %v", b.user, ids, j.count, want)
	}
	last := ""
	if j.cached != nil {
		last = string(j.cached.frame)
	}
	if last != w.last {
		b.t.Fatalf("%s was told of the last event %s, it is %s", b.user, last, w.last)
	}
}

// leave ends the subscription and checks that what came was what was said, up to
// where delivery had got.
func (b *tab) leave(w *world) {
	b.t.Helper()
	b.session.leave(b.shard, b.session.index(w.name))
	b.check(w, false)
	w.leave(b.user)
	delete(b.from, w)
}

func (b *tab) check(w *world, whole bool) {
	b.t.Helper()
	got, want := b.frames(w), w.log[b.from[w]:]
	if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) || whole && len(got) != len(want) {
		b.t.Fatalf("%s on %s:\ngot  %s\nwant %s", b.user, w.name, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
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

// Rows B2, B7, B8 and 1.7: tabs of a few users come, go and come back on several
// loops while events are published, with delivery at every stage. Everybody's list
// of members is exact when they join, and from then on they see every change and every
// event once and in order, and nothing from before. Nobody hears of themselves.
func TestPresenceAgainstModel(t *testing.T) {
	for seed := range uint64(150) {
		playPresence(t, rand.New(rand.NewPCG(seed, 3)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func playPresence(t *testing.T, rnd *rand.Rand) {
	a, sent := stage(t, 3)
	worlds := []*world{{name: "presence-a", users: map[string]int{}}, {name: "presence-cache-b", users: map[string]int{}}}
	var tabs []*tab
	open := func() *tab {
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		return &tab{t: t, session: s, shard: a.hub.shards[rnd.IntN(3)], user: fmt.Sprintf("u%d", rnd.IntN(4)), sent: sent, from: map[*world]int{}, seen: map[*world]int{}}
	}
	for range 8 {
		tabs = append(tabs, open())
	}
	for n := range 400 {
		w, i := worlds[rnd.IntN(2)], rnd.IntN(len(tabs))
		b := tabs[i]
		_, in := b.from[w]
		switch op := rnd.IntN(10); {
		case op < 3 && !in:
			b.join(w)
		case op < 2:
			b.leave(w)
		case op == 3: // the tab is closed and opened again, as somebody else even
			for w := range maps.Clone(b.from) {
				b.leave(w)
			}
			tabs[i] = open()
		case op == 4:
			if err := a.hub.Publish("1", Event{Channels: []string{w.name}, Name: Quote("e"), Data: Quote(fmt.Sprint(n))}); err != nil {
				t.Fatal(err)
			}
			w.say("e", fmt.Sprint(n))
			if kindOf(w.name).cache {
				w.last = w.log[len(w.log)-1]
			}
		default:
			step(rnd, a.hub.shards[rnd.IntN(3)])
		}
	}
	for _, s := range a.hub.shards {
		for s.pending.Load() > 0 {
			s.run()
		}
	}
	for _, b := range tabs {
		for w := range b.from {
			b.check(w, true)
		}
	}
	for _, b := range tabs {
		for w := range maps.Clone(b.from) {
			b.leave(w)
		}
	}
	if n := a.directory.size(); n != 0 {
		t.Fatalf("%d channels are left", n)
	}
	for _, s := range a.hub.shards {
		for s.pending.Load() > 0 {
			s.run()
		}
		if s.subscriptions.Load() != 0 {
			t.Fatalf("%d subscriptions are left", s.subscriptions.Load())
		}
	}
}

// What a subscriber starts from must not keep it from anything later, however
// many messages are pending, and is forgotten once these are through.
func TestLateSubscribersAreForgotten(t *testing.T) {
	a, sent := stage(t, 1)
	sh := a.hub.shards[0]
	var sessions []*session
	for i := range 10 {
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		if _, no := s.join(sh, "presence-a", &identity{id: fmt.Sprint(i)}, catchUp{}); no != nil {
			t.Fatal(no)
		}
		sessions = append(sessions, s)
	}
	r := sessions[0].subs[0].roster
	if r.late == nil {
		t.Fatal("nobody came late, so this tests nothing")
	}
	sh.run()
	if r.late != nil || r.pending.Load() != 0 {
		t.Errorf("late subscribers are remembered for ever: %v, %d pending", r.late, r.pending.Load())
	}
	for i, s := range sessions {
		if got := len(sent[s.conn]); got != 9-i {
			t.Errorf("subscriber %d heard of %d later ones, want %d", i, got, 9-i)
		}
	}
}
