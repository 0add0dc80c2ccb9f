package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A page's own EventSource, from another origin: events arrive as those of
// WebSocket clients do, a cut of the network is caught up with, and a gap is told.
func TestEventSource(t *testing.T) {
	t.Parallel()
	_, wire, sdk, _ := startHistory(t)
	env := []string{"ROOST_APP_ID=" + appID, "ROOST_APP_KEY=" + appKey, "ROOST_APP_SECRET=" + appSecret}
	token := strings.TrimSpace(command(t, env, "token", "--subscribe", "private-*").stdout)
	b := chromium(t)
	page := b.open(t, elsewhere(t))
	page.eval(t, fmt.Sprintf(`{
		window.told = [];
		const events = new EventSource('http://%s/app/%s/sse?channels=private-log,plain,tiny&auth=jwt:%s');
		events.onopen = () => told.push('open');
		events.onmessage = (message) => {
			const { event, channel, data } = JSON.parse(message.data);
			told.push(channel + ' ' + event + (event === 'roost:gap' ? '' : ' ' + data));
		};
	}`, wire.addr, appKey, token), nil)
	at := 0
	// expect waits for what the page is told next.
	expect := func(want ...string) {
		t.Helper()
		page.wait(t, fmt.Sprintf("told.length >= %d", at+len(want)))
		var told []string
		page.eval(t, "told", &told)
		if got := strings.Join(told[at:], "\n"); got != strings.Join(want, "\n") {
			t.Fatalf("the page was told\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
		at = len(told)
	}
	publish := func(channel, name string) {
		t.Helper()
		if err := sdk.Trigger(channel, name, map[string]string{"text": "grüße\n"}); err != nil {
			t.Fatal(err)
		}
	}
	const data = ` {"text":"grüße\n"}`
	expect("open")
	publish("private-log", "a")
	publish("plain", "b")
	expect("private-log a"+data, "plain b"+data)

	wire.sever(false)
	publish("private-log", "c")
	publish("private-log", "d")
	publish("plain", "lost")
	for range 4 { // one more than tiny keeps
		publish("tiny", "e")
	}
	wire.mend()
	expect("open", "private-log c"+data, "private-log d"+data, `private-log roost:recovered {"count":2}`, "tiny roost:gap")
	publish("plain", "f")
	expect("plain f" + data)

	// A script that reads the stream itself can send the token in a header.
	var first string
	page.eval(t, fmt.Sprintf(`fetch('http://%s/app/%s/sse?channels=private-log', { headers: { Authorization: 'Bearer %s', 'Last-Event-ID': 'a:1' } })
		.then((response) => response.body.pipeThrough(new TextDecoderStream()).getReader().read())
		.then(({ value }) => value)`, wire.addr, appKey, token), &first)
	if !strings.HasPrefix(first, "retry: ") {
		t.Errorf("fetch reads %q", first)
	}
	page.quiet(t)
}

// curl shows a stream line by line, and ends well when the server is drained.
func TestStreamInCurl(t *testing.T) {
	path := require(t, "curl")
	p := startServe(t)
	cmd := exec.Command(path, "-sSN", "--max-time", fmt.Sprint(patience.Seconds()), "http://"+p.addr+"/app/"+appKey+"/sse?channels=news")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stdout)
	line := func() string {
		t.Helper()
		if !said.Scan() {
			t.Fatalf("curl ended: %v", said.Err())
		}
		return said.Text()
	}
	if first := line() + line(); !strings.HasPrefix(first, "retry: ") {
		t.Errorf("it begins with %q", first)
	}
	publishFromGo(t, p)([]string{"news"}, "hello", "x", "")
	if got := line() + line(); got != `data: {"event":"hello","channel":"news","data":"x"}` {
		t.Errorf("curl shows %s", got)
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	for said.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("curl: %v", err)
	}
	p.wait()
}

// streamed reads answers that go on for a while, and not for ever.
var streamed = http.Client{Timeout: patience + 2*proxyIdle}

// The guide's proxies let a stream through as it comes, and its comments keep it
// open for longer than the proxy waits.
func TestStreamBehindProxies(t *testing.T) {
	t.Parallel()
	for name, x := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startServe(t, "--activity-timeout", "1s", "--path-prefix", x.prefix)
			addr := x.start(t, p)
			// A connection to roost that the proxy keeps open becomes a stream all the same.
			get(t, "http://"+addr+x.prefix+"/")
			resp, err := streamed.Get("http://" + addr + x.prefix + "/app/" + appKey + "/sse?channels=news")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if typ := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || typ != "text/event-stream" {
				t.Fatalf("the proxy answers %s, %s", resp.Status, typ)
			}
			said := bufio.NewScanner(resp.Body)
			for pings := 0; pings < proxyPings && said.Scan(); {
				if said.Text() == ": ping" {
					pings++
				}
			}
			publishFromGo(t, p)([]string{"news"}, "hello", "x", "")
			for said.Scan() && !strings.HasPrefix(said.Text(), "data: ") {
			}
			var event struct{ Event, Channel string }
			if err := json.Unmarshal([]byte(strings.TrimPrefix(said.Text(), "data: ")), &event); err != nil || event.Event != "hello" {
				t.Errorf("got %q (%v, %v)", said.Text(), err, said.Err())
			}
		})
	}
}
