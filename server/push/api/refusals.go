package api

import (
	"net/http"
	"sync/atomic"
)

// refusals counts the answers that are errors. Which statuses there are is known
// beforehand: nothing that callers send makes another.
type refusals struct {
	counts [len(refusalStatuses)]atomic.Uint64
}

// refusalStatuses are those that the API answers with. Of others, which only a
// fallback has, the first of each class stands for them.
var refusalStatuses = [...]int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
	http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
	http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

func (r *refusals) count(status int) {
	class := -1
	for i, s := range refusalStatuses {
		if s == status {
			class = i
			break
		}
		if class < 0 && s/100 == status/100 {
			class = i
		}
	}
	if class >= 0 {
		r.counts[class].Add(1)
	}
}

// Refusals returns how many answers were errors, by status, those of Fallback included.
func (h *Handler) Refusals() map[int]uint64 {
	all := make(map[int]uint64, len(refusalStatuses))
	for i, status := range refusalStatuses {
		all[status] = h.refused.counts[i].Load()
	}
	return all
}

// counted is a ResponseWriter whose status is counted when it is a refusal.
type counted struct {
	http.ResponseWriter
	refused *refusals
	wrote   bool
}

func (c *counted) WriteHeader(status int) {
	if !c.wrote && status >= http.StatusOK {
		c.wrote = true
		c.refused.count(status)
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(b []byte) (int, error) {
	c.wrote = true // with 200, if there was no status before
	return c.ResponseWriter.Write(b)
}

// Flush makes a counted an http.Flusher, as whatever is behind it is.
func (c *counted) Flush() {
	c.wrote = true
	_ = http.NewResponseController(c.ResponseWriter).Flush() // a Flusher cannot say that there is none
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
