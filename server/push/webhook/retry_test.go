package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// failFirst answers 500 until nth requests have come to a URL, then 200.
func failFirst(n int) func(string, int) (int, time.Duration) {
	return func(_ string, nth int) (int, time.Duration) {
		if nth <= n {
			return 500, 0
		}
		return 200, 0
	}
}

// 1.13: "retry with exponential back-off up to 5 min". The bytes and the
// signature stay the same.
func TestRetriesBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const failures = 15
		r := &receiver{answer: failFirst(failures)}
		s := newSender(t, r, Config{})
		defer closeNow(t, s)
		s.Notify(occupied("a"))
		time.Sleep(3 * time.Hour)
		got := r.requests()
		if len(got) != failures+1 {
			t.Fatalf("%d requests, want %d", len(got), failures+1)
		}
		longest := time.Second
		for i := 1; i < len(got); i++ {
			pause := got[i].at.Sub(got[i-1].at)
			// An endpoint that fails several times in a row has a pause of its own, no longer than that.
			if pause > longest || pause < longest/2 {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, longest/2, longest)
			}
			longest = min(2*longest, 5*time.Minute)
			if got[i].body != got[0].body || got[i].header.Get("X-Pusher-Signature") != got[0].header.Get("X-Pusher-Signature") {
				t.Errorf("attempt %d sent something else: %s", i, got[i].body)
			}
		}
		if st := s.Stats(); st.Delivered != 1 || st.Failed != failures || st.Attempts != failures+1 || st.Pending != 0 || st.PendingBytes != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// What failed together does not come back together.
func TestBackOffIsJittered(t *testing.T) {
	config, _ := Config{}.withDefaults()
	s := &Sender{config: config}
	seen := make(map[time.Duration]bool)
	for range 100 {
		pause := s.backOff(60)
		if pause > 5*time.Minute || pause < 150*time.Second {
			t.Fatalf("pause of %v", pause)
		}
		seen[pause] = true
	}
	if len(seen) < 90 {
		t.Errorf("only %d different pauses of 100", len(seen))
	}
}

func TestAnyTwoHundredIsDelivered(t *testing.T) {
	for status, delivered := range map[int]uint64{200: 1, 201: 1, 204: 1, 299: 1, 199: 0, 300: 0, 302: 0, 304: 0, 400: 0, 404: 0, 410: 0, 503: 0} {
		synctest.Test(t, func(t *testing.T) {
			r := &receiver{answer: func(string, int) (int, time.Duration) { return status, 0 }}
			s := newSender(t, r, Config{})
			defer closeNow(t, s)
			s.Notify(occupied("a"))
			synctest.Wait()
			if got := s.Stats().Delivered; got != delivered {
				t.Errorf("%d: %d delivered, want %d", status, got, delivered)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if again := len(r.requests()) > 1; again == (delivered == 1) {
				t.Errorf("%d: tried again: %v", status, again)
			}
		})
	}
}

// AttemptTimeout: silence is a failure.
func TestSilenceIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(string, int) (int, time.Duration) { return 200, 4*time.Second + 1 }}
		s := newSender(t, r, Config{Limits: Limits{Attempts: 1}})
		defer closeNow(t, s)
		s.Notify(occupied("a"))
		time.Sleep(4 * time.Second)
		synctest.Wait()
		letters := s.DeadLetters(0, 1000)
		if len(letters) != 1 || letters[0].Reason != "no answer in time" {
			t.Errorf("%+v", letters)
		}
	})
}

// Limits.Attempts: then it is a dead letter, which shows all there is to know
// and can be tried again.
func TestAttemptsEndInADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: failFirst(6)}
		s := newSender(t, r, Config{Limits: Limits{Attempts: 5}})
		defer closeNow(t, s)
		created := time.Now()
		s.Notify(occupied("a"))
		time.Sleep(10 * time.Minute)
		letters := s.DeadLetters(0, 1000)
		if len(letters) != 1 || len(r.requests()) != 5 {
			t.Fatalf("%d letters after %d requests", len(letters), len(r.requests()))
		}
		d := letters[0]
		if d.App != appID || d.URL != here || string(d.Body) != r.requests()[0].body || d.Events != 1 || d.Attempts != 5 ||
			d.Reason != "the answer was 500 Internal Server Error" || !d.Created.Equal(created) || !d.Died.After(created) {
			t.Errorf("%+v", d)
		}
		if st := s.Stats(); st.DeadLettered != 1 || st.DeadLetters != 1 || st.Pending != 0 || st.PendingBytes != 0 {
			t.Errorf("%+v", st)
		}
		if n := s.Requeue(d.ID, d.ID, d.ID+1); n != 1 {
			t.Fatalf("%d requeued", n)
		}
		time.Sleep(10 * time.Minute)
		if got := r.requests(); len(got) != 7 || got[6].body != got[0].body || len(s.DeadLetters(0, 1000)) != 0 || s.Stats().Delivered != 1 {
			t.Errorf("%d requests, %d letters", len(got), len(s.DeadLetters(0, 1000)))
		}
	})
}

func TestDiscard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: failFirst(2)}
		s := newSender(t, r, Config{Limits: Limits{Attempts: 1}})
		defer closeNow(t, s)
		s.Notify(occupied("a"))
		s.Notify(occupied("b"))
		synctest.Wait()
		letters := s.DeadLetters(0, 1000)
		if len(letters) != 2 || s.Discard(letters[0].ID) != 1 || s.Discard(letters[0].ID) != 0 {
			t.Fatalf("%+v", letters)
		}
		if left := s.DeadLetters(0, 1000); len(left) != 1 || left[0].ID != letters[1].ID {
			t.Errorf("left: %+v", left)
		}
	})
}

// RetryAge: what waits for too long behind others that fail is given up too,
// but nothing is without a failure of its endpoint.
func TestRetryAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(string, int) (int, time.Duration) { return 500, 0 }}
		s := newSender(t, r, Config{RetryAge: time.Hour, Limits: Limits{Attempts: 1 << 30}})
		defer closeNow(t, s)
		for i := range 100 {
			s.Notify(occupied(fmt.Sprint(i)))
		}
		time.Sleep(time.Hour - time.Second)
		if st := s.Stats(); st.DeadLetters != 0 || st.Pending != 100 {
			t.Errorf("before: %+v", st)
		}
		time.Sleep(10 * time.Minute)
		if st := s.Stats(); st.DeadLetters != 100 || st.Pending != 0 || st.PendingBytes != 0 {
			t.Errorf("after: %+v", st)
		}
		// Requeued it is as young as any.
		s.Requeue(s.DeadLetters(0, 1000)[0].ID)
		time.Sleep(30 * time.Minute)
		if st := s.Stats(); st.DeadLetters != 99 || st.Pending != 1 {
			t.Errorf("requeued: %+v", st)
		}
	})
}

// Attempts that were under way together fail together: that is one failure.
func TestFailuresTogetherAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, &receiver{answer: func(string, int) (int, time.Duration) { return 500, time.Second }}, Config{})
		defer closeNow(t, s)
		for i := range 8 {
			s.Notify(occupied(fmt.Sprint(i)))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if st := s.Stats(); st.Failed != 8 || st.Failing != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A13: no retry storm. A thousand deliveries to an endpoint that is down cost
// one attempt each and then one per back-off, not a thousand; when it is back
// all of them arrive soon.
func TestFailingEndpointIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const deliveries = 1000
		down := true
		r := &receiver{answer: func(string, int) (int, time.Duration) {
			if down {
				return 503, 0
			}
			return 200, 10 * time.Millisecond
		}}
		s := newSender(t, r, Config{})
		defer closeNow(t, s)
		for i := range deliveries {
			s.Notify(occupied(fmt.Sprint(i)))
		}
		time.Sleep(time.Hour)
		first := len(r.requests())
		if most := deliveries + 50; first > most {
			t.Errorf("%d attempts in the first hour, want at most %d", first, most)
		}
		if st := s.Stats(); st.Failing != 1 || st.Pending != deliveries {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Hour)
		if n := len(r.requests()) - first; n < 12 || n > 25 {
			t.Errorf("%d attempts in the second hour, want one per five minutes or a little less", n)
		}
		r.mu.Lock()
		down = false
		r.mu.Unlock()
		time.Sleep(5*time.Minute + 10*time.Second)
		if st := s.Stats(); st.Failing != 0 || st.Pending != 0 || st.Delivered != deliveries {
			t.Errorf("back: %+v", st)
		}
	})
}

// A delivery that an endpoint cannot stand does not keep others from it.
func TestOnePoisonedDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		r.answer = func(string, int) (int, time.Duration) {
			if strings.Contains(r.seen[len(r.seen)-1].body, "poison") {
				return 500, 0
			}
			return 200, 0
		}
		s := newSender(t, r, Config{})
		defer closeNow(t, s)
		s.Notify(occupied("poison"))
		time.Sleep(30 * time.Minute)
		if s.Stats().Failing != 1 {
			t.Fatal("the endpoint is not failing")
		}
		s.Notify(occupied("a"))
		synctest.Wait()
		if s.Stats().Delivered != 1 {
			t.Error("a new delivery waits for an old one")
		}
	})
}

// A slow endpoint holds up nobody else, and Limits.InFlight bounds what it holds.
func TestSlowEndpointBlocksNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(url string, _ int) (int, time.Duration) {
			if url == there {
				return 200, 3 * time.Second
			}
			return 200, 0
		}}
		s := newSender(t, r, Config{Apps: oneApp(there, here)})
		defer closeNow(t, s)
		for i := range 100 {
			s.Notify(occupied(fmt.Sprint(i)))
		}
		synctest.Wait()
		if n := len(r.requests(here)); n != 100 {
			t.Errorf("%d requests to the quick endpoint", n)
		}
		time.Sleep(10 * time.Second)
		if n := len(r.requests(there)); n != 4*8 {
			t.Errorf("%d requests to the slow endpoint, want 32", n)
		}
		if r.highest[there] != 8 {
			t.Errorf("%d at once, want 8", r.highest[there])
		}
	})
}

// Close lets everybody be told who can be, and waits for no back-off when the
// store keeps it.
func TestCloseDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(url string, _ int) (int, time.Duration) {
			if url == there {
				return 500, time.Second
			}
			return 200, time.Second
		}}
		s := newSender(t, r, Config{Path: t.TempDir() + "/store", Apps: batched(oneApp(here, there))})
		s.Notify(occupied("a"))
		s.Notify(vacated("b"))
		start := time.Now()
		if err := s.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		expect(t, "events", r.names(here), []string{"channel_occupied a", "channel_vacated b"})
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		s.Notify(occupied("late"))
		if got := s.Stats(); got.Dropped != 1 {
			t.Errorf("a notice after Close: %+v", got)
		}
		if s.SetApps(nil) == nil {
			t.Error("SetApps after Close")
		}
	})
}

// Without a store Close goes on trying, and says what it had to give up.
func TestCloseWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: failFirst(3)}
		s := newSender(t, r, Config{})
		s.Notify(occupied("a"))
		if err := s.Close(context.Background()); err != nil || s.Stats().Delivered != 1 {
			t.Errorf("%v, %+v", err, s.Stats())
		}

		s = newSender(t, &receiver{answer: failFirst(1000)}, Config{})
		s.Notify(occupied("a"))
		s.Notify(vacated("b"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err := s.Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "1 deliveries and 1 notices") {
			t.Errorf("%v", err)
		}
		if again := s.Close(context.Background()); again != err {
			t.Errorf("the second time: %v", again)
		}
	})
}

// A notice that came before Close is delivered, kept or reported, however short
// the time was.
func TestCloseForgetsNothing(t *testing.T) {
	const notices = 50
	for range 300 {
		s := newSender(t, &receiver{}, Config{})
		for i := range notices { // while the goroutine takes some of them in
			s.Notify(occupied(fmt.Sprint(i)))
		}
		closeNow(t, s)
		if st := s.Stats(); st.Delivered+uint64(st.Pending) != notices {
			t.Fatalf("notices are lost: %+v", st)
		}
	}
}

// An attempt that Close cut off says nothing about its endpoint.
func TestCloseEndsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(string, int) (int, time.Duration) { return 200, time.Hour }}
		s := newSender(t, r, Config{AttemptTimeout: 2 * time.Hour})
		s.Notify(occupied("a"))
		synctest.Wait()
		start := time.Now()
		closeNow(t, s)
		if st := s.Stats(); time.Since(start) > 0 || st.InFlight != 0 || st.Failed != 0 || st.Pending != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// reasonBytes: what an error says of a receiver is shown, not collected.
func TestReasonsAreShort(t *testing.T) {
	if got := reasonOf(errors.New(strings.Repeat("x", 1000))); len(got) != reasonBytes {
		t.Errorf("%d bytes", len(got))
	}
	err := &url.Error{Op: "Post", URL: "http://host/?token=1", Err: errors.New("connection refused")}
	if got := reasonOf(err); got != "connection refused" {
		t.Errorf("%q", got)
	}
}
