package push

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// plain is the app of machine_test.go in the plainest words: who is subscribed
// to what, and everything that was ever said, in order. It has no loops, locks or
// queues, and never looks at those.
type plain struct {
	now      time.Time
	channels map[string]*plainChannel // with subscribers or without
}

type plainChannel struct {
	name    string
	tabs    map[int]string // who is subscribed: the tab, and the user it stands for
	log     []string       // every frame for all who are subscribed at the time
	notices []string       // what the customer was told
	cached  string         // the last event of a cache channel
	until   time.Time      // when that is forgotten
	told    time.Time      // when subscribers last learnt their number
	due     bool           // and that they are owed it
	changes int            // that they were told of at once and that count against the next
	since   time.Time      // when that was so
	missed  time.Time      // when a miss was last told to the customer
}

// What the names of machine_test.go's channels mean.
func (c *plainChannel) presence() bool  { return strings.HasPrefix(c.name, "presence-") }
func (c *plainChannel) countOnly() bool { return strings.HasPrefix(c.name, "presence-count-") }
func (c *plainChannel) cache() bool     { return strings.Contains(c.name, "cache-") }

// counted reports whether subscribers are told how many they are.
func (c *plainChannel) counted() bool {
	return c.countOnly() || !c.presence() && !strings.HasPrefix(c.name, "#")
}

func (p *plain) channel(name string) *plainChannel {
	c := p.channels[name]
	if c == nil {
		c = &plainChannel{name: name, tabs: map[int]string{}}
		p.channels[name] = c
	}
	return c
}

func (c *plainChannel) say(event, data string) {
	c.log = append(c.log, fmt.Sprintf(`{"event":"%s","channel":"%s","data":"%s"}`, event, c.name, data))
}

func (c *plainChannel) notice(words ...any) {
	if !strings.HasPrefix(c.name, "#") {
		c.notices = append(c.notices, strings.TrimSpace(fmt.Sprintln(words...)))
	}
}

// users are those who are there, each once.
func (c *plainChannel) users() []string {
	there := map[string]bool{}
	for _, user := range c.tabs {
		there[user] = true
	}
	return slices.Sorted(maps.Keys(there))
}

// outset is what somebody who joins starts from.
type outset struct {
	refused bool
	members []string
	count   int
	cached  string
	from    int // in the log
}

// join is a subscription of a tab that has none to c.
func (p *plain) join(c *plainChannel, tab int, user string, limit int) (s outset) {
	before := c.users()
	isNew := !slices.Contains(before, user)
	if c.presence() && !c.countOnly() && isNew && len(before) >= limit {
		return outset{refused: true}
	}
	if len(c.tabs) == 0 {
		c.told, c.due, c.missed = time.Time{}, false, time.Time{}
		c.notice(ChannelOccupied, c.name)
	}
	if c.presence() && !c.countOnly() && isNew {
		c.say("pusher_internal:member_added", fmt.Sprintf(`{\"user_id\":\"%s\",\"user_info\":\"about %s\"}`, user, user))
		c.notice(MemberAdded, c.name, user)
	}
	c.tabs[tab] = user
	s.from = len(c.log)
	if c.presence() {
		s.members, s.count = c.users(), len(c.users())
	}
	if c.countOnly() {
		s.members = []string{user}
	}
	if c.cache() {
		if s.cached = p.last(c); s.cached == "" && (c.missed.IsZero() || p.now.Sub(c.missed) >= missEvery) {
			c.missed = p.now
			c.notice(CacheMiss, c.name)
		}
	}
	if !c.presence() || isNew {
		p.count(c)
	}
	return s
}

func (p *plain) last(c *plainChannel) string {
	if !p.now.Before(c.until) {
		c.cached = ""
	}
	return c.cached
}

// leave is the end of a tab's subscription to c.
func (p *plain) leave(c *plainChannel, tab int) {
	user := c.tabs[tab]
	delete(c.tabs, tab)
	gone := !slices.Contains(c.users(), user)
	if c.presence() && !c.countOnly() && gone {
		c.say("pusher_internal:member_removed", fmt.Sprintf(`{\"user_id\":\"%s\"}`, user))
		c.notice(MemberRemoved, c.name, user)
	}
	if len(c.tabs) == 0 {
		c.notice(ChannelVacated, c.name)
		c.changes = 0
		return
	}
	if !c.presence() || gone {
		p.count(c)
	}
}

// count tells subscribers how many they are: at once, or later when they are many
// and were told a moment ago, or change without end.
func (p *plain) count(c *plainChannel) {
	if !c.counted() {
		return
	}
	if len(c.tabs) > countAtOnce && p.now.Sub(c.told) < countEvery {
		c.due = true
		return
	}
	c.changes = max(0, c.changes-countRate*int(p.now.Sub(c.since).Seconds()))
	c.since = p.now
	if c.changes == countAtOnce {
		c.due = true
		return
	}
	c.changes++
	p.tellCount(c)
}

func (p *plain) tellCount(c *plainChannel) {
	n := len(c.tabs)
	if c.presence() {
		n = len(c.users())
	}
	c.told, c.due = p.now, false
	c.say("pusher_internal:subscription_count", fmt.Sprintf(`{\"subscription_count\":%d}`, n))
	c.notice(SubscriptionCount, c.name, n)
}

// ring tells those who are owed their number and have waited long enough.
func (p *plain) ring() {
	for _, c := range p.channels {
		if len(c.tabs) > 0 && c.due && p.now.Sub(c.told) >= countEvery {
			p.tellCount(c)
		}
	}
}

func (p *plain) publish(c *plainChannel, data string, ttl time.Duration) {
	c.say("e", data)
	c.missed = time.Time{}
	if c.cache() {
		c.cached, c.until = c.log[len(c.log)-1], p.now.Add(ttl)
	}
}
