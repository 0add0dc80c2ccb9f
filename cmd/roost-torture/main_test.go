package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/roost-ws/roost/bench/torture"
)

// gorilla is an echo server whose answers to some cases are known: it echoes,
// and it takes a length that is not minimal (row F5).
func gorilla(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(echoHandler())
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "http", "ws", 1) + "/"
}

func echoHandler() http.Handler {
	upgrader := websocket.Upgrader{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, message, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, message) != nil {
				return
			}
		}
	})
}

// An app makes it the other suite, and takes all of it to be one.
func TestApp(t *testing.T) {
	t.Setenv("ROOST_TORTURE_APP_SECRET", "secret")
	url := gorilla(t)
	app := []string{url, "--app-id", "1", "--app-key", "key"}
	for _, c := range []struct {
		args []string
		want int
		says string
	}{
		{append(app, "--list", "--run", "^B2/"), 0, "B2/order"},
		{[]string{url, "--list", "--run", "^B2/"}, 0, ""},
		{app, 2, "does not greet as one of the Pusher Channels protocol"},
		{[]string{url, "--app-id", "1"}, 2, "an app takes an id, a key and a secret"},
	} {
		var out, errOut bytes.Buffer
		got := run(t.Context(), append(c.args, "--timeout", "100ms"), &out, &errOut)
		if said := out.String() + errOut.String(); got != c.want || !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%v: status %d and\n%s\nwant %d and %q", c.args, got, said, c.want, c.says)
		}
	}
}

// wss: a certificate is checked unless somebody says otherwise, and what TLS
// hides is told.
func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(echoHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that trust nobody
	s.StartTLS()
	t.Cleanup(s.Close)
	url := strings.Replace(s.URL, "http", "ws", 1) + "/"
	ca, none := filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "none.pem")
	for name, text := range map[string][]byte{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), none: []byte("none")} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{url, "--ca", ca, "--run", "^F29/text-5$|^L9/many-records|^T23/"}, 0, "not applicable to TLS: T23/urgent"},
		{[]string{url, "-k", "--run", "^F29/text-5$"}, 0, "4 cases"},
		{[]string{url, "--run", "^F29/text-5$"}, 2, "certificate signed by unknown authority"},
		{[]string{url, "--ca", none}, 2, "no certificate in PEM"},
		{[]string{url, "--ca", none + "-missing"}, 2, "no such file"},
		{[]string{url, "--list", "--run", "^L1/silent"}, 0, "L1/silent"},
	} {
		var out, errOut bytes.Buffer
		got := run(t.Context(), c.args, &out, &errOut)
		if said := out.String() + errOut.String(); got != c.want || !strings.Contains(said, c.says) {
			t.Errorf("%v: status %d and\n%s\nwant %d and %q", c.args, got, said, c.want, c.says)
		}
	}
}

// What is said of an honest connection that waits is not asked here: its delay is one
// that a busy machine does not cause by itself.
func TestExitStatus(t *testing.T) {
	url := gorilla(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "ws://" + ln.Addr().String() + "/"
	ln.Close()
	for _, c := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{url, "--run", "^F29/(text|binary)-1?25$|^F12/two$", "--delay", "2s"}, 0, "6 cases"},
		{[]string{url, "--run", "^F5/text-5-in-16-bits$", "--delay", "2s"}, 1, "FAIL  F5/text-5-in-16-bits (whole)"},
		{[]string{url, "--run", "^F29/text-5$", "--verbose", "--delay", "2s"}, 0, "ok    F29/text-5 (splits)"},
		{[]string{url, "--deflate", "--run", "^C1/|^F29/text-5$"}, 0, "not applicable: C1 to C16, because the server declines permessage-deflate"},
		{[]string{url, "--run", "no such case"}, 2, "no case has such an id"},
		{[]string{gone}, 2, "nobody listens"},
		{[]string{"http://127.0.0.1/"}, 2, "ws://host:port/path"},
		{[]string{url, "--run", "("}, 2, "error parsing regexp"},
		{[]string{url, "--no-such-flag"}, 2, "unknown flag"},
		{nil, 2, "<url>"},
		{[]string{"--help"}, 0, "--max-fragments"},
		{[]string{url, "--list", "--run", "^F16/"}, 0, "F16/one-byte"},
	} {
		var out, errOut bytes.Buffer
		got := run(t.Context(), c.args, &out, &errOut)
		if said := out.String() + errOut.String(); got != c.want || !strings.Contains(said, c.says) {
			t.Errorf("%v: status %d and\n%s\nwant %d and %q", c.args, got, said, c.want, c.says)
		}
	}
}

// --record keeps the counts and what failed.
func TestRecord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "record.json")
	var out, errOut bytes.Buffer
	run(t.Context(), []string{gorilla(t), "--run", "^F5/text-5-in-16-bits$|^F29/text-5$", "--delay", "2s", "--record", file, "--name", "gorilla"}, &out, &errOut)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err, &errOut)
	}
	var got torture.Record
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Server != "gorilla" || got.Rows["F5"].Failed != 3 || got.Rows["F29"].Failed != 0 || len(got.Failed) != 1 || len(got.Failed[0].Modes) != 3 || got.Failed[0].Got == "" {
		t.Errorf("%s", text)
	}
}

// --json is a line of JSON for every result and nothing else, also in a list.
func TestJSON(t *testing.T) {
	url := gorilla(t)
	for _, args := range [][]string{{url, "--json", "--run", "^F5/text-5-in-16-bits$", "--delay", "2s"}, {url, "--json", "--list"}} {
		var out, errOut bytes.Buffer
		run(t.Context(), args, &out, &errOut)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		for _, line := range lines {
			var r struct{ ID, Name, Want, RFC string }
			if err := json.Unmarshal([]byte(line), &r); err != nil || r.ID == "" || r.Want == "" {
				t.Errorf("%s: %v", line, err)
			}
		}
		if len(lines) < 2 || errOut.Len() > 0 {
			t.Errorf("%v: %d lines, %s", args, len(lines), &errOut)
		}
	}
}
