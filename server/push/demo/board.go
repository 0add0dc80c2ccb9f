package demo

import (
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/roost-ws/roost/server/push"
)

// tickEvery is how often the ticker has news for those who look.
const tickEvery = time.Second

// score is what the score board shows.
type score struct {
	Home int    `json:"home"`
	Away int    `json:"away"`
	Goal string `json:"goal,omitempty"` // who scored last
}

const maxGoals = 99 // a digit more and the board is too small

// goal counts one, for {"team": "home"} or "away", and starts again for "".
func (d *Demos) goal(w http.ResponseWriter, r *http.Request) {
	var call struct{ Team string }
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, formBytes))
	if err == nil {
		err = json.Unmarshal(body, &call)
	}
	d.mu.Lock()
	defer d.mu.Unlock() // held while it is published, so that scores arrive in order
	next := d.score
	switch {
	case err != nil:
	case call.Team == "home" && next.Home < maxGoals:
		next.Home++
	case call.Team == "away" && next.Away < maxGoals:
		next.Away++
	case call.Team == "":
		next = score{}
	default:
		http.Error(w, "This team cannot score.", http.StatusBadRequest)
		return
	}
	switch {
	case err != nil:
		http.Error(w, "This is not what the page sends.", http.StatusBadRequest)
		return
	case !d.scoring.Take(d.now(), goals):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Nobody scores that fast.", http.StatusTooManyRequests)
		return
	}
	next.Goal = call.Team
	if err := publish(d.hub, "cache-score", "score", next); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	d.score = next
	w.WriteHeader(http.StatusNoContent)
}

// publish sends one event to a channel of the demos.
func publish(hub *push.Hub, channel, name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return hub.Publish(appID, push.Event{Channels: []string{channel}, Name: push.Quote(name), Data: push.Quote(string(text))})
}

// tick publishes prices while somebody looks, until Close.
func (d *Demos) tick(hub *push.Hub) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	prices := map[string]float64{"EGG": 3.20, "SEED": 11.75, "TWIG": 0.89, "WORM": 42.00, "NEST": 128.50, "WIND": 7.77}
	for {
		select {
		case <-d.stop:
			return
		case <-ticker.C:
		}
		if info, err := hub.Channel(appID, "cache-ticker"); err != nil || info.Subscriptions == 0 {
			continue
		}
		walk(prices)
		_ = publish(hub, "cache-ticker", "prices", prices) // or the server is busy, and this can wait
	}
}

// walk moves every price by up to two percent, in whole cents.
func walk(prices map[string]float64) {
	for name, price := range prices {
		price *= 1 + (rand.Float64()-0.5)*0.04
		prices[name] = max(0.05, math.Round(price*100)/100)
	}
}
