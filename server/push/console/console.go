// Package console is what an operator sees in a browser: counters and charts,
// apps, channels, why connections ended, a live feed of one app's events, and a
// form to send one.
//
// It asks nobody for a password and does not know who may see it: whoever mounts
// it does. It shows what passes through the apps, and none of their secrets.
package console

import (
	_ "embed"
	"net/http"
	"sync"
	"time"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/csp"
)

//go:embed console.html
var source []byte

// Config says what a Console shows.
type Config struct {
	Server  *server.Server
	Hub     *push.Hub
	Version string // stands at the top, if there is one
}

// Console serves the page at / and what it asks for below /console/. Make one with New.
type Console struct {
	config  Config
	began   time.Time
	handler http.Handler
	closed  chan struct{}
	once    sync.Once
	tops    tops
}

// New returns a Console.
func New(config Config) *Console {
	c := &Console{config: config, began: time.Now(), closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.page)
	mux.HandleFunc("GET /console/state", c.state)
	mux.HandleFunc("GET /console/feed", c.feed)
	mux.HandleFunc("POST /console/events", c.send)
	c.handler = mux
	return c
}

// Close ends the feeds, which would go on for as long as somebody looks.
func (c *Console) Close() { c.once.Do(func() { close(c.closed) }) }

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if !sameOrigin(r) {
		http.Error(w, "Only the console's own page may ask this.", http.StatusForbidden)
		return
	}
	c.handler.ServeHTTP(w, r)
}

// crossOrigin knows requests that change something on behalf of another site.
var crossOrigin = http.NewCrossOriginProtection()

// sameOrigin reports whether no other site's page made the request. Reading is
// left to that page's browser, which does not let it, but a feed that nobody reads
// takes a place from somebody who would.
func sameOrigin(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if r.URL.Path != "/" && site != "" && site != "same-origin" && site != "none" {
		return false
	}
	return crossOrigin.Check(r) == nil
}

func (c *Console) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.Write(source)
}

// policy lets the page run its own script and style and ask this server.
var policy = csp.Inline(source, "'self'")
