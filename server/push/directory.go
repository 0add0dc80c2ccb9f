package push

import (
	"sync"
	"unsafe"

	"github.com/roost-ws/roost/server/push/internal/rate"
)

// channel is one channel of one app for as long as it has subscribers. All of
// it is guarded by the stripe of the directory that it is in.
type channel struct {
	name string
	// rosters is the first of a list with one for each loop that has subscribers.
	rosters *roster
	// serial is the number of the last message that was handed to the rosters.
	serial uint64
	// What the name says, as in channelKind.
	presence, cache, user bool
	// followed means that a subscriber gets the ids of events, or did.
	followed bool
	// count is how many connections are subscribed.
	count int32
	// special is what only some channels need; nil for others.
	special *special
}

// channelBytesMax is the memory of a channel beside its subscribers: with one
// channel per user there are as many as there are connections.
const channelBytesMax = 48

const _ = uint(channelBytesMax - unsafe.Sizeof(channel{})) // does not compile when exceeded

// special is the state of a channel that is more than its subscribers.
type special struct {
	// members are the users on a presence channel, by id; otherwise nil.
	members map[string]*member
	// countOnly is a presence channel of which members learn only the number.
	countOnly bool
	// told is when subscribers were last told how many they are, in Unix
	// nanoseconds; due means that they are owed the current number.
	told   int64
	due    bool
	counts rate.Rate // of telling them without a wait
	// missed is when somebody last found a cache channel empty, in Unix
	// nanoseconds; 0 after an event.
	missed int64
}

func (ch *channel) rarely() *special {
	if ch.special == nil {
		ch.special = &special{}
	}
	return ch.special
}

// directory is the channels of one app. It is split into stripes by name, each
// with a lock of its own, held for a lookup and never while anything is sent.
type directory struct {
	stripes [directoryStripes]stripe
}

const directoryStripes = 64

type stripe struct {
	mu       sync.Mutex
	channels channelSet // guarded by mu
}

func (d *directory) stripe(name string) *stripe {
	return &d.stripes[hashOf(name)%directoryStripes]
}

// make returns the named channel, new if need be. s is locked.
func (s *stripe) make(name string) (ch *channel, isNew bool) {
	if ch = s.channels.get(name); ch != nil {
		return ch, false
	}
	kind := kindOf(name)
	ch = &channel{name: name, presence: kind.presence, cache: kind.cache, user: kind.user}
	s.channels.put(ch)
	return ch, true
}

// rosterOn returns the channel's roster on the given loop, new if need be. From
// here on, every message of the channel goes to that roster.
func (ch *channel) rosterOn(loop int) *roster {
	for r := ch.rosters; r != nil; r = r.next {
		if int(r.loop) == loop {
			return r
		}
	}
	ch.rosters = &roster{channel: ch, loop: int32(loop), next: ch.rosters}
	return ch.rosters
}

// drop takes an empty roster out of the channel.
func (ch *channel) drop(r *roster) {
	at := &ch.rosters
	for *at != r {
		at = &(*at).next
	}
	*at, r.next = r.next, nil
}

// size is how many channels there are.
func (d *directory) size() (n int) {
	for i := range d.stripes {
		s := &d.stripes[i]
		s.mu.Lock()
		n += s.channels.n
		s.mu.Unlock()
	}
	return n
}
