package push

import (
	"math/rand/v2"
	"testing"

	"github.com/roost-ws/roost/server"
)

// Rows B2, B4, B7: whoever is subscribed when an event's turn comes gets it exactly
// once unless it leaves, nobody else gets it, in whatever order others come and
// go meanwhile. The model is a set of who is owed the event.
func TestRosterServesEverySubscriberOnce(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := &roster{channel: &channel{name: "c"}}
		f := &fanout{roster: r}
		r.fanout = f
		owed := map[*server.Conn]bool{}
		for range 2000 {
			switch op := rnd.IntN(10); {
			case op < 3:
				join(r)
			case op < 5 && len(r.subs) > 0:
				i := rnd.IntN(len(r.subs))
				delete(owed, r.subs[i].conn)
				r.remove(i)
			case f.queue.len() == 0:
				f.queue.push(&message{excludeLoop: -1})
				f.begin()
				for _, sub := range r.subs {
					owed[sub.conn] = true
				}
			default:
				sub, _, over := f.next()
				if over {
					if len(owed) != 0 {
						t.Fatalf("seed %d: %d subscribers did not get the event", seed, len(owed))
					}
					f.queue.pop()
					break
				}
				if !owed[sub.conn] {
					t.Fatalf("seed %d: a subscriber got an event twice, or one it should not have", seed)
				}
				delete(owed, sub.conn)
			}
			checkIndexes(t, r)
		}
	}
}

// A session and a roster must agree where they stand in each other's lists.
func checkIndexes(t *testing.T, r *roster) {
	t.Helper()
	for i, sub := range r.subs {
		back := sessionOf(sub.conn).subs[sub.at]
		if back.roster != r || int(back.at) != i {
			t.Fatalf("subscriber %d: its session says %d", i, back.at)
		}
	}
}

// join subscribes a connection of its own to r.
func join(r *roster) *server.Conn {
	c := &server.Conn{}
	s := &session{conn: c}
	c.SetValue(s)
	s.subs = append(s.subs, subscription{roster: r, at: r.add(c, 0, formStock)})
	return c
}

// Sessions come and go and change their minds; the directory, the rosters and
// the sessions always agree, and nothing is left when all have gone.
func TestSubscriptionsStayConsistent(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		a, _ := stage(t, 1)
		sh := a.hub.shards[0]
		var sessions []*session
		for range 20 {
			s := &session{app: a, conn: &server.Conn{}}
			s.conn.SetValue(s)
			sessions = append(sessions, s)
		}
		check := func() {
			total := 0
			for _, s := range sessions {
				total += len(s.subs)
				for i, sub := range s.subs {
					if back := sub.roster.subs[sub.at]; back.conn != s.conn || int(back.at) != i {
						t.Fatalf("seed %d: subscription %d is not where its roster thinks", seed, i)
					}
				}
			}
			if sh.subscriptions.Load() != int64(total) {
				t.Fatalf("seed %d: %d subscriptions counted, %d there", seed, sh.subscriptions.Load(), total)
			}
		}
		for range 2000 {
			s, name := sessions[rnd.IntN(len(sessions))], names[rnd.IntN(len(names))]
			if i := s.index(name); i >= 0 {
				s.leave(sh, i)
			} else {
				s.join(sh, name, nil, catchUp{})
			}
			check()
		}
		for _, s := range sessions {
			for len(s.subs) > 0 {
				s.leave(sh, rnd.IntN(len(s.subs)))
				check()
			}
		}
		if a.directory.size() != 0 {
			t.Fatalf("seed %d: %d channels are left", seed, a.directory.size())
		}
	}
}

// Memory goes back when a crowd has left.
func TestRosterShrinks(t *testing.T) {
	r := &roster{channel: &channel{name: "c"}}
	for range 10_000 {
		join(r)
	}
	for len(r.subs) > 10 {
		r.remove(len(r.subs) / 2)
		checkIndex(t, r, len(r.subs)/2)
	}
	checkIndexes(t, r)
	if cap(r.subs) > shrinkAt {
		t.Errorf("10 subscribers hold room for %d", cap(r.subs))
	}
}

func checkIndex(t *testing.T, r *roster, i int) {
	t.Helper()
	if sub := r.subs[i]; int(sessionOf(sub.conn).subs[sub.at].at) != i {
		t.Fatalf("subscriber %d is not where its session thinks", i)
	}
}

func TestFifoKeepsOrderAndReusesMemory(t *testing.T) {
	var q fifo[int]
	next, want := 0, 0
	for round := range 1000 {
		for range round%7 + 1 {
			q.push(next)
			next++
		}
		for q.len() > round%5 {
			if got := q.pop(); got != want {
				t.Fatalf("got %d, want %d", got, want)
			}
			want++
		}
	}
	if cap(q.items) > 64 {
		t.Errorf("at most 11 waited, but there is room for %d", cap(q.items))
	}
	if n := testing.AllocsPerRun(100, func() { q.push(1); q.push(2); q.pop(); q.pop() }); n != 0 {
		t.Errorf("%v allocations in a warm queue", n)
	}
}
