package push

import (
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
		s := &shard{loop: loop, post: func(int, func()) error { return nil }}
		s.send = func(c *server.Conn, p *server.Prepared) error {
			sent[c] = append(sent[c], p)
			return nil
		}
		s.task = s.run
		h.shards = append(h.shards, s)
	}
	return h.apps.Load().byID[configs[0].ID], sent
}
