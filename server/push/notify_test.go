package push

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// record is a Notifier that remembers, in few words.
type record struct {
	mu      sync.Mutex
	notices []string
	inside  int
	clash   bool
}

func (r *record) Notify(n Notice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside++
	r.clash = r.clash || r.inside > 1
	r.mu.Unlock()
	time.Sleep(time.Microsecond) // gives a second caller the chance to be seen
	r.mu.Lock()
	r.inside--
	text := n.Name + " " + n.Channel
	for _, s := range []string{n.UserID, n.Event, n.Data, n.SocketID} {
		if s != "" {
			text += " " + s
		}
	}
	if n.Name == SubscriptionCount {
		text += fmt.Sprint(" ", n.Count)
	}
	if n.App != testApp.ID || n.At.IsZero() {
		text += " without app or time"
	}
	r.notices = append(r.notices, text)
}

// expect waits for the given notices, and no others, in their order.
func (r *record) expect(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d notices", len(want)), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.notices) >= len(want)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.notices, want) {
		t.Fatalf("got  %q\nwant %q", r.notices, want)
	}
	r.notices = nil
}

// Webhooks are made of what the Notifier hears: it must hear of everything once,
// one at a time, and for one channel in order, whichever loop it happened on.
func TestNoticesKeepTheirOrder(t *testing.T) {
	const rounds = 100
	r := &record{}
	n := notices{to: r, now: time.Now}
	var lock sync.Mutex // a channel's
	var wait sync.WaitGroup
	count := 0
	for range 4 {
		wait.Go(func() {
			for range rounds {
				lock.Lock()
				count++
				n.add(Notice{App: "1", Name: SubscriptionCount, Channel: "c", Count: count})
				lock.Unlock()
				n.tell()
			}
		})
	}
	wait.Wait()
	if r.clash || len(r.notices) != 4*rounds {
		t.Fatalf("%d notices, want %d; two at a time: %v", len(r.notices), 4*rounds, r.clash)
	}
	for i, got := range r.notices {
		if want := fmt.Sprintf("subscription_count c %d", i+1); got != want {
			t.Fatalf("notice %d is %q, want %q", i, got, want)
		}
	}
}

// notifierFunc is a Notifier that is a function.
type notifierFunc func(Notice)

func (f notifierFunc) Notify(n Notice) { f(n) }

// A Notifier that panics costs what called it, which recovers; it must not leave
// the line locked, or unlocked twice, which ends the process, nor anything in it.
func TestNotifierPanics(t *testing.T) {
	var told []string
	n := notices{now: time.Now, to: notifierFunc(func(notice Notice) {
		told = append(told, notice.Channel)
		if notice.Channel == "a" {
			panic("oops")
		}
	})}
	n.add(Notice{Channel: "a"})
	n.add(Notice{Channel: "b"})
	func() {
		defer func() {
			if p := fmt.Sprint(recover()); !strings.Contains(p, "oops") || !strings.Contains(p, "notify_test.go") {
				t.Errorf("recovered %q: want the panic, and where it was", p)
			}
		}()
		n.tell()
	}()
	if !slices.Equal(told, []string{"a", "b"}) {
		t.Errorf("told of %q", told)
	}
	n.add(Notice{Channel: "c"})
	if n.tell(); !slices.Equal(told, []string{"a", "b", "c"}) {
		t.Errorf("told of %q", told)
	}
}

// Row R5: a Notifier that panics, when a client comes or when it goes, ends that
// connection, and nothing of it stays.
func TestNothingIsLeftWhenANotifierPanics(t *testing.T) {
	for _, when := range []string{ChannelOccupied, MemberAdded, MemberRemoved, ChannelVacated} {
		t.Run(when, func(t *testing.T) {
			var panics atomic.Int32
			h, err := New(Config{Apps: []App{testApp}, Notifier: notifierFunc(func(n Notice) {
				if n.Name == when && strings.HasPrefix(n.Channel, "presence-") {
					panics.Add(1)
					panic("oops")
				}
			})})
			if err != nil {
				t.Fatal(err)
			}
			srv, err := h.NewServer(server.Config{Loops: 2, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			addr, err := srv.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer srv.Close()
			c, id := pushtest.Connect(t, addr, "key")
			c.SignIn("key", "secret", id, `{"id":"a","watchlist":["b"]}`)
			for _, channel := range []string{"one", "two", "three"} {
				c.Send(`{"event":"pusher:subscribe","data":{"channel":"` + channel + `"}}`)
			}
			for _, channel := range []string{"presence-1", "presence-2"} {
				c.SubscribeAs("key", "secret", id, channel, `{"user_id":"a"}`)
			}
			a := h.apps.Load().byID[testApp.ID]
			if when == MemberRemoved || when == ChannelVacated {
				eventually(t, "5 subscriptions", func() bool { return h.Stats().Subscriptions == 5 })
				c.Drop()
			}
			eventually(t, "the end of the connection", func() bool {
				st := h.Stats()
				a.users.mu.Lock()
				defer a.users.mu.Unlock()
				return panics.Load() > 0 && st.Connections+int64(st.Channels)+st.Subscriptions+st.VouchedBytes+h.further.taken.Load() == 0 &&
					a.connections.Load() == 0 && len(a.users.byID) == 0
			})
		})
	}
}
