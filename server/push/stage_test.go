package push

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
)

// stage is a hub whose loops run when the test says so, on connections that are
// none: what they are sent goes into the function's list for each.
func stage(t testing.TB, loops int, configs ...App) (*app, map[*server.Conn][]*server.Prepared) {
	t.Helper()
	if configs == nil {
		configs = []App{testApp}
	}
	h, err := New(Config{Apps: configs})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	h.now = func() time.Time { return now }
	h.alarm.asked.Store(true) // it rings when the test calls rang
	sent := make(map[*server.Conn][]*server.Prepared)
	for loop := range loops {
		s := &shard{loop: loop, post: func(int, func()) error { return nil }, outbound: outboundBytes, turn: turnSends, budget: runSends}
		s.send = func(c *server.Conn, p *server.Prepared) error {
			sent[c] = append(sent[c], p)
			return nil
		}
		s.task = s.run
		h.shards = append(h.shards, s)
	}
	return h.apps.Load().byID[configs[0].ID], sent
}

// testClock is a hub's clock that the test turns.
type testClock struct {
	hub *Hub
	now atomic.Int64
}

func newTestClock(h *Hub) *testClock {
	c := &testClock{hub: h}
	c.now.Store(time.Unix(1_700_000_000, 0).UnixNano())
	h.now = func() time.Time { return time.Unix(0, c.now.Load()) }
	h.alarm.asked.Store(true) // it rings when the test says so
	return c
}

// advance turns the clock, and rings if anybody waits for that.
func (c *testClock) advance(d time.Duration) {
	c.now.Add(int64(d))
	c.hub.rang()
}
