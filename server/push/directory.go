package push

import (
	"hash/maphash"
	"slices"
	"sync"
)

// channel is one channel of one app for as long as it has subscribers.
type channel struct {
	name string
	// rosters has one entry for each loop that has subscribers. It is guarded
	// by the stripe of the directory that the channel is in.
	rosters []*roster
}

// directory is the channels of one app. It is split into stripes by name, each
// with a lock of its own, held for a lookup and never while anything is sent.
type directory struct {
	stripes [directoryStripes]stripe
}

const directoryStripes = 64

type stripe struct {
	mu       sync.Mutex
	channels map[string]*channel // guarded by mu; nil until there is one
}

var directorySeed = maphash.MakeSeed()

func (d *directory) stripe(name string) *stripe {
	return &d.stripes[maphash.String(directorySeed, name)%directoryStripes]
}

// join returns the roster of the named channel on the given loop, made if need
// be. From here on, every event published to the channel goes to that roster. It
// is called on the loop's goroutine.
func (d *directory) join(name string, loop int) *roster {
	s := d.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channels[name]
	if ch == nil {
		if s.channels == nil {
			s.channels = make(map[string]*channel)
		}
		ch = &channel{name: name}
		s.channels[name] = ch
	}
	for _, r := range ch.rosters {
		if r.loop == loop {
			return r
		}
	}
	r := &roster{channel: ch, loop: loop}
	ch.rosters = append(ch.rosters, r)
	return r
}

// leave takes a roster that has become empty out of the directory, and its
// channel with the last one. It is called on the roster's loop, so nobody can
// have joined meanwhile. Events that were published before still go to r, where
// nobody is left; whoever joins again gets a new roster and only later events.
func (d *directory) leave(r *roster) {
	s := d.stripe(r.channel.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := r.channel
	i := slices.Index(ch.rosters, r)
	ch.rosters = slices.Delete(ch.rosters, i, i+1)
	if len(ch.rosters) == 0 {
		delete(s.channels, ch.name)
	}
}

// hand calls put for every roster of the named channel. The channel stays
// locked, so two events enter all inboxes in the same order. put must not block.
func (d *directory) hand(name string, put func(*roster)) {
	s := d.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.channels[name]; ch != nil {
		for _, r := range ch.rosters {
			put(r)
		}
	}
}

// size is how many channels there are.
func (d *directory) size() (n int) {
	for i := range d.stripes {
		s := &d.stripes[i]
		s.mu.Lock()
		n += len(s.channels)
		s.mu.Unlock()
	}
	return n
}
