package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pusher/pusher-http-go/v5"
)

const pluginDir = "../../server/push/page/"

const historyRules = `
[[apps.history]]
pattern = "*tiny*"
size = 3
[[apps.history]]
pattern = "*rewound*"
rewind = { count = 2, age = "1m" }
[[apps.history]]
pattern = "*log*"
`

// startHistory serves an app that keeps history, over a cable.
func startHistory(t *testing.T) (p *program, wire *cable, sdk *pusher.Client, backendURL string) {
	t.Helper()
	p = start(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--drain", "1s", "--config", write(t, "roost.toml",
		appText(appID, appKey)+historyRules), "--app-id", appID, "--app-secret", appSecret)
	return p, lay(t, p.addr), newSDK(p), backend(t, p)
}

// visit is somebody's page with the plugin, by either library.
type visit struct {
	*watcher
	listen func(channel string)
}

// pongTimeout is how many milliseconds a page waits for an answer before it gives a
// network up that says nothing. A machine that stands still for less disturbs no test.
const pongTimeout = 4000

// pages are the libraries that the plugin is for.
var pages = map[string]func(t *testing.T, p *program, wire *cable, backend string) visit{
	"pusher-js": func(t *testing.T, p *program, wire *cable, backend string) visit {
		lib := pusherJS
		lib.plugin = "http://" + p.addr + "/roost.min.js"
		return withPusherJS(watchInChromium(t, lib, pusherJSOptions(p, wire, backend)))
	},
	"pusher-js in Node": func(t *testing.T, p *program, wire *cable, backend string) visit {
		lib := pusherJS
		lib.plugin = pluginPath(t, "roost.js")
		return withPusherJS(watchInNode(t, lib, pusherJSOptions(p, wire, backend)))
	},
	"laravel-echo": func(t *testing.T, p *program, wire *cable, backend string) visit {
		host, port, _ := strings.Cut(wire.addr, ":")
		lib := laravelEcho
		lib.plugin = "http://" + p.addr + "/roost.js"
		w := watchInChromium(t, lib, map[string]any{"options": map[string]any{
			"broadcaster": "reverb", "key": appKey, "wsHost": host, "wsPort": json.Number(port),
			"forceTLS": false, "enabledTransports": []string{"ws"}, "activityTimeout": 1000, "pongTimeout": pongTimeout,
			"authEndpoint": backend + "/broadcasting/auth?user=1",
		}})
		return visit{w, func(channel string) {
			how := "channel"
			if rest, ok := strings.CutPrefix(channel, "private-"); ok {
				how, channel = "private", rest
			}
			for _, event := range []string{".tick", ".roost:recovered", ".roost:gap"} {
				w.do("listen", how, channel, event)
			}
		}}
	},
}

func pusherJSOptions(p *program, wire *cable, backend string) map[string]any {
	options := clientOptions(p)
	_, options["wsPort"], _ = strings.Cut(wire.addr, ":")
	options["pongTimeout"] = pongTimeout
	options["channelAuthorization"] = map[string]any{"endpoint": backend + "/auth?user=1", "transport": "ajax"}
	return map[string]any{"key": appKey, "options": options}
}

func withPusherJS(w *watcher) visit {
	return visit{w, func(channel string) { w.do("subscribe", channel) }}
}

func pluginPath(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(pluginDir + file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// told is what the page was told on a channel: the numbers of ticks, and how a
// resumption went.
func (p visit) told(channel string) (told []string) {
	for _, h := range p.all() {
		name := strings.TrimPrefix(h.Name, ".")
		if h.Kind != "event" || h.Channel != strings.TrimPrefix(channel, "private-") && h.Channel != channel {
			continue
		}
		switch {
		case name == "tick":
			told = append(told, string(h.Data))
		case strings.HasPrefix(name, "roost:"):
			told = append(told, strings.TrimPrefix(name, "roost:"))
		}
	}
	return told
}

// expect waits until the page was told as many things on a channel as it should be, and
// compares; what comes later it does not see.
func (p visit) expect(channel, want string) {
	p.t.Helper()
	expected := strings.Fields(want)
	p.seen(channel+": "+want, func(happening) bool { return len(p.told(channel)) >= len(expected) })
	if told := p.told(channel); !slices.Equal(told, expected) {
		p.t.Fatalf("%s: the page was told %v, want %v", channel, told, expected)
	}
}

// Section 2: with the plugin, what is published while the network is cut arrives
// once and in order when it is back, whether the client was told of the cut or had to
// notice; or the page learns that some of it is gone, and gets none of it.
func TestResumeOverCutNetwork(t *testing.T) {
	for name, open := range pages {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting for clients to notice
			p, wire, sdk, backend := startHistory(t)
			c := open(t, p, wire, backend)
			channels := []string{"log", "private-my-log", "private-encrypted-log", "tiny", "plain"}
			n := 0
			publish := func(times int, exclude string) (numbers string) {
				t.Helper()
				for range times {
					n++
					for _, channel := range channels {
						params := pusher.TriggerParams{}
						if exclude != "" {
							params.SocketID = &exclude
						}
						if _, err := sdk.TriggerWithParams(channel, "tick", n, params); err != nil {
							t.Fatal(err)
						}
					}
					numbers += fmt.Sprint(n, " ")
				}
				return numbers
			}
			if name == "laravel-echo" {
				channels = slices.Delete(channels, 2, 3) // Echo names encrypted channels in a way of its own
			}
			for _, channel := range channels {
				c.listen(channel)
				c.seen("subscription to "+channel, func(happening) bool { return c.subscribed(channel) > 0 })
			}
			told, tiny, plain := publish(2, ""), "1 2 ", "1 2 "
			logs := channels[:len(channels)-2]
			for _, channel := range logs {
				c.expect(channel, told)
			}
			// What this very page causes while it is cut off is not for it afterwards.
			socket := c.sockets()[0]
			for i, silently := range []bool{false, true, false} {
				c.expect("tiny", tiny)
				c.expect("plain", plain) // what is still on its way there would be lost in the cut
				before := c.subscribed("plain")
				wire.sever(silently)
				missed := publish(1, "")
				if i != 0 { // more than tiny keeps
					missed += publish(3, "")
				}
				publish(1, socket)
				// Told by nobody, the client asks after a second of silence, and gives
				// up after pongTimeout.
				c.seen("that the network is away", func(happening) bool { return c.state() != "connected" })
				wire.mend()
				c.seen("the network's return", func(happening) bool { return len(c.sockets()) == i+2 })
				socket = c.sockets()[i+1]
				told += missed + "recovered "
				if i == 0 {
					tiny += missed + "recovered "
				} else {
					tiny += "gap "
				}
				for _, channel := range logs {
					c.expect(channel, told)
				}
				c.expect("tiny", tiny)
				c.seen("subscription to plain again", func(happening) bool { return c.subscribed("plain") > before })
				live := publish(1, "")
				told, tiny, plain = told+live, tiny+live, plain+live
				for _, channel := range logs {
					c.expect(channel, told)
				}
			}
			c.expect("tiny", tiny)
			c.expect("plain", plain) // without history none of what was missed, and no word about it
		})
	}
}

// subscribed is how often the page was told that it is subscribed to a channel.
func (p visit) subscribed(channel string) (times int) {
	for _, h := range p.all() {
		if h.Channel == strings.TrimPrefix(channel, "private-") && h.Name == "subscribed" ||
			h.Channel == channel && h.Kind == "event" && h.Name == "pusher:subscription_succeeded" {
			times++
		}
	}
	return times
}

// state is what the page's connection was in last.
func (p visit) state() (state string) {
	for _, h := range p.all() {
		if h.Kind == "state" {
			state = h.Name
		}
	}
	return state
}

// sockets are the socket ids that the page has had.
func (p visit) sockets() (ids []string) {
	for _, h := range p.all() {
		if h.Kind == "state" && h.Name == "connected" {
			ids = append(ids, h.Socket)
		}
	}
	return ids
}

// Section 2: wholly stock clients get the last events after they have
// subscribed, and in order.
func TestRewindOfStockClients(t *testing.T) {
	p, _, sdk, _ := startHistory(t)
	for n := range 4 {
		if err := sdk.Trigger("rewound", fmt.Sprint("e", n), n); err != nil {
			t.Fatal(err)
		}
	}
	for place := range places {
		t.Run(place, func(t *testing.T) {
			c := watch(t, place, p, appKey)
			c.subscribe("rewound")
			c.event("rewound", "e3")
			var names []string
			for _, h := range c.all() {
				if h.Kind == "event" {
					names = append(names, h.Name)
				}
			}
			if want := []string{"pusher:subscription_succeeded", "e2", "e3"}; !slices.Equal(names, want) {
				t.Errorf("got %q, want %q", names, want)
			}
		})
	}
}

// The plugin that browsers get is what people can read: this is how it is made.
func TestPluginIsMinified(t *testing.T) {
	terser, err := filepath.Abs(clientsDir + "/node_modules/.bin/terser")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(terser); err != nil {
		missing(t, "terser")
	}
	fresh := filepath.Join(t.TempDir(), "roost.min.js")
	command := exec.Command(terser, "roost.js", "--compress", "--mangle", "--output", fresh)
	command.Dir = pluginDir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(pluginDir + "roost.min.js")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("roost.min.js is not made of roost.js as it is now: in %s run %s", pluginDir,
			"terser roost.js --compress --mangle --output roost.min.js")
	}
}

// The plugin, step by step, where networks and pages are at their worst: see
// testdata/clients/plugin.js.
func TestPluginSteps(t *testing.T) {
	for _, file := range []string{"roost.js", "roost.min.js"} {
		n := startNode(t, nil, "plugin.js", pluginPath(t, file))
		defer n.close()
		select {
		case <-n.done:
		case <-time.After(patience):
			t.Fatalf("%s: plugin.js did not end: %s", file, n.said.all())
		}
		if steps := len(n.said.all()); !n.cmd.ProcessState.Success() || steps != 9 {
			t.Errorf("%s: %v after %d of 9 steps: %s", file, n.cmd.ProcessState, steps, n.said.all())
		}
	}
}
