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

// Mistakes are found when they are made, in words for whoever made them.
func TestMistakesAreFound(t *testing.T) {
	many := make(map[string]string)
	for i := range 33 {
		many[fmt.Sprint("X-", i)] = "x"
	}
	for want, change := range map[string]func(c *Config, e *Endpoint){
		"attempt timeout is negative":                    func(c *Config, _ *Endpoint) { c.AttemptTimeout = -1 },
		"limit of in flight is negative":                 func(c *Config, _ *Endpoint) { c.Limits.InFlight = -1 },
		"retry max 1ms is less than retry min 1s":        func(c *Config, _ *Endpoint) { c.RetryMax = time.Millisecond },
		`app "1": id, key and secret are needed`:         func(c *Config, _ *Endpoint) { c.Apps[0].Secret = "" },
		"app 1 is there twice":                           func(c *Config, _ *Endpoint) { c.Apps = append(c.Apps, c.Apps[0]) },
		"app 1: 33 endpoints, at most 32":                func(c *Config, e *Endpoint) { c.Apps[0].Endpoints = slices.Repeat([]Endpoint{*e}, 33) },
		"is there twice":                                 func(c *Config, e *Endpoint) { c.Apps[0].Endpoints = []Endpoint{*e, *e} },
		"this is no URL":                                 func(_ *Config, e *Endpoint) { e.URL = "http://a b/" },
		"use http://host/path or https://host/path":      func(_ *Config, e *Endpoint) { e.URL = "ftp://host/" },
		"webhook \"http:///x\": use http://host/path":    func(_ *Config, e *Endpoint) { e.URL = "http:///x" },
		"put credentials into headers":                   func(_ *Config, e *Endpoint) { e.URL = "http://user:pass@host/" },
		"a fragment (#) is never sent":                   func(_ *Config, e *Endpoint) { e.URL = "http://host/#x" },
		"the URL is longer than 2048 bytes":              func(_ *Config, e *Endpoint) { e.URL = here + strings.Repeat("x", 2048) },
		`event "channel": use channel_occupied, channel`: func(_ *Config, e *Endpoint) { e.Events = []string{"channel"} },
		"at most 32 prefixes and 32 suffixes":            func(_ *Config, e *Endpoint) { e.ChannelPrefixes = make([]string, 33) },
		"header X-Pusher-signature cannot be set":        func(_ *Config, e *Endpoint) { e.Headers = map[string]string{"X-Pusher-signature": "x"} },
		"header content-type cannot be set":              func(_ *Config, e *Endpoint) { e.Headers = map[string]string{"content-type": "x"} },
		"header host cannot be set":                      func(_ *Config, e *Endpoint) { e.Headers = map[string]string{"host": "x"} },
		`header "a b": this is no name`:                  func(_ *Config, e *Endpoint) { e.Headers = map[string]string{"a b": "x"} },
		"header X: the value has control characters":     func(_ *Config, e *Endpoint) { e.Headers = map[string]string{"X": "a\r\nb: c"} },
		"header X-A is there twice":                      func(_ *Config, e *Endpoint) { e.Headers = map[string]string{"X-A": "1", "x-a": "2"} },
		"at most 32 headers of 8192 bytes":               func(_ *Config, e *Endpoint) { e.Headers = many },
		"at most 32 headers of 8192 bytes together":      func(_ *Config, e *Endpoint) { e.Headers = map[string]string{"X": strings.Repeat("x", 8192)} },
	} {
		config := Config{Apps: oneApp(here)}
		endpoint := &config.Apps[0].Endpoints[0]
		change(&config, endpoint)
		s, err := New(config)
		if err == nil {
			closeNow(t, s)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "webhook: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		apps := oneApp(here, there, "http://all.test/")
		apps[0].Endpoints[0].Events = []string{push.ChannelOccupied, push.CacheMiss}
		apps[0].Endpoints[1].ChannelPrefixes = []string{"private-", "presence-"}
		apps[0].Endpoints[1].ChannelSuffixes = []string{"-x", "-y"}
		s := newSender(t, r, Config{Apps: apps})
		defer closeNow(t, s)
		for _, channel := range []string{"a", "private-x", "presence-b-y", "private-z", "b-x"} {
			s.Notify(occupied(channel))
		}
		s.Notify(push.Notice{App: appID, Name: push.CacheMiss, Channel: "cache-a"})
		s.Notify(push.Notice{App: appID, Name: push.SubscriptionCount, Channel: "private-x", Count: 1})
		s.Notify(push.Notice{App: appID, Name: "something else", Channel: "a"})
		s.Notify(push.Notice{App: "2", Name: push.ChannelOccupied, Channel: "a"})
		synctest.Wait()
		five := []string{"channel_occupied a", "channel_occupied b-x", "channel_occupied presence-b-y", "channel_occupied private-x", "channel_occupied private-z"}
		expect(t, "by event", r.names(here), slices.Concat([]string{"cache_miss cache-a"}, five))
		expect(t, "by channel", r.names(there), []string{"channel_occupied presence-b-y", "channel_occupied private-x", "subscription_count private-x"})
		expect(t, "all", r.names("http://all.test/"), slices.Concat([]string{"cache_miss cache-a"}, five, []string{"subscription_count private-x"}))
	})
}

// An endpoint that stays keeps what waits and gets its new settings; what waits
// for one that goes becomes dead letters, which it can have when it is back.
func TestSetApps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: failFirst(2)}
		s := newSender(t, r, Config{Apps: oneApp(here, there)})
		defer closeNow(t, s)
		s.Notify(occupied("a"))
		synctest.Wait()
		apps := oneApp(here)
		apps[0].Key, apps[0].Secret = "key2", "secret2"
		apps[0].Endpoints[0].Headers = map[string]string{"X-Own": "new"}
		if err := s.SetApps(apps); err != nil {
			t.Fatal(err)
		}
		letters := s.DeadLetters(0, 1000)
		if len(letters) != 1 || letters[0].URL != there || letters[0].Reason != reasonRemoved {
			t.Fatalf("%+v", letters)
		}
		if n := s.Requeue(letters[0].ID); n != 0 {
			t.Error("requeued for an endpoint that is not there")
		}
		time.Sleep(time.Minute)
		got := r.requests(here)
		if len(got) != 2 || got[1].header.Get("X-Pusher-Key") != "key2" || got[1].header.Get("X-Own") != "new" ||
			got[1].header.Get("X-Pusher-Signature") != sign("secret2", []byte(got[1].body)) {
			t.Fatalf("%+v", got)
		}
		if err := s.SetApps(oneApp(here, "no URL")); err == nil {
			t.Error("a mistake was taken")
		}
		if err := s.SetApps(oneApp(here, there)); err != nil || s.Requeue(letters[0].ID) != 1 {
			t.Fatal("not requeued for an endpoint that is back")
		}
		synctest.Wait()
		if len(r.requests(there)) != 2 {
			t.Error("the dead letter did not arrive")
		}
	})
}

// An endpoint that goes while an attempt is under way: a success counts, a
// failure is a dead letter.
func TestSetAppsDuringAttempts(t *testing.T) {
	for status, dead := range map[int]int{200: 0, 500: 1} {
		synctest.Test(t, func(t *testing.T) {
			r := &receiver{answer: func(string, int) (int, time.Duration) { return status, time.Second }}
			s := newSender(t, r, Config{})
			defer closeNow(t, s)
			s.Notify(occupied("a"))
			synctest.Wait()
			if err := s.SetApps(nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if st := s.Stats(); st.DeadLetters != dead || st.Pending != 0 || st.PendingBytes != 0 || st.Attempts != 1 {
				t.Errorf("%d: %+v", status, st)
			}
		})
	}
}
