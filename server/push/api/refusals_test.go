package api

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Row U6: every refusal is in a counter of its status, and no caller makes a new one.
func TestRefusalsAreCounted(t *testing.T) {
	h := newHandler(t)
	h.Fallback = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/teapot":
			w.WriteHeader(http.StatusEarlyHints) // which is no answer yet
			w.WriteHeader(http.StatusTeapot)
		case "/bad-gateway":
			w.WriteHeader(http.StatusBadGateway)
		case "/late":
			io.WriteString(w, "fine")
			w.WriteHeader(http.StatusNotFound) // too late to be sent
		case "/flushed":
			w.(http.Flusher).Flush()
			w.WriteHeader(http.StatusNotFound)
		default:
			http.NotFound(w, r)
		}
	})
	before := h.Refusals()
	want := maps.Clone(before)
	for _, c := range []struct {
		target, body string
		counted      int
	}{
		{signed("POST", "/apps/3/events", goodBody, nil), goodBody, 0},
		{"/apps/3/events", goodBody, 401},
		{signed("POST", "/apps/3/events", "{}", nil), "{}", 400},
		{signed("POST", "/apps/3/events", goodBody, nil), strings.Repeat("x", 1<<20), 413},
		{"/apps/3/nothing", "", 404}, {"/apps/9/events", "", 404}, {"/apps/3/channels", "", 405},
		{"/nothing", "", 404}, {"/teapot", "", 400}, {"/bad-gateway", "", 500}, {"/late", "", 0}, {"/flushed", "", 0},
	} {
		do(h, "POST", c.target, c.body)
		if c.counted > 0 {
			want[c.counted]++
		}
		if got := h.Refusals(); !maps.Equal(got, want) {
			t.Fatalf("after %.60s: %v, want %v", c.target, got, want)
		}
	}
	if names := slices.Sorted(maps.Keys(before)); len(names) != len(refusalStatuses) || !slices.Equal(names, slices.Sorted(maps.Keys(h.Refusals()))) {
		t.Errorf("statuses %v before, %v after", before, h.Refusals())
	}
}
