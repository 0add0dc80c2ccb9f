package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/roost-ws/roost/server/push"
)

// call sends an event to the path as it stands, signed for the path signed.
func (p *program) call(t *testing.T, path, signed string) (status int, location string) {
	t.Helper()
	const body = `{"name":"e","channels":["c"],"data":"x"}`
	app := push.App{ID: appID, Key: appKey, Secret: appSecret}
	req, err := http.NewRequest(http.MethodPost, "http://"+p.addr, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = "//" + p.addr + path
	req.URL.RawQuery = signedQuery(app, http.MethodPost, signed, nil, []byte(body), time.Now())
	client := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Location")
}

// Row A12: a path is one path. What only looks like a call's is refused and not
// redirected to it, whoever signed it.
func TestPathsAreNotTidied(t *testing.T) {
	p := startServe(t, "--demo")
	good := "/apps/" + appID + "/events"
	if status, _ := p.call(t, good, good); status != http.StatusOK {
		t.Fatalf("%s: %d, so this tests nothing", good, status)
	}
	for _, path := range []string{
		"/apps/" + appID + "//events", "/apps//" + appID + "/events", "//apps/" + appID + "/events", good + "/", good + "//",
		"/./apps/" + appID + "/events", "/apps/" + appID + "/x/../events", "/x/.." + good, "/apps/" + appID + "%2Fevents", "/apps%2F" + appID + "/events", "//demo/events", "/demo//events",
	} {
		for _, signed := range []string{path, good} {
			if status, location := p.call(t, path, signed); status != http.StatusNotFound || location != "" {
				t.Errorf("%s: %d %s, want 404", path, status, location)
			}
		}
	}
}

// With --path-prefix clients and backends are served below it, and without it too,
// as when a proxy takes it away.
func TestPathPrefix(t *testing.T) {
	p := startServe(t, "--path-prefix", "/pusher")
	events := "/apps/" + appID + "/events"
	for _, path := range []string{events, "/pusher" + events} {
		for _, signed := range []string{events, "/pusher" + events} {
			if status, _ := p.call(t, path, signed); status != http.StatusOK {
				t.Errorf("%s signed as %s: %d, want 200", path, signed, status)
			}
		}
	}
	if status, body := get(t, "http://"+p.addr+"/pusher/"); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("the page below the prefix: %d", status)
	}
	for _, path := range []string{"/app/" + appKey, "/pusher/app/" + appKey} {
		u := url.URL{Scheme: "ws", Host: p.addr, Path: path, RawQuery: "protocol=7"}
		c, _, err := gorilla.DefaultDialer.Dial(u.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(patience))
		if _, message, err := c.ReadMessage(); err != nil || !strings.Contains(string(message), "connection_established") {
			t.Errorf("%s: %s, %v", path, message, err)
		}
		c.Close()
	}
	for _, wrong := range []string{"pusher", "/pusher/", "/", "/a b", "/a//b", "/a?b"} {
		if got := command(t, nil, "serve", "--listen=127.0.0.1:0", "--path-prefix", wrong); got.code != exitUsage || !strings.Contains(got.stderr, "write /pusher") {
			t.Errorf("--path-prefix %q: %s", wrong, fmt.Sprint(got))
		}
	}
}

// /demo leads to /demo/ from wherever it is asked for, the query with it.
func TestPathPrefixOfRedirects(t *testing.T) {
	p := startServe(t, "--demo", "--path-prefix", "/pusher")
	for _, prefix := range []string{"", "/pusher"} {
		at := "http://" + p.addr + prefix + "/demo"
		resp, err := http.Get(at + "?a=b")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Request.URL.String(); resp.StatusCode != http.StatusOK || got != at+"/?a=b" {
			t.Errorf("%s leads to %s, %s", at, got, resp.Status)
		}
	}
}
