package page

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/rate"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

const (
	sendRate  = 10      // events a second, and at once, by all pages together
	bodyBytes = 8 << 10 // of one event
)

// demo publishes what pages send. It is the one way to publish without a
// signature, so it can do very little.
type demo struct {
	page *Page
	now  func() time.Time // but in tests, time.Now

	mu   sync.Mutex
	rate rate.Rate // guarded by mu
}

// crossOrigin knows requests on behalf of another site.
var crossOrigin = http.NewCrossOriginProtection()

func (d *demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := crossOrigin.Check(r); err != nil {
		http.Error(w, "Only this server's own page may send here.", http.StatusForbidden)
		return
	}
	// A form of another site can send other types without asking first.
	if r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "Send JSON.", http.StatusUnsupportedMediaType)
		return
	}
	if !d.take() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "The page sends too fast: wait a second.", http.StatusTooManyRequests)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytes))
	if err != nil {
		http.Error(w, "The event is too large for this page.", http.StatusRequestEntityTooLarge)
		return
	}
	text, err := rawjson.Parse(body)
	var fields [2]push.JSON
	if err == nil {
		err = text.Pick(fields[:], "name", "data")
	}
	if err == nil {
		err = d.page.hub.Publish(d.page.App(), push.Event{Channels: []string{Channel}, Name: fields[0], Data: fields[1]})
	}
	var refused *push.EventError
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &refused) && refused.Fault == push.Overloaded:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// take reports whether one more event may be sent now.
func (d *demo) take() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rate.Take(d.now(), sendRate)
}
