package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pusher/pusher-http-go/v5"
)

// The app these tests set in the environment; the id is digits because
// pusher-http-go insists.
const (
	appID     = "424242"
	appKey    = "test-key"
	appSecret = "test-secret"
)

func startServe(t *testing.T, args ...string) *program {
	t.Helper()
	env := []string{"ROOST_APP_ID=" + appID, "ROOST_APP_KEY=" + appKey, "ROOST_APP_SECRET=" + appSecret}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain", "1s"}, args...)
	return start(t, env, args...)
}

// happening is something that pusher-js told watch.js.
type happening struct {
	Kind    string // state, error, message, pong, event, user, watchlist
	Name    string // of the state, the error's type or the event
	Socket  string // socket id, once connected
	Code    int    // of the error
	Channel string
	Data    json.RawMessage
	User    string // whom a message says it comes from
	Members int    // of a presence channel
}

// watcher is a client library connected to roost, in Node or in Chromium.
type watcher struct {
	t    *testing.T
	do   func(verb string, args ...any)
	said *feed[happening]
}

// seen waits for something that matches.
func (w *watcher) seen(what string, match func(happening) bool) happening {
	w.t.Helper()
	return w.said.await(w.t, what, match)
}

// all is what happened so far.
func (w *watcher) all() []happening { return w.said.all() }

// happenings hears a program that says nothing else.
type happenings struct{ *feed[happening] }

func (h happenings) put(line json.RawMessage) {
	var one happening
	if json.Unmarshal(line, &one) == nil {
		h.feed.put(one)
	}
}

// clientOptions is what the README tells users of pusher-js to set.
func clientOptions(p *program) map[string]any {
	host, port, _ := strings.Cut(p.addr, ":")
	return map[string]any{
		"wsHost": host, "wsPort": json.Number(port), "forceTLS": false,
		"enabledTransports": []string{"ws"}, "cluster": "",
		"activityTimeout": 1000, // ms: makes the client ping after a second
	}
}

// library is a client library, and how a page is made to use it: with the
// function of that name in the script of that name.
type library struct {
	name    string
	scripts []string // in node_modules, for Chromium
	plugin  string   // a URL for Chromium, a path for Node; "" for none
}

var pusherJS = library{name: "watch", scripts: []string{"pusher-js/dist/web/pusher-with-encryption.js"}}

// places are where client libraries run.
var places = map[string]func(t *testing.T, l library, with map[string]any) *watcher{
	"Node":     watchInNode,
	"Chromium": watchInChromium,
}

// watch connects stock pusher-js.
func watch(t *testing.T, place string, p *program, key string) *watcher {
	t.Helper()
	return places[place](t, pusherJS, map[string]any{"key": key, "options": clientOptions(p)})
}

func watchInNode(t *testing.T, l library, with map[string]any) *watcher {
	t.Helper()
	said := newFeed[happening]()
	n := runNode(t, happenings{said}, nil, "subscriber.js")
	t.Cleanup(n.close)
	n.send(t, map[string]any{"client": l.name, "with": with, "plugin": l.plugin})
	return &watcher{t, func(verb string, args ...any) {
		t.Helper()
		n.send(t, map[string]any{"do": verb, "args": append([]any{}, args...)})
	}, said}
}

func watchInChromium(t *testing.T, l library, with map[string]any) *watcher {
	t.Helper()
	b := chromium(t)
	page := b.open(t, elsewhere(t))
	for _, script := range l.scripts {
		page.do(t, map[string]any{"do": "script", "path": "node_modules/" + script})
	}
	if l.plugin != "" {
		page.do(t, map[string]any{"do": "script", "url": l.plugin})
	}
	page.do(t, map[string]any{"do": "script", "path": l.name + ".js"})
	options, err := json.Marshal(with)
	if err != nil {
		t.Fatal(err)
	}
	page.eval(t, fmt.Sprintf("void (window.client = %s(%s, %s, emit))", l.name, chromiumGlobals, options), nil)
	return &watcher{t, func(verb string, args ...any) {
		t.Helper()
		text, err := json.Marshal(append([]any{}, args...))
		if err != nil {
			t.Fatal(err)
		}
		page.eval(t, fmt.Sprintf("void client.%s(...%s)", verb, text), nil)
	}, page.said}
}

// chromiumGlobals are the names under which scripts put the libraries there. The
// script of Echo is a module in a variable, with the class as its default.
const chromiumGlobals = "{ Pusher: window.Pusher, Echo: window.Echo?.default ?? window.Echo }"

// connected waits for the connection and returns its socket id.
func (w *watcher) connected() string {
	w.t.Helper()
	return w.seen("connection", func(h happening) bool { return h.Kind == "state" && h.Name == "connected" }).Socket
}

func (w *watcher) subscribe(channel string) {
	w.t.Helper()
	w.do("subscribe", channel)
	w.event(channel, "pusher:subscription_succeeded")
}

// event waits for an event on a channel and returns its data.
func (w *watcher) event(channel, name string) json.RawMessage {
	w.t.Helper()
	return w.seen(name+" on "+channel, func(h happening) bool {
		return h.Kind == "event" && h.Channel == channel && h.Name == name
	}).Data
}

// got reports whether an event came; call it after one that was sent later.
func (w *watcher) got(channel, name string) bool {
	return slices.ContainsFunc(w.all(), func(h happening) bool {
		return h.Kind == "event" && h.Channel == channel && h.Name == name
	})
}

// publisher publishes an event through a server SDK; exclude is a socket id or "".
type publisher func(channels []string, name string, data any, exclude string)

var publishers = map[string]func(t *testing.T, p *program) publisher{
	"npm-pusher":     publishFromNode,
	"pusher-http-go": publishFromGo,
}

func publishFromNode(t *testing.T, p *program) publisher {
	t.Helper()
	host, port, _ := strings.Cut(p.addr, ":")
	options, err := json.Marshal(map[string]any{
		"appId": appID, "key": appKey, "secret": appSecret, "host": host, "port": port, "useTLS": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	n := startNode(t, []string{"PUSHER_OPTIONS=" + string(options)}, "publisher.js")
	t.Cleanup(n.close)
	calls := 0
	return func(channels []string, name string, data any, exclude string) {
		t.Helper()
		command := map[string]any{"channels": channels, "name": name, "data": data, "params": map[string]any{}}
		if exclude != "" {
			command["params"] = map[string]any{"socket_id": exclude}
		}
		n.send(t, command)
		calls++
		n.said.await(t, "answer to trigger", func(json.RawMessage) bool { return len(n.said.all()) == calls })
		var answer struct {
			Status int
			Body   string
		}
		if err := json.Unmarshal(n.said.all()[calls-1], &answer); err != nil {
			t.Fatal(err)
		}
		// The SDK's own suite asserts that the body is exactly {}.
		if answer.Status != http.StatusOK || answer.Body != "{}" {
			t.Fatalf("trigger %s: %d %q, want 200 {}", name, answer.Status, answer.Body)
		}
	}
}

func publishFromGo(t *testing.T, p *program) publisher {
	t.Helper()
	client := newSDK(p)
	return func(channels []string, name string, data any, exclude string) {
		t.Helper()
		params := pusher.TriggerParams{}
		if exclude != "" {
			params.SocketID = &exclude
		}
		if _, err := client.TriggerMultiWithParams(channels, name, data, params); err != nil {
			t.Fatalf("trigger %s: %v", name, err)
		}
	}
}

// The main job: an event published with an official server SDK reaches stock
// pusher-js, in a browser and in Node.
func TestPush(t *testing.T) {
	p := startServe(t)
	clients := map[string]*watcher{}
	sockets := map[string]string{}
	for place := range places {
		clients[place] = watch(t, place, p, appKey)
		sockets[place] = clients[place].connected()
		for _, channel := range []string{"news", "sport"} {
			clients[place].subscribe(channel)
		}
	}
	if sockets["Node"] == sockets["Chromium"] {
		t.Errorf("two connections share the socket id %s", sockets["Node"])
	}
	for sdk, connect := range publishers {
		t.Run(sdk, func(t *testing.T) {
			publish := connect(t, p)
			data := map[string]any{"html": "<b>&amp;</b>", "text": "grüße 👋 \u2028", "n": 1.5}
			publish([]string{"news"}, sdk+"-one", data, "")
			publish([]string{"news", "sport"}, sdk+"-two", []any{"a", "b"}, "")
			for place, c := range clients {
				var got any
				if err := json.Unmarshal(c.event("news", sdk+"-one"), &got); err != nil || !reflect.DeepEqual(got, any(data)) {
					t.Errorf("%s got data %v (%v), want %v", place, got, err, data)
				}
				c.event("news", sdk+"-two")
				c.event("sport", sdk+"-two")
			}

			// The connection named by socket_id is left out, and only that one.
			publish([]string{"news"}, sdk+"-without-chromium", "x", sockets["Chromium"])
			publish([]string{"news"}, sdk+"-after", "x", "")
			clients["Node"].event("news", sdk+"-without-chromium")
			clients["Chromium"].event("news", sdk+"-after")
			if clients["Chromium"].got("news", sdk+"-without-chromium") {
				t.Error("an event reached the connection it excluded")
			}
		})
	}
}

// After unsubscribe no event of the channel arrives.
func TestPushUnsubscribe(t *testing.T) {
	p := startServe(t)
	publish := publishFromGo(t, p)
	for place := range places {
		t.Run(place, func(t *testing.T) {
			c := watch(t, place, p, appKey)
			c.connected()
			c.subscribe("left")
			publish([]string{"left"}, "before", "x", "")
			c.event("left", "before")
			c.do("unsubscribe", "left")
			c.subscribe("stayed") // answered after the unsubscribe was served
			publish([]string{"left"}, "late", "x", "")
			publish([]string{"stayed"}, "marker", "x", "")
			c.event("stayed", "marker")
			if c.got("left", "late") {
				t.Error("an event arrived on a channel that was unsubscribed")
			}
		})
	}
}

// A key that no app has: error 4001, and the client stays away (it is not told
// to come back).
func TestPushUnknownApp(t *testing.T) {
	p := startServe(t)
	for place := range places {
		t.Run(place, func(t *testing.T) {
			c := watch(t, place, p, "no-such-key")
			c.seen("error 4001", func(h happening) bool { return h.Kind == "error" && h.Code == 4001 })
			c.seen("the client giving up", func(h happening) bool { return h.Kind == "state" && (h.Name == "disconnected" || h.Name == "failed") })
			if slices.ContainsFunc(c.all(), func(h happening) bool { return h.Name == "connected" }) {
				t.Error("the client was connected")
			}
		})
	}
}

// A client that hears nothing for its activity timeout pings, and is answered.
func TestPushPing(t *testing.T) {
	t.Parallel()
	p := startServe(t)
	for place := range places {
		t.Run(place, func(t *testing.T) {
			c := watch(t, place, p, appKey)
			c.connected()
			c.seen("pong", func(h happening) bool { return h.Kind == "pong" })
		})
	}
}

// A wrong secret is refused by the HTTP API and nobody gets the event.
func TestPushWrongSecret(t *testing.T) {
	p := startServe(t)
	client := &pusher.Client{
		AppID: appID, Key: appKey, Secret: "not it", Host: p.addr,
		HTTPClient: &http.Client{Timeout: patience},
	}
	err := client.Trigger("news", "event", "x")
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a call signed with a wrong secret ended with %v, want status 401", err)
	}
}

// With no configuration serve makes an app and prints what it takes to use it.
func TestServeMakesAnApp(t *testing.T) {
	p := start(t, []string{"ROOST_APP_ID=", "ROOST_APP_KEY=", "ROOST_APP_SECRET="},
		"serve", "--listen", "127.0.0.1:0", "--admin", "off")
	value := func(name string) string {
		t.Helper()
		line := p.stdout.await(t, name, func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), name+"=") })
		return strings.TrimPrefix(strings.TrimSpace(line), name+"=")
	}
	id, key, secret := value("ROOST_APP_ID"), value("ROOST_APP_KEY"), value("ROOST_APP_SECRET")
	if strings.Trim(id, "0123456789") != "" || len(key) < 16 || len(secret) < 16 {
		t.Fatalf("made id %q, key %q, secret %q", id, key, secret)
	}
	client := &pusher.Client{AppID: id, Key: key, Secret: secret, Host: p.addr, HTTPClient: &http.Client{Timeout: patience}}
	if err := client.Trigger("news", "event", "x"); err != nil {
		t.Errorf("the printed app does not work: %v", err)
	}
	for _, snippet := range []string{"new Pusher('" + key + "'", `appId: '` + id + `'`} {
		p.stdout.await(t, snippet, func(line string) bool { return strings.Contains(line, snippet) })
	}
	for _, r := range p.log.all() {
		if text := fmt.Sprint(r); strings.Contains(text, secret) {
			t.Errorf("the secret is in the log: %s", text)
		}
	}
}
