package push

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// ChannelInfo is what there is to know of a channel.
type ChannelInfo struct {
	Name          string
	Subscriptions int // connections
	Users         int // on a presence channel, distinct users
	// Cached is the last event of a cache channel; nil when there is none.
	Cached *CachedEvent
}

// CachedEvent is the event that a cache channel keeps.
type CachedEvent struct {
	Data string // decoded, as it was published
	TTL  time.Duration
}

// ChannelTraits is what the name of a channel says about it.
type ChannelTraits struct{ Presence, Cache bool }

// Traits reads the prefixes of a channel's name. ok is false for a name that no
// channel has which the API may ask for.
func Traits(name string) (t ChannelTraits, ok bool) {
	kind := kindOf(name)
	return ChannelTraits{Presence: kind.presence, Cache: kind.cache}, validChannelName(name)
}

// Channel returns what is known of one channel. A channel without subscribers
// may still have an event cached.
func (h *Hub) Channel(appID, name string) (ChannelInfo, error) {
	info := ChannelInfo{Name: name}
	a := h.apps.Load().byID[appID]
	if a == nil {
		return info, ErrNoApp
	}
	s := a.directory.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.channels.get(name); ch != nil {
		info = ch.info()
	}
	if kindOf(name).cache {
		now := h.now()
		if c := a.cache.get(name, now); c != nil {
			info.Cached = &CachedEvent{Data: string(c.data), TTL: c.expires.Sub(now)}
		}
	}
	return info, nil
}

// info is what is known of ch, which is locked.
func (ch *channel) info() ChannelInfo {
	info := ChannelInfo{Name: ch.name, Subscriptions: int(ch.count)}
	if ch.presence {
		info.Users = len(ch.special.members)
	}
	return info
}

// Channels returns the channels that have subscribers and whose names begin with
// prefix, by name. Users' own channels are not among them.
func (h *Hub) Channels(appID, prefix string) ([]ChannelInfo, error) {
	a := h.apps.Load().byID[appID]
	if a == nil {
		return nil, ErrNoApp
	}
	var infos []ChannelInfo
	for i := range a.directory.stripes {
		s := &a.directory.stripes[i]
		s.mu.Lock()
		for ch := range s.channels.all() {
			if !ch.user && strings.HasPrefix(ch.name, prefix) {
				infos = append(infos, ch.info())
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(infos, func(x, y ChannelInfo) int { return strings.Compare(x.Name, y.Name) })
	return infos, nil
}

// Users returns the ids of the users on a presence channel, sorted.
func (h *Hub) Users(appID, name string) ([]string, error) {
	a := h.apps.Load().byID[appID]
	if a == nil {
		return nil, ErrNoApp
	}
	s := a.directory.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.channels.get(name)
	if ch == nil || ch.special == nil {
		return nil, nil
	}
	return slices.Sorted(maps.Keys(ch.special.members)), nil
}
