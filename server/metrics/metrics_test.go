package metrics

import (
	"fmt"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/webhook"
)

// filled gives every number of a snapshot a value of its own, from 1000 on.
func filled[S any](t *testing.T) (s S, fields map[string]int) {
	t.Helper()
	fields = map[string]int{}
	fill(t, reflect.ValueOf(&s).Elem(), "", fields)
	return s, fields
}

func fill(t *testing.T, v reflect.Value, within string, fields map[string]int) {
	t.Helper()
	for i := range v.NumField() {
		name, n := within+v.Type().Field(i).Name, 1000+len(fields)
		switch f := v.Field(i); f.Kind() {
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(n))
		case reflect.Uint64:
			f.SetUint(uint64(n))
		case reflect.Struct:
			fill(t, f, name+".", fields)
			continue
		case reflect.Bool:
			f.SetBool(true)
			continue
		case reflect.Map, reflect.String:
			continue
		default:
			t.Fatalf("%s: a kind of field this test does not know", name)
		}
		fields[name] = n
	}
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

// has fails the test for every field whose number is on no line.
func has(t *testing.T, text, of string, fields map[string]int) {
	t.Helper()
	for name, n := range fields {
		if !strings.Contains(text, " "+strconv.Itoa(n)+"\n") {
			t.Errorf("%s.%s is on no line:\n%s", of, name, text)
		}
	}
}

// line fails the test unless the text has the line.
func line(t *testing.T, text, want string) {
	t.Helper()
	if !strings.Contains("\n"+text, "\n"+want+"\n") {
		t.Errorf("no line %s in\n%s", want, text)
	}
}

// A counter that a floor keeps and nobody shows is found here.
func TestEveryFigureIsShown(t *testing.T) {
	stats, fields := filled[server.Stats](t)
	stats.Refusals = map[string]uint64{"origin": 7001}
	take := func() server.Stats { return stats }
	reasons := causes{
		server: take, closes: func() map[server.StatusCode]uint64 { return map[server.StatusCode]uint64{4201: 7002} },
		refusals: prometheus.NewDesc("x_refused_total", "help", []string{"cause"}, nil),
		closings: prometheus.NewDesc("x_closes_total", "help", []string{"code"}, nil),
		states:   prometheus.NewDesc("x_connections", "help", []string{"state"}, nil),
	}
	text := scrape(t, newCollector("x_", take, serverMetrics), newCollector("x_", take, drainMetrics), reasons)
	delete(fields, "Conns") // the sum of the states
	has(t, text, "server.Stats", fields)
	line(t, text, `x_refused_total{cause="origin"} 7001`)
	line(t, text, fmt.Sprintf(`x_refused_total{cause="timeout"} %d`, fields["HandshakeTimeouts"]))
	line(t, text, `x_closes_total{code="4201"} 7002`)
	line(t, text, "x_draining 1")

	hub, fields := filled[push.Stats](t)
	has(t, scrape(t, newCollector("x_", func() push.Stats { return hub }, pushMetrics)), "push.Stats", fields)

	hooks, fields := filled[webhook.Stats](t)
	text = scrape(t, newCollector("x_", func() webhook.Stats { return hooks }, webhookMetrics))
	has(t, text, "webhook.Stats", fields)
	line(t, text, "x_webhook_store_damaged 1")

	app, fields := filled[appStats](t)
	app.ID = "42"
	a := newApps(Sources{Prefix: "x_", Port: "6001"})
	a.stats = func() []appStats { return []appStats{app} }
	text = scrape(t, a)
	has(t, text, "appStats", fields)
	line(t, text, fmt.Sprintf(`x_connected{app_id="42",port="6001"} %d`, fields["AppStats.Connections"]))
	line(t, text, fmt.Sprintf(`x_rate_limit_triggered_total{app_id="42",limiter="api",port="6001"} %d`, fields["CallStats.TooMany"]))
	line(t, text, fmt.Sprintf(`x_rate_limit_triggered_total{app_id="42",limiter="member_joins",port="6001"} %d`, fields["AppStats.TooManyJoins"]))
}

// A drain's progress goes from 0 to 1, also where there was nobody.
func TestDrainProgress(t *testing.T) {
	for _, row := range []struct {
		stats server.Stats
		want  string
	}{
		{server.Stats{Conns: 5}, "0"},
		{server.Stats{Draining: true, DrainFrom: 8, Conns: 8}, "0"},
		{server.Stats{Draining: true, DrainFrom: 8, Conns: 2}, "0.75"},
		{server.Stats{Draining: true, DrainFrom: 8, Conns: 0}, "1"},
		{server.Stats{Draining: true, DrainFrom: 8, Conns: 9}, "0"}, // one more had been let in
		{server.Stats{Draining: true}, "1"},
	} {
		text := scrape(t, newCollector("x_", func() server.Stats { return row.stats }, drainMetrics))
		line(t, text, "x_drain_progress_ratio "+row.want)
	}
}

// However many apps there are, few have labels; the rest is added up, nothing is lost.
func TestManyApps(t *testing.T) {
	a := newApps(Sources{Prefix: "x_"})
	a.stats = func() (all []appStats) {
		for i := range 3 * shownApps {
			one, _ := filled[appStats](t)
			one.ID = fmt.Sprintf("%04d", 3*shownApps-i)
			all = append(all, one)
		}
		return all
	}
	text := scrape(t, a)
	if n := strings.Count(text, "\nx_connected{"); n != shownApps+1 {
		t.Errorf("%d apps have labels, want %d", n, shownApps+1)
	}
	line(t, text, `x_connected{app_id="0001",port=""} 1000`)
	line(t, text, fmt.Sprintf(`x_connected{app_id="(others)",port=""} %d`, 1000*2*shownApps))
	// Every counter of the sum, and not only this one, is that of so many apps.
	sum := appStats{}
	one, _ := filled[appStats](t)
	for range 3 {
		sum.add(&one)
	}
	s, o := reflect.ValueOf(sum), reflect.ValueOf(one)
	for i := range s.NumField() {
		for j := range s.Field(i).NumField() {
			name := s.Field(i).Type().Field(j).Name
			switch f := s.Field(i).Field(j); f.Kind() {
			case reflect.Int, reflect.Int64:
				if f.Int() != 3*o.Field(i).Field(j).Int() {
					t.Errorf("%s is not added up", name)
				}
			case reflect.Uint64:
				if f.Uint() != 3*o.Field(i).Field(j).Uint() {
					t.Errorf("%s is not added up", name)
				}
			}
		}
	}
}

// Both histograms have the same events, in their own units.
func TestLatencies(t *testing.T) {
	hub, err := push.New(push.Config{Apps: []push.App{{ID: "1", Key: "k", Secret: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	l := hub.Latency()
	l.Counts[0], l.Counts[5], l.Counts[len(l.Counts)-1], l.Sum = 3, 2, 1, 1500e6
	text := scrape(t, newLatencies("x_", "6001", func() push.Latency { return l }))
	for _, want := range []string{
		`x_publish_latency_seconds_bucket{le="0.0001"} 3`, `x_publish_latency_seconds_bucket{le="0.0025"} 3`,
		`x_publish_latency_seconds_bucket{le="0.005"} 5`, `x_publish_latency_seconds_bucket{le="10"} 5`,
		`x_publish_latency_seconds_bucket{le="+Inf"} 6`, `x_publish_latency_seconds_count 6`, `x_publish_latency_seconds_sum 1.5`,
		`x_broadcast_latency_ms_bucket{port="6001",le="5"} 5`, `x_broadcast_latency_ms_sum{port="6001"} 1500`,
	} {
		line(t, text, want)
	}
}

// Everything has the prefix but what Go and the process are known by; with and
// without apps.
func TestHandler(t *testing.T) {
	for _, apps := range []bool{false, true} {
		hub, err := push.New(push.Config{Apps: []push.App{{ID: "1", Key: "k", Secret: "s"}}})
		if err != nil {
			t.Fatal(err)
		}
		srv, err := hub.NewServer(server.Config{Limits: server.Limits{Conns: 10}})
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		sources := Sources{Server: srv, Port: "6001"}
		want := `connected{port="6001"} 0`
		if apps {
			sources.Hub = hub
			want = `connected{app_id="1",port="6001"} 0`
		}
		for _, prefix := range []string{"", "soketi_"} {
			sources.Prefix = prefix
			if prefix == "" {
				prefix = DefaultPrefix
			}
			w := httptest.NewRecorder()
			Handler(sources).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			line(t, w.Body.String(), prefix+want)
			seen := map[string]bool{}
			for line := range strings.Lines(w.Body.String()) {
				if first, _, _ := strings.Cut(line, "_"); !strings.HasPrefix(line, "#") {
					seen[first+"_"] = true
				}
			}
			for _, want := range []string{prefix, "go_", "process_"} {
				if !seen[want] {
					t.Errorf("no metric begins with %s", want)
				}
				delete(seen, want)
			}
			if len(seen) > 0 {
				t.Errorf("metrics with other prefixes than %s: %v", prefix, seen)
			}
		}
	}
}
