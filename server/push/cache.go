package push

import (
	"container/list"
	"sync"
	"time"
)

// cached is the last event of a cache channel.
type cached struct {
	frame   []byte    // as subscribers receive it
	data    []byte    // its data, decoded
	expires time.Time // from here on there is none
}

// cachedOverhead is what a kept event takes beside its bytes, roughly.
const cachedOverhead = 300

func (c *cached) size() int { return len(c.frame) + len(c.data) + cachedOverhead }

// eventCache is the last events of an app's cache channels, with subscribers or
// without. Its callers hold the stripe of the channel they ask for, so that an event
// is found in it or delivered, and never both.
type eventCache struct {
	mu     sync.Mutex
	byName map[string]*list.Element // of order
	order  list.List                // of *cacheEntry, the oldest first
	bytes  int
}

type cacheEntry struct {
	name string
	*cached
}

// put keeps an event in place of the last one. The oldest of all give way when
// they are more than limit bytes together.
func (c *eventCache) put(name string, event *cached, limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byName[name]; e != nil {
		c.drop(e)
	}
	if c.byName == nil {
		c.byName = make(map[string]*list.Element)
	}
	c.byName[name] = c.order.PushBack(&cacheEntry{name, event})
	c.bytes += event.size()
	for c.bytes > limit {
		c.drop(c.order.Front())
	}
}

// get returns the last event of the named channel, or nil.
func (c *eventCache) get(name string, now time.Time) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byName[name]
	if e == nil {
		return nil
	}
	entry := e.Value.(*cacheEntry)
	if !now.Before(entry.expires) {
		c.drop(e)
		return nil
	}
	return entry.cached
}

func (c *eventCache) drop(e *list.Element) {
	entry := c.order.Remove(e).(*cacheEntry)
	delete(c.byName, entry.name)
	c.bytes -= entry.size()
}
