package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/roost-ws/roost/server/push"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// page is what a browser sees at /: a client of the app that connects, shows
// events as they arrive and, on the machine roost runs on, sends one.
type page struct {
	hub *push.Hub
	app push.App
}

func (p *page) show(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, "80"
	}
	pageTemplate.Execute(w, map[string]any{ // fails only when the browser is gone
		"AppID": p.app.ID, "Key": p.app.Key, "MaySend": local(r),
		"Host": host, "Port": port, "Version": version(),
	})
}

// send publishes the event of the page's form.
func (p *page) send(w http.ResponseWriter, r *http.Request) {
	if !local(r) || !sameOrigin(r) {
		http.Error(w, "The page sends events only for a browser on the machine roost runs on; everybody else signs calls to /apps/"+p.app.ID+"/events.", http.StatusForbidden)
		return
	}
	var form struct {
		Channel, Event, Data string
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&form)
	if err != nil {
		http.Error(w, "The form is not JSON, or too large.", http.StatusBadRequest)
		return
	}
	err = p.hub.Publish(p.app.ID, push.Event{
		Channels: []string{form.Channel}, Name: push.Quote(form.Event), Data: push.Quote(form.Data),
	})
	if refused := (*push.EventError)(nil); errors.As(err, &refused) {
		http.Error(w, refused.Message, http.StatusBadRequest)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// local reports whether the request was made by a browser on this machine that
// asked for this machine. Through a proxy everybody seems to be here, and a
// name of somebody else's may be made to point here (DNS rebinding): both are
// told by the fields of the request.
func local(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, field := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(field) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// sameOrigin reports whether the page itself made the request, and not one of
// somebody else's that the browser shows.
func sameOrigin(r *http.Request) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host == r.Host && r.Header.Get("Content-Type") == "application/json"
}
