package webhook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// Every limit is finite by default. Changing one is a decision; this is where
// it shows.
func TestDefaults(t *testing.T) {
	c, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	want := Limits{
		NoticeBytes: 128 << 10, InboxBytes: 8 << 20, HeldBytes: 16 << 20, EndpointsPerApp: 32, BatchEvents: 20, BatchBytes: 256 << 10,
		InFlight: 8, Attempts: 50, EndpointDeliveries: 10_000, PendingBytes: 64 << 20, DeadLetters: 10_000, DeadBytes: 16 << 20,
	}
	if c.Limits != want {
		t.Errorf("limits: %+v", c.Limits)
	}
	if c.HoldBack != 3*time.Second || c.BatchWindow != 250*time.Millisecond || c.AttemptTimeout != 4*time.Second || c.RetryMin != time.Second ||
		c.RetryMax != 5*time.Minute || c.RetryAge != 24*time.Hour || c.StoreWait != 5*time.Second {
		t.Errorf("times: %+v", c)
	}
}

func TestNoticeBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := newSender(t, r, Config{})
		defer closeNow(t, s)
		n := push.Notice{App: appID, Name: push.ClientEvent, Channel: "a"}
		n.Data = strings.Repeat("x", 128<<10-noticeSize(&n))
		s.Notify(n)
		n.Data += "x"
		s.Notify(n)
		synctest.Wait()
		if st := s.Stats(); st.Delivered != 1 || st.Dropped != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Limits.InboxBytes: Notify does not wait for room.
func TestInboxBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		n := occupied("a")
		s := newSender(t, r, Config{Limits: Limits{InboxBytes: 10 * noticeSize(&n)}})
		defer closeNow(t, s)
		s.mu.Lock() // as if the goroutine were busy
		for range 12 {
			s.Notify(n)
		}
		s.mu.Unlock()
		synctest.Wait()
		s.Notify(n)
		synctest.Wait()
		if st := s.Stats(); st.Delivered != 11 || st.Dropped != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := newSender(t, r, Config{Apps: batched(oneApp(here))})
		defer closeNow(t, s)
		start := time.Now()
		for i := range 45 {
			s.Notify(occupied(fmt.Sprint(i)))
		}
		synctest.Wait()
		sizes := func() string {
			text := ""
			for _, got := range r.requests() {
				text += fmt.Sprint(len(got.names), " after ", got.at.Sub(start), ", ")
			}
			return text
		}
		if got := sizes(); got != "20 after 0s, 20 after 0s, " {
			t.Errorf("full: %s", got)
		}
		time.Sleep(200 * time.Millisecond)
		s.Notify(occupied("last"))
		time.Sleep(time.Second)
		if got := sizes(); got != "20 after 0s, 20 after 0s, 6 after 250ms, " {
			t.Errorf("all: %s", got)
		}
		s.Notify(occupied("more")) // a batch that was sent takes nothing in
		time.Sleep(time.Second)
		if got := r.requests(); len(got) != 4 || len(got[3].names) != 1 || s.Stats().Delivered != 47 || s.Stats().PendingBytes != 0 {
			t.Errorf("more: %s, %+v", sizes(), s.Stats())
		}
	})
}

// Limits.BatchBytes: the bound holds, but one event alone may be over it.
func TestBatchBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		n := occupied(strings.Repeat("x", 100))
		size := len(appendEvent(nil, &n))
		s := newSender(t, r, Config{Apps: batched(oneApp(here)), Limits: Limits{BatchBytes: 3*size + 2}})
		defer closeNow(t, s)
		for range 7 {
			s.Notify(n)
		}
		s.Notify(occupied(strings.Repeat("y", 1000)))
		time.Sleep(time.Second)
		var sizes []string
		for _, got := range r.requests() {
			sizes = append(sizes, fmt.Sprint(len(got.names)))
		}
		slices.Sort(sizes)
		if got := strings.Join(sizes, " "); got != "1 1 3 3" {
			t.Errorf("batches of %s", got)
		}
	})
}

// Two endpoints share an event's bytes until one of them appends to it.
func TestBatchesDoNotShareMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		apps := batched(oneApp(here, there))
		apps[0].Endpoints[0].ChannelPrefixes = []string{"a", "b"}
		apps[0].Endpoints[1].ChannelPrefixes = []string{"a", "c"}
		s := newSender(t, r, Config{Apps: apps})
		defer closeNow(t, s)
		for _, channel := range []string{"a", "b", "c", "a", "c", "b"} {
			s.Notify(occupied(channel))
		}
		time.Sleep(time.Second)
		expect(t, "here", r.requests(here)[0].names, []string{"channel_occupied a", "channel_occupied b", "channel_occupied a", "channel_occupied b"})
		expect(t, "there", r.requests(there)[0].names, []string{"channel_occupied a", "channel_occupied c", "channel_occupied a", "channel_occupied c"})
	})
}

// slow never answers in time.
func slow(string, int) (int, time.Duration) { return 200, time.Hour }

func TestEndpointDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, &receiver{answer: slow}, Config{Limits: Limits{EndpointDeliveries: 20}})
		defer closeNow(t, s)
		for i := range 25 {
			s.Notify(occupied(fmt.Sprint(i)))
		}
		synctest.Wait()
		if st := s.Stats(); st.Pending != 20 || st.InFlight != 8 || st.Overflowed != 5 {
			t.Errorf("%+v", st)
		}
	})
}

// Limits.PendingBytes: an endpoint that is down fills it, and another one that
// comes later still has its share.
func TestPendingBytesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(url string, _ int) (int, time.Duration) {
			if url == there {
				return 500, 0
			}
			return 200, time.Minute
		}}
		n := occupied("00000")
		size := itemOverhead + len(appendEvent(nil, &n))
		apps := oneApp(there, here)
		apps[0].Endpoints[1].ChannelPrefixes = []string{"1"}
		s := newSender(t, r, Config{Apps: apps, Limits: Limits{PendingBytes: 100 * size}, AttemptTimeout: time.Hour})
		defer closeNow(t, s)
		m := withMemoryStore(s)
		for i := range 1000 {
			s.Notify(occupied(fmt.Sprintf("%05d", i)))
		}
		synctest.Wait()
		if st := s.Stats(); st.Pending != 100 || st.Overflowed != 900 || st.PendingBytes != 100*size {
			t.Fatalf("one endpoint: %+v", st)
		}
		for i := range 200 {
			s.Notify(occupied(fmt.Sprintf("1%04d", i)))
		}
		synctest.Wait()
		s.mu.Lock()
		down, quick := s.list[0].waiting(), s.list[1].waiting()
		s.mu.Unlock()
		if down+quick != 100 || quick < 45 || quick > 55 {
			t.Errorf("%d wait for the endpoint that is down, %d for the other", down, quick)
		}
		if st := s.Stats(); st.PendingBytes != 100*size || st.Overflowed != 1000+2*200-100 {
			t.Errorf("two endpoints: %+v", st)
		}
		if len(m.records) != 100 {
			t.Errorf("%d records in the store", len(m.records))
		}
	})
}

func TestDeadLetterLimits(t *testing.T) {
	n := occupied("00")
	size := itemOverhead + len(appendEvent(nil, &n))
	for name, limits := range map[string]Limits{
		"DeadLetters": {Attempts: 1, DeadLetters: 10},
		"DeadBytes":   {Attempts: 1, DeadBytes: 10*size + size/2},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSender(t, &receiver{answer: failFirst(1000)}, Config{Limits: limits})
			defer closeNow(t, s)
			for i := range 15 {
				s.Notify(occupied(fmt.Sprintf("%02d", i)))
				synctest.Wait()
			}
			letters := s.DeadLetters(0, 1000)
			if len(letters) != 10 || !strings.Contains(string(letters[0].Body), `"05"`) || !strings.Contains(string(letters[9].Body), `"14"`) {
				t.Errorf("%s: %d letters", name, len(letters))
			}
			if st := s.Stats(); st.DeadLettered != 15 || st.DeadDiscarded != 5 || st.DeadLetters != 10 {
				t.Errorf("%s: %+v", name, st)
			}
			for _, d := range letters { // makes room
				s.Discard(d.ID)
			}
			for i := range 10 {
				s.Notify(occupied(fmt.Sprintf("%02d", i)))
			}
			time.Sleep(time.Minute)
			if st := s.Stats(); st.DeadDiscarded != 5 || st.DeadLetters != 10 {
				t.Errorf("%s, again: %+v", name, st)
			}
		})
	}
}
