package webhook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const childEvents = 500

// child takes notices for an endpoint that does not answer, says when they are
// in the store, and waits to be killed.
func child(path string) {
	s, err := New(Config{Path: path, Apps: oneApp(here), transport: &receiver{answer: slow}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := range childEvents {
		s.Notify(occupied(fmt.Sprint(i)))
	}
	for st := s.Stats(); st.Pending < childEvents || st.Unsaved > 0; st = s.Stats() {
		time.Sleep(time.Millisecond)
	}
	s.mu.Lock()
	for s.saving.busy {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
	fmt.Println("saved")
	select {}
}

// What was saved is delivered by the next process, though the first one was
// killed without a chance to say goodbye.
func TestKilledProcessLosesNothing(t *testing.T) {
	path := t.TempDir() + "/store"
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, _ := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if said != "saved\n" {
		t.Fatalf("the child said %q", said)
	}

	r := &receiver{}
	s := newSender(t, r, Config{Path: path})
	eventually(t, "all are delivered", func() bool { return s.Stats().Delivered == childEvents })
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range childEvents {
		want = append(want, fmt.Sprint("channel_occupied ", i))
	}
	slices.Sort(want)
	expect(t, "events", r.names(), want)

	again := newSender(t, r, Config{Path: path})
	defer closeNow(t, again)
	if st := again.Stats(); st.Pending != 0 || st.Damaged {
		t.Errorf("the next time: %+v", st)
	}
}

// Everything a delivery is survives: when it is due, what it was signed for,
// how often it failed. A restart is no new beginning.
func TestReopen(t *testing.T) {
	path := t.TempDir() + "/store"
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: failFirst(1000)}
		s := newSender(t, r, Config{Path: path, Apps: batched(oneApp(here))})
		s.Notify(occupied("a"))
		s.Notify(occupied("b"))
		time.Sleep(30 * time.Minute)
		before := r.requests()
		s.mu.Lock()
		var waiting *delivery
		if waiting = s.list[0].retry.first(); waiting == nil {
			t.Fatal("nothing waits")
		}
		s.mu.Unlock()
		if err := s.Close(context.Background()); err != nil {
			t.Fatal(err)
		}

		r = &receiver{}
		s = newSender(t, r, Config{Path: path, Apps: batched(oneApp(here))})
		defer closeNow(t, s)
		s.mu.Lock()
		d := s.list[0].retry.first()
		s.mu.Unlock()
		if d == nil || d.attempts != waiting.attempts || d.due.UnixMilli() != waiting.due.UnixMilli() || d.count != 2 || d.id != waiting.id ||
			d.reason != waiting.reason || d.queued.UnixMilli() != waiting.queued.UnixMilli() {
			t.Fatalf("got %+v, want %+v", d, waiting)
		}
		time.Sleep(time.Until(d.due))
		synctest.Wait()
		if got := r.requests(); len(got) != 1 || got[0].body != before[0].body {
			t.Errorf("%+v", got)
		}
	})
}

// Whoever was held back when the server closed is still held back after a
// restart, and hidden when they return in time.
func TestReopenHolds(t *testing.T) {
	path := t.TempDir() + "/store"
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, &receiver{}, Config{Path: path})
		s.Notify(vacated("a"))
		s.Notify(vacated("b"))
		time.Sleep(time.Second)
		if err := closeNow(t, s); err != nil {
			t.Fatal(err)
		}
		r := &receiver{}
		s = newSender(t, r, Config{Path: path})
		if st := s.Stats(); st.Held != 2 {
			t.Fatalf("%+v", st)
		}
		s.Notify(occupied("a"))
		time.Sleep(2*time.Second - 10*time.Millisecond)
		synctest.Wait()
		expect(t, "early", r.names(), nil)
		time.Sleep(time.Minute)
		expect(t, "events", r.names(), []string{"channel_vacated b"})
		closeNow(t, s)
		s = newSender(t, r, Config{Path: path})
		defer closeNow(t, s)
		if st := s.Stats(); st.Held != 0 || st.Pending != 0 {
			t.Errorf("afterwards: %+v", st)
		}
	})
}

// Dead letters survive, in their order; deliveries to endpoints that are not
// configured any more join them.
func TestReopenDeadLetters(t *testing.T) {
	path := t.TempDir() + "/store"
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, &receiver{answer: failFirst(1000)}, Config{Path: path, Limits: Limits{Attempts: 2}})
		for i := range 5 {
			s.Notify(occupied(fmt.Sprint(i)))
			time.Sleep(time.Hour)
		}
		s.Notify(occupied("5"))
		synctest.Wait()
		before := s.DeadLetters(0, 1000)
		if err := closeNow(t, s); err != nil || len(before) != 5 {
			t.Fatal(err, len(before))
		}
		s = newSender(t, &receiver{}, Config{Path: path, Apps: oneApp(there)})
		got := s.DeadLetters(0, 1000)
		if len(got) != 6 || got[5].Reason != reasonRemoved {
			t.Fatalf("%+v", got)
		}
		for i, d := range got[:5] {
			if d.ID != before[i].ID || string(d.Body) != string(before[i].Body) || d.Attempts != 2 || d.Reason != before[i].Reason {
				t.Errorf("%d: got %+v, want %+v", i, d, before[i])
			}
		}
		s.Discard(got[0].ID)
		closeNow(t, s)

		r := &receiver{}
		s = newSender(t, r, Config{Path: path})
		defer closeNow(t, s)
		var ids []uint64
		for _, d := range s.DeadLetters(0, 1000) {
			ids = append(ids, d.ID)
		}
		if n := s.Requeue(ids...); n != 5 {
			t.Fatalf("%d requeued", n)
		}
		synctest.Wait()
		if st := s.Stats(); st.Delivered != 5 || st.DeadLetters != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Limits that have become smaller hold for what the store has kept as well.
func TestReopenWithSmallerLimits(t *testing.T) {
	path := t.TempDir() + "/store"
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, &receiver{answer: slow}, Config{Path: path})
		for i := range 100 {
			s.Notify(occupied(fmt.Sprint(i)))
		}
		synctest.Wait()
		closeNow(t, s)
		s = newSender(t, &receiver{answer: slow}, Config{Path: path, Limits: Limits{EndpointDeliveries: 30}})
		if st := s.Stats(); st.Pending != 30 || st.Overflowed != 70 {
			t.Errorf("%+v", st)
		}
		closeNow(t, s)
		s = newSender(t, &receiver{answer: slow}, Config{Path: path})
		defer closeNow(t, s)
		if st := s.Stats(); st.Pending != 30 {
			t.Errorf("what was dropped is back: %+v", st)
		}
	})
}

// What is new after a restart does not take the place of what was kept.
func TestReopenAndGoOn(t *testing.T) {
	path := t.TempDir() + "/store"
	synctest.Test(t, func(t *testing.T) {
		for round := range 3 {
			s := newSender(t, &receiver{answer: slow}, Config{Path: path})
			if st := s.Stats(); st.Pending != 5*round {
				t.Errorf("round %d: %+v", round, st)
			}
			for i := range 5 {
				s.Notify(occupied(fmt.Sprint(i)))
			}
			synctest.Wait()
			closeNow(t, s)
		}
	})
}

// What could be read of a damaged file is delivered, and is in the new file
// until it is.
func TestReopenDamaged(t *testing.T) {
	path := t.TempDir() + "/store"
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, &receiver{answer: slow}, Config{Path: path})
		for i := range 200 {
			s.Notify(occupied(fmt.Sprint(i)))
		}
		synctest.Wait()
		closeNow(t, s)
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := pageOf(t, file, flagLeaf)
		left := 200 - int(order.Uint16(p[10:]))
		clear(p)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, damaged := range []bool{true, false} {
			var log strings.Builder
			s = newSender(t, &receiver{answer: slow}, Config{Path: path, Logger: textLogger(&log)})
			if st := s.Stats(); st.Damaged != damaged || st.Pending != left || left < 100 {
				t.Errorf("%d of %d are there: %+v", st.Pending, left, st)
			}
			if said := strings.Contains(log.String(), path+damagedSuffix); said != damaged {
				t.Errorf("the log says %q", log.String())
			}
			closeNow(t, s)
		}
	})
}

// A clock that was set back while the server was down puts nothing off for years.
func TestReopenWithAStrangeClock(t *testing.T) {
	path := t.TempDir() + "/store"
	st, _, _, err := openBolt(path, time.Second, boltSize)
	if err != nil {
		t.Fatal(err)
	}
	far := time.Now().AddDate(10, 0, 0).UnixMilli()
	n := vacated("a")
	records := []*record{
		{Kind: recordPending, App: appID, URL: here, Due: far, Queued: far, Attempts: 1, Count: 1, events: []byte("{}")},
		{Kind: recordHeld, Due: far, Notice: &n},
	}
	for i, r := range records {
		if err := st.commit([]change{{uint64(i + 1), r.encode(uint64(i + 1))}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := newSender(t, r, Config{Path: path})
		defer closeNow(t, s)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		expect(t, "held", r.names(), []string{"channel_vacated a"})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if st := s.Stats(); st.Delivered != 2 || st.Pending != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// memoryStore is a store whose commits can be made to fail.
type memoryStore struct {
	gate    chan struct{} // closed when commits may go on; nil: always
	mu      sync.Mutex
	err     error
	records map[uint64]string
	puts    int
	largest int
}

func (m *memoryStore) commit(changes []change) error {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.largest = max(m.largest, len(changes))
	if m.err != nil {
		return m.err
	}
	for _, c := range changes {
		if c.value == nil {
			delete(m.records, c.id)
		} else {
			m.records[c.id] = string(c.value)
			m.puts++
		}
	}
	return nil
}

func (m *memoryStore) close() error { return nil }

func (m *memoryStore) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// withMemoryStore gives a new Sender a store of memory.
func withMemoryStore(s *Sender) *memoryStore {
	m := &memoryStore{records: make(map[uint64]string)}
	s.mu.Lock()
	s.saving = newSaving(m)
	s.mu.Unlock()
	go s.commit()
	return m
}

// While the disk is full everything goes on, and when it is not any more
// everything is saved.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: slow}
		var log strings.Builder
		s := newSender(t, r, Config{AttemptTimeout: 48 * time.Hour, Logger: textLogger(&log)})
		m := withMemoryStore(s)
		m.fail(errors.New("no space left on device"))
		for i := range 3000 {
			s.Notify(occupied(fmt.Sprint(i)))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if st := s.Stats(); st.StoreFailures < 5 || st.StoreFailures > 11 || st.Unsaved != 3000 || st.InFlight != 8 {
			t.Errorf("%+v", st)
		}
		if n := strings.Count(log.String(), "no space left"); n != 1 {
			t.Errorf("%d lines in the log", n)
		}
		m.fail(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := s.Stats(); st.Unsaved != 0 || len(m.records) != 3000 || m.largest > storeChanges {
			t.Errorf("%d records, %+v", len(m.records), st)
		}
		m.fail(errors.New("no space left on device"))
		s.Notify(occupied("last"))
		synctest.Wait()
		if err := closeNow(t, s); err == nil || !strings.Contains(err.Error(), "could not be saved") {
			t.Errorf("Close: %v", err)
		}
	})
}

// The store ends up with exactly what is left, whichever commits failed.
func TestStoreFollowsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := &receiver{answer: func(string, int) (int, time.Duration) {
			if n++; n%3 == 0 {
				return 200, time.Duration(n%7) * time.Second / 2
			}
			return 500, 0
		}}
		s := newSender(t, r, Config{Limits: Limits{Attempts: 6, DeadLetters: 20}})
		m := withMemoryStore(s)
		for i := range 300 {
			if i%10 == 0 {
				m.fail(nil)
			} else if i%10 == 4 {
				m.fail(errors.New("not now"))
			}
			s.Notify(occupied(fmt.Sprint(i)))
			time.Sleep(100 * time.Millisecond)
		}
		m.fail(nil)
		time.Sleep(time.Minute)
		s.Discard(s.DeadLetters(0, 1000)[0].ID)
		time.Sleep(time.Second)
		synctest.Wait()
		s.mu.Lock()
		if len(s.saving.live) != len(m.records) || len(m.records) == 0 {
			t.Errorf("%d records live, %d in the store", len(s.saving.live), len(m.records))
		}
		for id, r := range s.saving.live {
			if m.records[id] != string(r.record().encode(id)) {
				t.Errorf("record %d differs", id)
			}
		}
		s.mu.Unlock()
		closeNow(t, s)
	})
}

// A delivery that succeeds at once costs at most the commit that was due anyway.
func TestQuickDeliveriesSpareTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, &receiver{}, Config{})
		m := withMemoryStore(s)
		m.gate = make(chan struct{}) // the disk is slow
		for i := range 100 {
			s.Notify(occupied(fmt.Sprint(i)))
			synctest.Wait()
		}
		close(m.gate)
		synctest.Wait()
		if m.puts > 1 || len(m.records) != 0 {
			t.Errorf("%d puts, %d records left", m.puts, len(m.records))
		}
		closeNow(t, s)
	})
}
