package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/api"
	"github.com/roost-ws/roost/server/push/demo"
	"github.com/roost-ws/roost/server/push/page"
)

// site is what is served on the clients' port besides WebSocket.
type site struct {
	app      push.App     // whose page is at / at first
	page     *page.Page   // that page; made by open
	demos    *demo.Demos  // nil without --demo
	console  string       // where the page may look for the console; "" nowhere
	draining func() bool  // whether new connections are unwelcome
	prefix   pathPrefix   // of the API
	calls    *api.Handler // made by open
}

// with adds the app of the demos, which no configuration has, to apps.
func (s *site) with(apps []push.App) []push.App {
	if s.demos == nil {
		return apps
	}
	return append(slices.Clip(apps), s.demos.App())
}

// open returns the handler of the site. The API comes first: it needs paths as they
// were signed, which a mux tidies.
func (s *site) open(hub *push.Hub) (http.Handler, error) {
	shown, err := page.New(hub, s.app.ID, page.Config{Demo: s.demos != nil, Console: s.console, Version: version()})
	if err != nil {
		return nil, err
	}
	s.page = shown
	mux := http.NewServeMux()
	mux.Handle("/", shown)
	mux.HandleFunc("GET /up", s.up)
	if s.demos != nil {
		s.demos.Start(hub)
		mux.Handle("/demo", s.demos)
		mux.Handle("/demo/", s.demos)
		mux.Handle("POST /demo/events", shown)
	}
	s.calls = api.New(hub)
	s.calls.Fallback, s.calls.PathPrefix = cleanPaths(mux), string(s.prefix)
	return s.calls, nil
}

// follow gives the page at / to the first of apps if its own is not there any more.
func (s *site) follow(apps []push.App) {
	if !slices.ContainsFunc(apps, func(a push.App) bool { return a.ID == s.page.App() }) {
		s.page.Show(apps[0].ID)
	}
}

// up says whether new connections are welcome, where load balancers of Laravel's
// kind ask: on the port that they send clients to.
func (s *site) up(w http.ResponseWriter, _ *http.Request) {
	if s.draining() {
		http.Error(w, "DRAINING", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "OK")
}

func (s *site) close() {
	if s.demos != nil {
		s.demos.Close()
	}
}

// consoleURL is where a browser on this machine finds the console, if there.
func consoleURL(admin optionalAddress) string {
	host, port, err := net.SplitHostPort(admin.addr)
	if !admin.on || admin.network != "tcp" || err != nil || port == "0" || !loopbackHost(admin.addr) {
		return ""
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}
