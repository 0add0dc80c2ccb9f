// Package page is what a person sees who opens the server's address in a
// browser: a client that connects, shows events as they arrive, and explains how
// to do the same.
//
// It holds no secret. What it sends goes through an endpoint of its own, which
// publishes to one channel, seldom, for pages of the same origin, and only if
// Config.Demo says so: on a server for development.
//
// Beside it lies the plugin with which pusher-js catches up with what it missed.
package page

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/csp"
)

//go:embed page.html
var source []byte

// Channel is the one channel that the page sends to.
const Channel = "demo"

// Config says what the page shows. The zero value shows it without sending.
type Config struct {
	// Demo lets everyone who can open the page send events to Channel, at most
	// sendRate a second between them. It is for development.
	Demo bool
	// Console is where a browser on the server's own machine finds the console.
	// The page of a server for development links it, and the demos.
	Console string
	// Version stands at the top, if there is one.
	Version string
}

// Page serves one app's page. Make it with New.
type Page struct {
	hub    *push.Hub
	app    atomic.Pointer[string] // its id
	config Config
	routes *http.ServeMux
}

// New returns the page for an app of hub, at /, with its endpoint at /demo/events,
// and the plugin for pusher-js at /roost.js and /roost.min.js. Everything else is 404, so that it can be the api.Handler's Fallback.
func New(hub *push.Hub, appID string, config Config) (*Page, error) {
	if _, ok := hub.App(appID); !ok {
		return nil, fmt.Errorf("page: %w: %s", push.ErrNoApp, appID)
	}
	p := &Page{hub: hub, config: config, routes: http.NewServeMux()}
	p.Show(appID)
	p.routes.HandleFunc("GET /{$}", p.page)
	p.routes.HandleFunc("GET /roost.js", script(plugin))
	p.routes.HandleFunc("GET /roost.min.js", script(pluginMin))
	if config.Demo {
		p.routes.Handle("POST /demo/events", &demo{page: p, now: time.Now})
	}
	return p, nil
}

// Show makes it the page of an app, which the hub has or is about to have.
func (p *Page) Show(appID string) { p.app.Store(&appID) }

// App is the id of the app whose page it is.
func (p *Page) App() string { return *p.app.Load() }

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.routes.ServeHTTP(w, r) }

// page shows the app as it is now: its key may change while it is served.
func (p *Page) page(w http.ResponseWriter, _ *http.Request) {
	app, ok := p.hub.App(p.App())
	if !ok {
		http.Error(w, "The app of this page is not served any more.", http.StatusServiceUnavailable)
		return
	}
	html, err := render(app, p.config)
	if err != nil {
		http.Error(w, "Internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(html)
}

// render puts what the page has to know into it. The JSON stands in a script
// element; json.Marshal writes the characters that could end it as escapes.
func render(app push.App, config Config) ([]byte, error) {
	values, err := json.Marshal(map[string]any{
		"app": app.ID, "key": app.Key, "channel": Channel, "demo": config.Demo, "version": config.Version, "console": config.Console,
	})
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return bytes.Replace(source, []byte("{{config}}"), values, 1), nil
}

// policy lets the page run its own script and style and talk to this server.
var policy = csp.Inline(source, "'self' ws: wss:")
