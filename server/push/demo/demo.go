// Package demo shows what a push server is for: a chat, a score board with a
// ticker, and a whiteboard, on stock pusher-js.
//
// The pages use an app of their own, so that nothing of anybody else's is within
// their reach. Everybody who can open them may use them: that is what its
// authorisation endpoint is for, and why a server should have them only where
// somebody tries things out. The app's secret is made at the start and known to nobody.
package demo

import (
	"crypto/rand"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/internal/rate"
)

//go:embed web
var files embed.FS

// The app's id and key. No SDK is meant to use it, so they need not be digits.
const (
	appID  = "roost-demo"
	appKey = "roost-demo"
)

// The limits of the demos' app.
const (
	maxConnections = 200 // pages that are open at a time
	maxMembers     = 50  // people in the chat, and at the whiteboard
	maxDataBytes   = 16 << 10
	// clientEvents is for the whiteboard, where each sends thirty a second, and a
	// few more when somebody comes.
	clientEvents = 60
)

// Calls to the server from all pages together, a second.
const (
	authorisations = 50
	goals          = 10
)

// Demos serves the pages. Make it with New, add App to those of the hub, and
// then call Start.
type Demos struct {
	app     push.App
	handler http.Handler
	now     func() time.Time // but in tests, time.Now
	stop    chan struct{}
	once    sync.Once
	done    sync.WaitGroup

	mu          sync.Mutex
	hub         *push.Hub // guarded by mu, as is all below; nil before Start
	authorising rate.Rate
	scoring     rate.Rate
	score       score
}

// New returns the demos, with an app that has a secret of its own.
func New() *Demos {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails; crypto/rand ends the program instead
	d := &Demos{
		app: push.App{
			ID: appID, Key: appKey, Secret: hex.EncodeToString(secret), ClientEvents: true,
			Limits: push.AppLimits{
				Connections: maxConnections, ChannelsPerConnection: 4, DataBytes: maxDataBytes,
				PresenceMembers: maxMembers, MemberBytes: 512, ClientEventsPerSecond: clientEvents, CacheBytes: 64 << 10,
			},
		},
		now:  time.Now,
		stop: make(chan struct{}),
	}
	web, err := fs.Sub(files, "web")
	if err != nil {
		panic(err) // the name is a constant
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /demo/auth", d.authorise)
	mux.HandleFunc("POST /demo/goal", d.goal)
	mux.HandleFunc("GET /demo", toPages)
	mux.Handle("GET /demo/", http.StripPrefix("/demo/", pages(web)))
	d.handler = mux
	return d
}

// App is the app that the demos use.
func (d *Demos) App() push.App { return d.app }

// Start lets the ticker tick, on hub, which serves App.
func (d *Demos) Start(hub *push.Hub) {
	d.mu.Lock()
	d.hub = hub
	d.mu.Unlock()
	d.done.Go(func() { d.tick(hub) })
}

// Close stops the ticker.
func (d *Demos) Close() {
	d.once.Do(func() { close(d.stop) })
	d.done.Wait()
}

// policy lets the pages load what is beside them and talk to this server.
const policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; " +
	"connect-src 'self' ws: wss:; script-src 'self'; style-src 'self'"

// ServeHTTP serves /demo and what is below it.
func (d *Demos) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	// Other sites' pages could make their visitors' browsers score and speak.
	if err := crossOrigin.Check(r); err != nil {
		http.Error(w, "Only this server's own pages may ask this.", http.StatusForbidden)
		return
	}
	d.handler.ServeHTTP(w, r)
}

var crossOrigin = http.NewCrossOriginProtection()

// toPages leads from /demo to /demo/, seen from where the browser is: what stands
// before it, for a proxy's sake, is not known here.
func toPages(w http.ResponseWriter, r *http.Request) {
	to := url.URL{Path: "demo/", RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// pages serves the files, each page also without its .html.
func pages(web fs.FS) http.Handler {
	serve := http.FileServerFS(web)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := fs.Stat(web, r.URL.Path+".html"); err == nil {
			http.ServeFileFS(w, r, web, r.URL.Path+".html")
			return
		}
		serve.ServeHTTP(w, r)
	})
}
