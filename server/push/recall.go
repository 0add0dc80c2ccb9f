package push

import (
	"errors"
	"strconv"
)

// MaxRecall is how many events History returns at most.
const MaxRecall = 1000

// ErrNoHistory is what History returns for a channel that no rule matches.
var ErrNoHistory = errors.New("push: the channel keeps no history")

// Recalled is what a channel's history holds.
type Recalled struct {
	// ID is where the channel is: the id of its last event. Empty while nothing
	// was published and nobody wanted to resume.
	ID string
	// Complete means that Events are all that came after since, or all but what More
	// is about. Otherwise some are gone, or since is no id of this channel's, and
	// there are none.
	Complete bool
	// More means that there are later events: ask again, since the last of these.
	More   bool
	Events [][]byte // each as subscribers receive it, with its id and its time in Unix milliseconds
}

// History returns at most limit events of a channel, the oldest first: those that came
// after the one with the id since, or the last ones when since is empty.
func (h *Hub) History(appID, channel, since string, limit int) (Recalled, error) {
	a := h.apps.Load().byID[appID]
	if a == nil {
		return Recalled{}, ErrNoApp
	}
	config := a.config.Load()
	rule := config.historyRule(channel)
	if rule == nil {
		return Recalled{}, ErrNoHistory
	}
	id, events, complete := a.history.recall(channel, since, rule, &config.Limits, h.now())
	r := Recalled{Complete: complete}
	if id != (position{}) {
		r.ID = id.String()
	}
	if limit = min(max(limit, 0), MaxRecall); len(events) > limit {
		if since == "" {
			events = events[len(events)-limit:]
		} else {
			events, r.More = events[:limit], true
		}
	}
	for _, k := range events {
		r.Events = append(r.Events, k.recall())
	}
	return r, nil
}

// recall appends the event's time to what subscribers receive.
func (k *kept) recall() []byte {
	b := k.append(make([]byte, 0, len(k.frame)+96))
	b = append(b[:len(b)-1], `,"time_ms":`...)
	b = strconv.AppendInt(b, k.at.UnixMilli(), 10)
	return append(b, '}')
}
