package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/push"
)

const (
	here      = "http://here.test/hook"
	there     = "http://there.test/hook"
	patience  = 20 * time.Second // for what happens in real time
	appID     = "1"
	appKey    = "key"
	appSecret = "secret"
)

// received is one request that a receiver saw.
type received struct {
	at     time.Time
	url    string
	header http.Header
	body   string
	names  []string // "name channel [user]" of each event
}

// receiver is every endpoint of a test in virtual time.
type receiver struct {
	answer func(url string, nth int) (status int, after time.Duration) // nil: 200 at once

	mu      sync.Mutex
	seen    []received
	now     map[string]int // under way, by URL
	highest map[string]int
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var parsed struct {
		Events []map[string]any `json:"events"`
	}
	if err := json.Unmarshal(body, &parsed); err != nil {
		return nil, fmt.Errorf("%w: %s", err, body)
	}
	got := received{at: time.Now(), url: req.URL.String(), header: req.Header, body: string(body)}
	for _, e := range parsed.Events {
		name := fmt.Sprint(e["name"], " ", e["channel"])
		if e["user_id"] != nil {
			name += fmt.Sprint(" ", e["user_id"])
		}
		got.names = append(got.names, name)
	}
	status, after := 200, time.Duration(0)
	r.mu.Lock()
	r.seen = append(r.seen, got)
	if r.now == nil {
		r.now, r.highest = make(map[string]int), make(map[string]int)
	}
	r.now[got.url]++
	r.highest[got.url] = max(r.highest[got.url], r.now[got.url])
	if r.answer != nil {
		status, after = r.answer(got.url, len(r.seen))
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.now[got.url]--
	}()
	if after > 0 {
		select {
		case <-time.After(after):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Location": {"http://127.0.0.1/"}}, Body: io.NopCloser(strings.NewReader("ok")), Request: req,
	}, nil
}

// requests returns what came so far, to one URL or to all.
func (r *receiver) requests(url ...string) []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []received
	for _, got := range r.seen {
		if len(url) == 0 || got.url == url[0] {
			list = append(list, got)
		}
	}
	return list
}

// names returns the events of all requests, sorted.
func (r *receiver) names(url ...string) []string {
	var names []string
	for _, got := range r.requests(url...) {
		names = append(names, got.names...)
	}
	slices.Sort(names)
	return names
}

// oneApp is an app with one endpoint at each URL.
func oneApp(urls ...string) []App {
	app := App{ID: appID, Key: appKey, Secret: appSecret}
	for _, u := range urls {
		app.Endpoints = append(app.Endpoints, Endpoint{URL: u})
	}
	return []App{app}
}

func batched(apps []App) []App {
	for i := range apps[0].Endpoints {
		apps[0].Endpoints[i].Batch = true
	}
	return apps
}

// newSender makes a Sender whose requests go to r.
func newSender(t testing.TB, r *receiver, config Config) *Sender {
	t.Helper()
	config.transport = r
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	if config.Apps == nil {
		config.Apps = oneApp(here)
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closeNow closes s without waiting for anything.
func closeNow(t testing.TB, s *Sender) error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return s.Close(ctx)
}

func occupied(channel string) push.Notice {
	return push.Notice{App: appID, Name: push.ChannelOccupied, Channel: channel}
}

func vacated(channel string) push.Notice {
	return push.Notice{App: appID, Name: push.ChannelVacated, Channel: channel}
}

func member(name, channel, user string) push.Notice {
	return push.Notice{App: appID, Name: name, Channel: channel, UserID: user}
}

// expect compares lists and prints them when they differ.
func expect(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// eventually waits until what holds, in real time.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
