package webhook

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// 1.13: "held back (<= 3 s) and suppressed if the channel/member returns".
func TestHoldBackHidesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := newSender(t, r, Config{})
		defer closeNow(t, s)
		s.Notify(occupied("a"))
		s.Notify(member(push.MemberAdded, "presence-a", "u"))
		s.Notify(vacated("a"))
		s.Notify(member(push.MemberRemoved, "presence-a", "u"))
		time.Sleep(3*time.Second - time.Millisecond)
		s.Notify(occupied("a"))
		s.Notify(member(push.MemberAdded, "presence-a", "u"))
		time.Sleep(time.Minute)
		expect(t, "events", r.names(), []string{"channel_occupied a", "member_added presence-a u"})
		if got := s.Stats().Suppressed; got != 4 {
			t.Errorf("%d notices suppressed, want 4", got)
		}
	})
}

func TestHoldBackEndsAfterThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := newSender(t, r, Config{})
		defer closeNow(t, s)
		start := time.Now()
		s.Notify(vacated("a"))
		time.Sleep(3*time.Second - time.Nanosecond)
		synctest.Wait()
		if got := r.names(); len(got) != 0 {
			t.Fatalf("told early: %v", got)
		}
		time.Sleep(time.Nanosecond)
		s.Notify(occupied("a")) // too late by nothing at all
		synctest.Wait()
		expect(t, "events", r.names(), []string{"channel_occupied a", "channel_vacated a"})
		if at := r.requests()[0].at.Sub(start); at != 3*time.Second {
			t.Errorf("told after %v", at)
		}
	})
}

// Who returned is looked at: neither another user nor another channel, and a
// member is not a channel.
func TestHoldBackKnowsWhoReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := newSender(t, r, Config{})
		defer closeNow(t, s)
		s.Notify(vacated("presence-a"))
		s.Notify(member(push.MemberRemoved, "presence-a", ""))
		s.Notify(member(push.MemberRemoved, "presence-a", "u"))
		s.Notify(occupied("presence-b"))
		s.Notify(member(push.MemberAdded, "presence-b", "u"))
		s.Notify(member(push.MemberAdded, "presence-a", "v"))
		time.Sleep(time.Minute)
		expect(t, "events", r.names(), []string{
			"channel_occupied presence-b", "channel_vacated presence-a", "member_added presence-a v",
			"member_added presence-b u", "member_removed presence-a ", "member_removed presence-a u",
		})
	})
}

// An endpoint that hears only of leavings must not be told of those that a
// coming has undone, although it does not want the coming.
func TestHoldBackSeesWhatNobodyWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		apps := oneApp(here)
		apps[0].Endpoints[0].Events = []string{push.ChannelVacated}
		s := newSender(t, r, Config{Apps: apps})
		defer closeNow(t, s)
		s.Notify(vacated("a"))
		s.Notify(occupied("a"))
		s.Notify(vacated("b"))
		time.Sleep(time.Minute)
		expect(t, "events", r.names(), []string{"channel_vacated b"})
	})
}

func TestHoldBackCanBeOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := newSender(t, r, Config{HoldBack: -1})
		defer closeNow(t, s)
		s.Notify(vacated("a"))
		s.Notify(occupied("a"))
		synctest.Wait()
		expect(t, "events", r.names(), []string{"channel_occupied a", "channel_vacated a"})
	})
}

// Limits.HeldBytes: the oldest are told early, and nobody is forgotten.
func TestHeldBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		n := vacated("00")
		s := newSender(t, r, Config{Limits: Limits{HeldBytes: 10 * noticeSize(&n)}})
		defer closeNow(t, s)
		var want []string
		for i := range 13 {
			s.Notify(vacated(fmt.Sprintf("%02d", i)))
			want = append(want, fmt.Sprintf("channel_vacated %02d", i))
		}
		synctest.Wait()
		expect(t, "early", r.names(), want[:3])
		if st := s.Stats(); st.HeldTooMany != 3 || st.Held != 10 {
			t.Errorf("%d early, %d held", st.HeldTooMany, st.Held)
		}
		time.Sleep(time.Minute)
		expect(t, "all", r.names(), want)
	})
}

// A clock that is set, either way, holds nothing back for longer than usual.
func TestHoldBackWithAStrangeClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		s := newSender(t, r, Config{})
		defer closeNow(t, s)
		for i, off := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
			n := vacated(fmt.Sprint(i))
			n.At = time.Now().Add(off)
			s.Notify(n)
		}
		synctest.Wait()
		expect(t, "at once", r.names(), []string{"channel_vacated 1"}) // behind one that is due later
		time.Sleep(3 * time.Second)
		synctest.Wait()
		expect(t, "events", r.names(), []string{"channel_vacated 0", "channel_vacated 1"})
	})
}

// step is one notice of a random history.
type step struct {
	at      time.Duration
	subject int
	leaves  bool
}

// modelHold says what is told of a history, by looking at the future: what
// follows a leaving decides about it.
func modelHold(history []step) []string {
	const holdBack = 3 * time.Second
	var told []string
	skip := make(map[int]bool)
	for i, st := range history {
		if skip[i] {
			continue
		}
		if !st.leaves {
			told = append(told, line(st.at, st))
			continue
		}
		back := false
		for j := i + 1; j < len(history) && history[j].at < st.at+holdBack; j++ {
			if history[j].subject != st.subject || skip[j] {
				continue
			}
			skip[j] = true
			if !history[j].leaves {
				back = true
				break
			}
		}
		if !back {
			told = append(told, line(st.at+holdBack, st))
		}
	}
	slices.Sort(told)
	return told
}

func line(at time.Duration, st step) string {
	n := st.notice()
	text := fmt.Sprintf("%8d %s %s", at.Milliseconds(), n.Name, n.Channel)
	if n.UserID != "" {
		text += " " + n.UserID
	}
	return text
}

// notice makes a channel of even subjects, and of odd ones a member of it.
func (st step) notice() push.Notice {
	names := [2][2]string{{push.ChannelOccupied, push.MemberAdded}, {push.ChannelVacated, push.MemberRemoved}}
	n := push.Notice{App: appID, Channel: fmt.Sprint("presence-", st.subject/2)}
	leaves := 0
	if st.leaves {
		leaves = 1
	}
	n.Name = names[leaves][st.subject%2]
	if st.subject%2 == 1 {
		n.UserID = "u"
	}
	return n
}

// Random histories, in which people come and go in any order and at times that
// often fall on the very end of a hold, against the model.
func TestHoldBackAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var history []step
		at := time.Duration(0)
		for range 60 {
			at += time.Duration(random.IntN(4)) * 500 * time.Millisecond
			history = append(history, step{at, random.IntN(6), random.IntN(2) == 0})
		}
		synctest.Test(t, func(t *testing.T) {
			r := &receiver{}
			s := newSender(t, r, Config{})
			defer closeNow(t, s)
			start := time.Now()
			for _, st := range history {
				time.Sleep(st.at - time.Since(start))
				s.Notify(st.notice())
				if random.IntN(2) == 0 {
					synctest.Wait()
				}
			}
			time.Sleep(time.Minute)
			var told []string
			for _, got := range r.requests() {
				told = append(told, fmt.Sprintf("%8d %s", got.at.Sub(start).Milliseconds(), got.names[0]))
			}
			slices.Sort(told)
			expect(t, fmt.Sprint("seed ", seed), told, modelHold(history))
		})
		if t.Failed() {
			return
		}
	}
}
