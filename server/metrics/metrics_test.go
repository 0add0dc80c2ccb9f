package metrics

import (
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
)

// filled gives every number of a snapshot a value of its own, above from.
func filled[S any](t *testing.T, from int) (s S, fields map[string]int) {
	t.Helper()
	fields = map[string]int{}
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		name, n := v.Type().Field(i).Name, from+i
		switch f := v.Field(i); f.Kind() {
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(n))
		case reflect.Uint64:
			f.SetUint(uint64(n))
		case reflect.Map, reflect.Struct: // the caller's
			continue
		case reflect.Bool:
			f.SetBool(true)
			continue
		default:
			t.Fatalf("%s: a kind of field this test does not know", name)
		}
		fields[name] = n
	}
	return s, fields
}

func scrape(t *testing.T, collectors ...prometheus.Collector) string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collectors...)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// A counter that a floor keeps and nobody shows is found here.
func TestEveryFigureIsShown(t *testing.T) {
	stats, fields := filled[server.Stats](t, 1000)
	stats.Refusals = map[string]uint64{"origin": 7001}
	stats.Closes = map[server.StatusCode]uint64{1009: 7002}
	fields[`roost_handshakes_refused_total{cause="origin"}`] = 7001
	fields[`roost_closes_total{code="1009"}`] = 7002
	take := func() server.Stats { return stats }
	text := scrape(t, collector[server.Stats]{take, serverMetrics}, byCause{take})
	delete(fields, "Conns") // the sum of the states
	for name, n := range fields {
		if !strings.Contains(text, " "+strconv.Itoa(n)+"\n") {
			t.Errorf("Stats.%s is on no line:\n%s", name, text)
		}
	}

	hub, fields := filled[push.Stats](t, 1000)
	history, more := filled[push.HistoryStats](t, 2000)
	hub.History = history
	for name, n := range more {
		fields["History."+name] = n
	}
	text = scrape(t, collector[push.Stats]{func() push.Stats { return hub }, pushMetrics})
	for name, n := range fields {
		if !strings.Contains(text, " "+strconv.Itoa(n)+"\n") {
			t.Errorf("push.Stats.%s is on no line:\n%s", name, text)
		}
	}
}

// Everything is named roost_ but what the Go and process collectors know.
func TestHandler(t *testing.T) {
	hub, err := push.New(push.Config{Apps: []push.App{{ID: "1", Key: "k", Secret: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := hub.NewServer(server.Config{Limits: server.Limits{Conns: 10}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	w := httptest.NewRecorder()
	Handler(srv, hub).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	seen := map[string]bool{}
	for line := range strings.Lines(w.Body.String()) {
		prefix, _, _ := strings.Cut(line, "_")
		if !strings.HasPrefix(line, "#") {
			seen[prefix] = true
		}
	}
	for _, want := range []string{"roost", "go", "process"} {
		if !seen[want] {
			t.Errorf("no metric begins with %s_", want)
		}
		delete(seen, want)
	}
	delete(seen, "promhttp")
	if len(seen) > 0 {
		t.Errorf("metrics with other prefixes: %v", seen)
	}
}
