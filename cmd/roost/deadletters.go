package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/roost-ws/roost/server/push/webhook"
)

// The limits of calls about dead letters.
const (
	letterPage      = 100       // letters in an answer, unless the call says how many
	letterPageMax   = 1000      // whatever it says
	letterCallBytes = 256 << 10 // of a call: it may name all letters there can be
)

// deadLetters is where operators see which webhooks were given up, and have them
// tried again or thrown away.
type deadLetters struct{ sender *webhook.Sender }

// handler keeps pages of other sites from making their visitors' browsers call.
func (d deadLetters) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /webhooks/dead-letters", d.list)
	mux.HandleFunc("POST /webhooks/dead-letters/requeue", d.change("requeued", d.sender.Requeue))
	mux.HandleFunc("POST /webhooks/dead-letters/discard", d.change("discarded", d.sender.Discard))
	return http.NewCrossOriginProtection().Handler(mux)
}

// deadLetter is one of them in an answer.
type deadLetter struct {
	ID       uint64          `json:"id"`
	App      string          `json:"app"`
	URL      string          `json:"url"`
	Created  time.Time       `json:"created"`
	Died     time.Time       `json:"died"`
	Attempts int             `json:"attempts"`
	Reason   string          `json:"reason"`
	Body     json.RawMessage `json:"body"`
}

// list answers with a page of letters, the oldest first, and how many there are.
func (d deadLetters) list(w http.ResponseWriter, r *http.Request) {
	skip, limit := 0, letterPage
	for name, value := range map[string]*int{"skip": &skip, "limit": &limit} {
		text := r.FormValue(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			http.Error(w, name+": a whole number, please.", http.StatusBadRequest)
			return
		}
		*value = n
	}
	page := []deadLetter{}
	for _, l := range d.sender.DeadLetters(skip, min(limit, letterPageMax)) {
		page = append(page, deadLetter{l.ID, l.App, l.URL, l.Created, l.Died, l.Attempts, l.Reason, l.Body})
	}
	answerJSON(w, map[string]any{"dead_letters": page, "total": d.sender.Stats().DeadLetters})
}

// change does something to the letters that a call names, or to all.
func (d deadLetters) change(done string, do func(ids ...uint64) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			IDs []uint64 `json:"ids"`
			All bool     `json:"all"`
		}
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, letterCallBytes)).Decode(&call)
		if err != nil || call.All == (len(call.IDs) > 0) {
			http.Error(w, `Say which: {"ids": [1, 2]} or {"all": true}.`, http.StatusBadRequest)
			return
		}
		if call.All {
			call.IDs = d.sender.DeadLetterIDs()
		}
		answerJSON(w, map[string]any{done: do(call.IDs...), "total": d.sender.Stats().DeadLetters})
	}
}

func answerJSON(w http.ResponseWriter, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, "Internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	fmt.Fprintf(w, "%s\n", text) // or the reader is gone
}
