package push

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

var counting = App{ID: "1", Key: "key", Secret: "secret", SubscriptionCount: true}

// 1.10: all subscribers hear of every change, the one who comes too.
func TestSubscriptionCount(t *testing.T) {
	r := &record{}
	_, addr := start(t, Config{Apps: []App{counting}, Notifier: r})
	count := func(n int) string {
		return fmt.Sprintf(`{"event":"pusher_internal:subscription_count","channel":"news","data":"{\"subscription_count\":%d}"}`, n)
	}
	a, _ := pushtest.Connect(t, addr, "key")
	a.Subscribe("news")
	a.Expect(count(1))
	b, _ := pushtest.Connect(t, addr, "key")
	b.Subscribe("news")
	a.Expect(count(2))
	b.Expect(count(2))
	b.Send(`{"event":"pusher:unsubscribe","data":{"channel":"news"}}`)
	a.Expect(count(1))
	b.Ping()
	r.expect(t, "channel_occupied news", "subscription_count news 1", "subscription_count news 2", "subscription_count news 1")
	joinPresence(t, addr, "presence-x", `{"user_id":"a"}`)
	a.Drop()
	r.expect(t, "channel_occupied presence-x", "member_added presence-x a", "channel_vacated news")
}

// 1.10: a crowd of up to a hundred hears of each change at once; a larger one every
// five seconds, and of the last change in any case.
func TestSubscriptionCountOfACrowd(t *testing.T) {
	a, sent := stage(t, 1, counting)
	now := time.Unix(1_700_000_000, 0)
	a.hub.now = func() time.Time { return now }
	sh := a.hub.shards[0]
	var sessions []*session
	join := func() {
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		if _, no := s.join(sh, "news", nil, catchUp{}); no != nil {
			t.Fatal(no)
		}
		sessions = append(sessions, s)
	}
	told := func() (n int) { // what the first subscriber heard since the last call, and how often
		for sh.pending.Load() > 0 {
			sh.run()
		}
		n = len(sent[sessions[0].conn])
		sent[sessions[0].conn] = nil
		return n
	}
	for range 100 {
		join()
	}
	if n := told(); n != 100 {
		t.Fatalf("told %d times about 100 subscribers", n)
	}
	for range 50 {
		join()
	}
	if n := told(); n != 0 {
		t.Fatalf("told %d times of 50 more within five seconds", n)
	}
	now = now.Add(countEvery - 1)
	a.hub.rang()
	if n := told(); n != 0 {
		t.Fatal("told too early")
	}
	now = now.Add(1)
	a.hub.rang()
	if n := told(); n != 1 {
		t.Fatalf("told %d times after five seconds", n)
	}
	a.hub.rang()
	now = now.Add(time.Hour)
	a.hub.rang()
	if n := told(); n != 0 {
		t.Fatalf("told %d times though nothing changed", n)
	}
	join()
	if n := told(); n != 1 {
		t.Fatalf("told %d times of the first change in an hour", n)
	}
	for range 3 { // again and again
		join()
		now = now.Add(countEvery)
		a.hub.rang()
		if n := told(); n != 1 {
			t.Fatalf("told %d times of a change that had to wait", n)
		}
	}
	join()
	for len(sessions) > 1 {
		last := sessions[len(sessions)-1]
		sessions = sessions[:len(sessions)-1]
		last.leave(sh, 0)
	}
	if n := told(); n != 100 { // for 100, 99, ... 1
		t.Fatalf("told %d times while the crowd went", n)
	}
	now = now.Add(countEvery)
	a.hub.rang()
	if n := told(); n != 0 {
		t.Fatalf("told %d times of what was told before", n)
	}
}

// Row M3: a crowd does not wait for as long as the clock was set back by.
func TestSubscriptionCountWithAnotherClock(t *testing.T) {
	a, sent := stage(t, 1, counting)
	clock := newTestClock(a.hub)
	sh := a.hub.shards[0]
	first := &server.Conn{}
	for i := range countAtOnce + 10 {
		s := &session{app: a, conn: first}
		if i > 0 {
			s.conn = &server.Conn{}
		}
		s.conn.SetValue(s)
		if _, no := s.join(sh, "news", nil, catchUp{}); no != nil {
			t.Fatal(no)
		}
	}
	for sh.run(); sh.pending.Load() > 0; {
		sh.run()
	}
	before := len(sent[first])
	clock.advance(-time.Hour)
	for sh.run(); sh.pending.Load() > 0; {
		sh.run()
	}
	if n := len(sent[first]) - before; n != 1 {
		t.Errorf("told %d times when the clock was set back", n)
	}
}

// 1.10, row R10: who comes and goes without end is no news each time. What the last
// change left is told in any case.
func TestSubscriptionCountOfOneWhoFlaps(t *testing.T) {
	a, sent := stage(t, 1, counting)
	now := time.Unix(1_700_000_000, 0)
	a.hub.now = func() time.Time { return now }
	sh := a.hub.shards[0]
	open := func() *session {
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		return s
	}
	listener, flapping := open(), open()
	join := func(s *session) {
		if _, no := s.join(sh, "news", nil, catchUp{}); no != nil {
			t.Fatal(no)
		}
	}
	told := func() (n int, last string) {
		for sh.pending.Load() > 0 {
			sh.run()
		}
		all := sent[listener.conn]
		sent[listener.conn] = nil
		if len(all) > 0 {
			last = string(all[len(all)-1].Payload())
		}
		return len(all), last
	}
	join(listener)
	flap := func() {
		for range 1000 {
			join(flapping)
			flapping.leave(sh, 0)
		}
	}
	flap()
	if n, _ := told(); n != countAtOnce {
		t.Errorf("told %d times of 2,000 changes at once, want %d", n, countAtOnce)
	}
	now = now.Add(time.Second)
	flap()
	if n, _ := told(); n != countRate {
		t.Errorf("told %d times a second later, want %d", n, countRate)
	}
	join(flapping)
	now = now.Add(countEvery - 1)
	a.hub.rang()
	if n, _ := told(); n != 0 {
		t.Errorf("told %d times too early", n)
	}
	now = now.Add(1)
	a.hub.rang()
	if n, last := told(); n != 1 || !strings.Contains(last, `\"subscription_count\":2`) {
		t.Errorf("told %d times, %s; want the number that it came to, once", n, last)
	}
}
