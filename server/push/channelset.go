package push

import (
	"hash/maphash"
	"iter"
)

// channelSet is channels by name. A map would keep every name and pointer once
// more; with a channel for each client that is as much as the subscription itself. This
// is a table of pointers, in which a channel stands at the place its name hashes to, or
// at the next one that was free.
type channelSet struct {
	slots []*channel // a power of two of them, at least a quarter free; nil until there is a channel
	n     int
}

const channelSetMin = 8 // slots

// place is where the named channel stands, or where it would.
func (s *channelSet) place(name string) int {
	i := s.home(name)
	for s.slots[i] != nil && s.slots[i].name != name {
		i = s.after(i)
	}
	return i
}

func (s *channelSet) home(name string) int {
	return int(hashOf(name) / directoryStripes & uint64(len(s.slots)-1))
}

func (s *channelSet) after(i int) int { return (i + 1) & (len(s.slots) - 1) }

// get returns the named channel, or nil.
func (s *channelSet) get(name string) *channel {
	if s.n == 0 {
		return nil
	}
	return s.slots[s.place(name)]
}

// put adds a channel that is not there.
func (s *channelSet) put(ch *channel) {
	if 4*(s.n+1) > 3*len(s.slots) {
		s.resize(max(channelSetMin, 2*len(s.slots)))
	}
	s.slots[s.place(ch.name)] = ch
	s.n++
}

// remove takes a channel out that is there. Those behind it that would no longer
// be found move up.
func (s *channelSet) remove(ch *channel) {
	hole := s.place(ch.name)
	s.slots[hole] = nil
	s.n--
	for i := s.after(hole); s.slots[i] != nil; i = s.after(i) {
		// It may stand anywhere from its home on, but not in front of that.
		if home := s.home(s.slots[i].name); (i-home)&(len(s.slots)-1) >= (i-hole)&(len(s.slots)-1) {
			s.slots[hole], s.slots[i] = s.slots[i], nil
			hole = i
		}
	}
	switch {
	case s.n == 0:
		s.slots = nil
	case 8*s.n < len(s.slots):
		s.resize(len(s.slots) / 2)
	}
}

func (s *channelSet) resize(size int) {
	old := s.slots
	s.slots = make([]*channel, max(channelSetMin, size))
	for _, ch := range old {
		if ch != nil {
			s.slots[s.place(ch.name)] = ch
		}
	}
}

// all yields every channel, in no order. The set must not change meanwhile.
func (s *channelSet) all() iter.Seq[*channel] {
	return func(yield func(*channel) bool) {
		for _, ch := range s.slots {
			if ch != nil && !yield(ch) {
				return
			}
		}
	}
}

var directorySeed = maphash.MakeSeed()

func hashOf(name string) uint64 { return maphash.String(directorySeed, name) }
