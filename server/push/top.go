package push

import (
	"cmp"
	"slices"
)

// TopChannels returns the n channels with the most subscriptions, the largest
// first, and how many channels there are. It looks at all of them, so it is
// nothing to do often; users' own channels are left out, as in Channels.
func (h *Hub) TopChannels(appID string, n int) (top []ChannelInfo, all int, err error) {
	a := h.apps.Load().byID[appID]
	if a == nil {
		return nil, 0, ErrNoApp
	}
	for i := range a.directory.stripes {
		s := &a.directory.stripes[i]
		s.mu.Lock()
		all += s.channels.n
		for ch := range s.channels.all() {
			if !ch.user && (len(top) < n || n > 0 && int(ch.count) > top[len(top)-1].Subscriptions) {
				top = insertTop(top, n, ch.info())
			}
		}
		s.mu.Unlock()
	}
	return top, all, nil
}

// insertTop puts info into its place among at most n.
func insertTop(top []ChannelInfo, n int, info ChannelInfo) []ChannelInfo {
	at, _ := slices.BinarySearchFunc(top, info, func(x, y ChannelInfo) int {
		return cmp.Or(cmp.Compare(y.Subscriptions, x.Subscriptions), cmp.Compare(x.Name, y.Name))
	})
	if len(top) == n {
		top = top[:n-1]
	}
	return slices.Insert(top, at, info)
}
