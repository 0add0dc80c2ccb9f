package demo

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"unicode"

	"github.com/roost-ws/roost/server/push"
)

const (
	formBytes = 4 << 10 // of a call for an authorisation
	nameRunes = 24      // of a person's name
)

// rooms are the channels that anybody may enter.
var rooms = map[string]bool{"presence-chat": true, "presence-whiteboard": true}

// authorise is what a customer's own backend does, but that it asks nobody who
// they are: the connection itself is the user, so nobody can pose as another,
// under whatever name they go.
func (d *Demos) authorise(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytes)
	socket, channel := r.PostFormValue("socket_id"), r.PostFormValue("channel_name")
	id, ok := push.ParseSocketID(socket)
	switch {
	case !ok || id == (push.SocketID{}):
		http.Error(w, "This is no socket id of this server.", http.StatusBadRequest)
		return
	case !rooms[channel]:
		http.Error(w, "The demos have no such channel.", http.StatusForbidden)
		return
	case !d.mayAuthorise():
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Too many come at once: try again.", http.StatusTooManyRequests)
		return
	}
	data, err := json.Marshal(map[string]any{
		"user_id": socket, "user_info": map[string]string{"name": personName(r.PostFormValue("name"))},
	})
	if err != nil {
		http.Error(w, "Internal error", http.StatusInternalServerError)
		return
	}
	mac := hmac.New(sha256.New, []byte(d.app.Secret))
	mac.Write([]byte(socket + ":" + channel + ":" + string(data)))
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{ // or the reader is gone
		"auth": d.app.Key + ":" + hex.EncodeToString(mac.Sum(nil)), "channel_data": string(data),
	})
}

func (d *Demos) mayAuthorise() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.authorising.Take(d.now(), authorisations)
}

// personName is what somebody wants to be called, without what would disturb others.
func personName(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1 // among them what turns the writing around
		}
		return r
	}, name))
	if runes := []rune(name); len(runes) > nameRunes {
		name = strings.TrimSpace(string(runes[:nameRunes]))
	}
	if name == "" {
		return "Nobody"
	}
	return name
}
