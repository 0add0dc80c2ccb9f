package main

import (
	"fmt"
	"os"
	"sort"

	"github.com/roost-ws/roost/server/push"
)

// ceilings are what the memory of a process meets.
type ceilings struct {
	memory     int64  // of the machine, or of the group of processes
	memoryName string // where that is from
	heap       int64  // GOMEMLIMIT; unlimited when it is not set
}

// ceilings looks at the machine. What it does not say is no limit.
func (m *machine) ceilings() ceilings {
	c := ceilings{memory: unlimited, heap: unlimited}
	if total, known := m.meminfo("MemTotal"); known {
		c.memory, c.memoryName = total, "the machine's memory"
	}
	if limit, file := m.cgroupMemory(); file != "" && limit < c.memory {
		c.memory, c.memoryName = limit, file
	}
	if limit, wrong := m.goMemoryLimit(); limit > 0 && !wrong {
		c.heap = limit
	}
	return c
}

// holds reports whether the most that a server may come to use is there.
func (c ceilings) holds(b budget) bool { return b.most() <= c.memory && b.heap() <= c.heap }

// Shares of the memory that clients may make a server use in ways that have limits
// of their own: so is there room for the rest.
const (
	heldShare         = 4 // what waits for slow clients
	subscriptionShare = 16
	eventShare        = 16
	vouchedShare      = 32 // what backends say of members and users
	httpShare         = 16

	heldMost  = 1 << 30   // where the memory has no limit
	eventMost = 128 << 20 // of which more waits for no good
	httpMost  = 1024      // connections
)

func (c ceilings) least() int64 { return min(c.memory, c.heap) }

// held is --max-held, or what there is room for: the queues' memory is garbage for a
// while after they were sent.
func (c ceilings) held(asked byteSize) int {
	if asked > 0 {
		return int(asked)
	}
	return int(min(heldMost, c.least()/heldShare))
}

// subscriptions is --max-subscriptions, or what there is room for.
func (c ceilings) subscriptions(asked int) int {
	if asked > 0 {
		return asked
	}
	return int(max(1, min(push.DefaultSubscriptions, c.least()/subscriptionShare/push.SubscriptionBytes)))
}

// vouched is --max-vouched, or what there is room for.
func (c ceilings) vouched(asked byteSize) int {
	if asked > 0 {
		return int(asked)
	}
	return int(max(1, min(push.DefaultVouchedBytes, c.least()/vouchedShare)))
}

// httpConns is how many connections may be with net/http, of which backends keep a few each.
func (c ceilings) httpConns() int { return int(max(1, min(httpMost, c.least()/httpShare/httpBytes))) }

// events is how many bytes of events may wait for delivery.
func (c ceilings) events() int { return int(max(1, min(eventMost, c.least()/eventShare))) }

// missing says what b has not got.
func (c ceilings) missing(b budget) string {
	name, what, have, need := c.memoryName, "memory", c.memory, b.most()
	if b.most() <= c.memory {
		name, what, have, need = "GOMEMLIMIT", "memory in Go's heap", c.heap, b.heap()
	}
	return fmt.Sprintf("%d connections may come to need %s of %s, and %s is %s", b.conns, mebibytes(need), what, name, mebibytes(have))
}

// check says what is missing and what to change.
func (c ceilings) check(l load) error {
	b := l.budget()
	if c.holds(b) {
		return nil
	}
	missing := fmt.Sprintf("%s:\n%s", c.missing(b), b)
	const overcommit = "or start with --overcommit when they will not all be at their limits at once"
	if room := c.room(l); room >= connectionsMin {
		return exitf(exitMemory, "%sgive it more, lower --max-connections to %d, %s", missing, room, overcommit)
	}
	return exitf(exitMemory, "%sfewer connections would not do, the rest is too much already: give it more, lower --max-held, %s", missing, overcommit)
}

// room is for how many connections there is memory, all else being equal; 0 when
// there is none even for one.
func (c ceilings) room(l load) int {
	return sort.Search(l.server.Limits.Conns, func(n int) bool { return !c.holds(l.of(n + 1).budget()) })
}

// fit returns l, or what of it there is memory for: fewer connections, unless their
// number was asked for. It fails when that is not enough.
func (c ceilings) fit(l load, asked int, overcommit bool) (load, error) {
	if overcommit || c.holds(l.budget()) {
		return l, nil
	}
	if room := c.room(l); asked == 0 && room >= connectionsMin {
		return l.of(room), nil
	}
	return l, c.check(l)
}

// grow returns what a server that was started for one load can have instead of another:
// with fewer connections, unless their number was asked for or more than that are there.
// What is less than before is always welcome, also where the machine was given less
// meanwhile.
func (c ceilings) grow(from, to load, asked, present int) (load, error) {
	b := to.budget()
	if c.holds(b) {
		return to, nil
	}
	if room := c.room(to); asked == 0 && room >= max(connectionsMin, present) {
		return to.of(room), nil
	}
	if less := to.of(from.server.Limits.Conns); less.budget().most() <= from.budget().most() {
		return less, nil
	}
	return to, fmt.Errorf("%s: have fewer apps or let them keep less (limits.cache, limits.history, webhooks), or restart with less of something else, more memory or --overcommit", c.missing(b))
}

// thisMachine is the one that the process runs on.
func thisMachine() *machine { return &machine{files: os.DirFS("/"), pid: "self"} }
