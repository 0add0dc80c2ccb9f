package push

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
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
// the line locked, or unlocked twice, which ends the process.
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
			if recover() == nil {
				t.Error("nobody hears of the panic")
			}
		}()
		n.tell()
	}()
	n.tell()
	if !slices.Equal(told, []string{"a", "b"}) {
		t.Errorf("told of %q", told)
	}
}
