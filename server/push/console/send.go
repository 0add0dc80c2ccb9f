package console

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/roost-ws/roost/server/push"
)

// sendBytes is the most that one event of the form may have, with its names.
const sendBytes = 256 << 10

// send publishes one event for the form.
func (c *Console) send(w http.ResponseWriter, r *http.Request) {
	// A form of another site can send other types without asking first.
	if r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "Send JSON.", http.StatusUnsupportedMediaType)
		return
	}
	var event struct{ App, Channel, Name, Data string }
	var over *http.MaxBytesError
	switch err := json.NewDecoder(http.MaxBytesReader(w, r.Body, sendBytes)).Decode(&event); {
	case errors.As(err, &over):
		http.Error(w, "The event is too large for this form.", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "This is not the JSON that the form sends.", http.StatusBadRequest)
		return
	}
	err := c.config.Hub.Publish(event.App, push.Event{
		Channels: []string{event.Channel}, Name: push.Quote(event.Name), Data: push.Quote(event.Data),
	})
	var refused *push.EventError
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, push.ErrNoApp):
		http.Error(w, "There is no app with this id.", http.StatusNotFound)
	case errors.As(err, &refused) && refused.Fault == push.TooLarge:
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	case errors.As(err, &refused) && refused.Fault == push.Overloaded:
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}
