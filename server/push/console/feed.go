package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/roost-ws/roost/server/push"
)

const (
	feedEvery   = 200 * time.Millisecond // how often a feed is written, when there is something
	feedQuiet   = 15 * time.Second       // after that something is written all the same, to see who is gone
	feedTimeout = 10 * time.Second       // for one write
)

// portion is what one write of a feed shows.
type portion struct {
	Items   []happening
	Skipped uint64 // since the feed began
}

type happening struct {
	push.Happening
	At int64 // Unix milliseconds
}

// feed streams what happens in an app as server-sent events, for as long as
// somebody reads. What it holds is bounded by the Watch.
func (c *Console) feed(w http.ResponseWriter, r *http.Request) {
	// In a storm of people who come back, they must not take the place of events.
	kinds := []string{push.WatchEvent, push.WatchClientEvent}
	if r.URL.Query().Has("all") {
		kinds = nil
	}
	watch, err := c.config.Hub.Watch(r.URL.Query().Get("app"), kinds...)
	switch {
	case errors.Is(err, push.ErrTooManyWatches):
		w.Header().Set("Retry-After", "5")
		http.Error(w, fmt.Sprintf("%d feeds are open, which is as many as there may be.", push.MaxWatches), http.StatusServiceUnavailable)
		return
	case err != nil:
		http.Error(w, "There is no app with this id.", http.StatusNotFound)
		return
	}
	defer watch.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it to itself
	out := http.NewResponseController(w)
	if out.Flush() != nil { // so that the page knows that it is there
		return
	}
	ticker := time.NewTicker(feedEvery)
	defer ticker.Stop()
	fresh := portion{Items: []happening{}}
	skipped, written := uint64(0), time.Now()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-c.closed:
			return
		case h := <-watch.Happenings():
			fresh.Items = append(fresh.Items, happening{h, h.At.UnixMilli()})
		case now := <-ticker.C:
			fresh.Skipped = watch.Skipped()
			if len(fresh.Items) == 0 && fresh.Skipped == skipped && now.Sub(written) < feedQuiet {
				continue
			}
			text, err := json.Marshal(&fresh)
			if err != nil {
				return // there is nothing in it that JSON does not know
			}
			_ = out.SetWriteDeadline(now.Add(feedTimeout)) // not every ResponseWriter can; then the kernel's holds
			if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil || out.Flush() != nil {
				return
			}
			fresh.Items, skipped, written = fresh.Items[:0], fresh.Skipped, now
		}
	}
}
