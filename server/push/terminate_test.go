package push

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// Users sign in on several tabs and loops, enter a room and leave it, and are
// terminated at any moment by several callers at once. Every tab is told 4009, however
// far it had got, and nothing of it stays: no member, no subscription, no watched user.
func TestTerminateInParallel(t *testing.T) {
	const room, users, tabs, rounds = "presence-room", 3, 4, 8
	h, addr := start(t, Config{Apps: []App{testApp}})
	done := make(chan struct{})
	var callers, clients sync.WaitGroup
	for range 2 {
		callers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				case <-time.After(time.Duration(n%5) * time.Millisecond):
				}
				if _, err := h.Terminate(testApp.ID, fmt.Sprint("u", n%users)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for tab := range tabs {
		clients.Go(func() {
			for n := range rounds {
				c, id := pushtest.Connect(t, addr, "key")
				user := fmt.Sprint("u", (tab+n)%users)
				c.SignIn("key", "secret", id, fmt.Sprintf(`{"id":%q,"watchlist":["u0","u1","u2"]}`, user))
				c.SubscribeAs("key", "secret", id, room, fmt.Sprintf(`{"user_id":%q}`, user))
				c.Event("pusher:unsubscribe", map[string]string{"channel": room})
				c.SubscribeAs("key", "secret", id, room, fmt.Sprintf(`{"user_id":%q}`, user))
				for c.IsMessage() {
				}
				c.ExpectClose(4009)
				c.Drop()
			}
		})
	}
	clients.Wait()
	close(done)
	callers.Wait()
	a := h.apps.Load().byID[testApp.ID]
	eventually(t, "nothing is left", func() bool {
		a.users.mu.Lock()
		defer a.users.mu.Unlock()
		stats := h.Stats()
		return len(a.users.byID) == 0 && stats.Connections == 0 && stats.Channels == 0 && stats.Subscriptions == 0 && stats.Pending == 0
	})
}

// Whoever is terminated between the id of an event and the event gets both: a
// stream that comes back with an id has had what the id stands for. HTML, 9.2.6.
func TestTerminateSplitsNoEvent(t *testing.T) {
	app := testApp
	app.History = []HistoryRule{{Pattern: "h*"}}
	h, addr := start(t, Config{Apps: []App{app}})
	token := strings.TrimPrefix(signToken(t, app, claims(map[string]any{"sub": "5"})), "jwt:")
	l := tune(t, addr, "channels=h1,h2", "Authorization: Bearer "+token)
	subscribers(t, h, "h2", 1)
	terminated := make(chan int)
	for _, sh := range h.shards {
		set := make(chan struct{})
		sh.post(sh.loop, func() {
			sh.send = func(c *server.Conn, p *server.Prepared) error {
				go func() { // as a caller of the API does
					n, _ := h.Terminate(app.ID, "5")
					terminated <- n
				}()
				if n := <-terminated; n != 1 {
					t.Errorf("%d connections were terminated", n)
				}
				return c.SendPrepared(p)
			}
			close(set)
		})
		<-set
	}
	publish(t, h, "h1", "e", "x")
	l.expect(`{"event":"e","channel":"h1","data":"x"}`)
	l.expect(`{"event":"pusher:error","data":{"code":4009,"message":"Connection terminated by the application"}}`)
	l.rest()
}

// Posting wakes a loop, which is a system call: no lock of the directory is held
// for it, or all who come and go on other channels would wait for it, too.
func TestEndingStreamsHoldsNoLock(t *testing.T) {
	a, _ := stage(t, 2)
	a.hub.server = &server.Server{}
	for _, sh := range a.hub.shards {
		for i := range 10 {
			s := &session{app: a, conn: &server.Conn{}}
			s.conn.SetValue(s)
			if _, no := s.join(sh, fmt.Sprint("c", i), nil, catchUp{}); no != nil {
				t.Fatal(no)
			}
		}
	}
	posted := 0
	for _, sh := range a.hub.shards {
		sh.post = func(int, func()) error {
			posted++
			for i := range a.directory.stripes {
				if mu := &a.directory.stripes[i].mu; mu.TryLock() {
					mu.Unlock()
				} else {
					t.Errorf("stripe %d is locked while a task is posted", i)
				}
			}
			return nil
		}
	}
	gone := testApp
	gone.Disabled = true
	if err := a.hub.SetApps([]App{gone}); err != nil {
		t.Fatal(err)
	}
	if posted != 20 {
		t.Errorf("%d tasks for 20 rosters", posted)
	}
}
