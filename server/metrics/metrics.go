// Package metrics shows the counters that a server and a push hub keep as
// Prometheus metrics.
//
// It keeps no state and counts nothing itself: a scrape takes one snapshot of
// Stats. No metric has a label per connection, channel or anything else that
// clients choose; every set of label values is closed.
package metrics

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
)

// Handler answers scrapes with the metrics of srv, of hub unless it is nil,
// and of the Go runtime and the process.
func Handler(srv *server.Server, hub *push.Hub) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector[server.Stats]{srv.Stats, serverMetrics},
		byCause{srv.Stats},
	)
	if hub != nil {
		r.MustRegister(collector[push.Stats]{hub.Stats, pushMetrics})
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// metric is one figure of a snapshot of type S.
type metric[S any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*S) float64
}

func gauge[S any, N int | int64](name, help string, value func(*S) N) metric[S] {
	return metric[S]{desc(name, help), prometheus.GaugeValue, func(s *S) float64 { return float64(value(s)) }}
}

func counter[S any](name, help string, value func(*S) uint64) metric[S] {
	return metric[S]{desc(name, help), prometheus.CounterValue, func(s *S) float64 { return float64(value(s)) }}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("roost_"+name, help, labels, nil)
}

// collector makes metrics of one snapshot of type S.
type collector[S any] struct {
	stats   func() S
	metrics []metric[S]
}

// Describe implements prometheus.Collector.
func (c collector[S]) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c collector[S]) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for _, m := range c.metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s))
	}
}

// byCause makes the metrics that have a label.
type byCause struct{ stats func() server.Stats }

var (
	refusalsDesc = desc("handshakes_refused_total", "Opening handshakes that got an HTTP error.", "cause")
	closesDesc   = desc("closes_total", "Connections that ended, by close code; 3000 and 4000 stand for their ranges.", "code")
	statesDesc   = desc("connections", "Present connections, by state.", "state")
)

// Describe implements prometheus.Collector.
func (c byCause) Describe(ch chan<- *prometheus.Desc) {
	ch <- refusalsDesc
	ch <- closesDesc
	ch <- statesDesc
}

// Collect implements prometheus.Collector.
func (c byCause) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for cause, n := range s.Refusals {
		ch <- prometheus.MustNewConstMetric(refusalsDesc, prometheus.CounterValue, float64(n), cause)
	}
	for code, n := range s.Closes {
		ch <- prometheus.MustNewConstMetric(closesDesc, prometheus.CounterValue, float64(n), strconv.Itoa(int(code)))
	}
	for state, n := range map[string]int64{
		"connecting": s.Connecting, "open": s.Open, "closing": s.Closing, "lingering": s.Lingering, "http": s.HTTP,
	} {
		ch <- prometheus.MustNewConstMetric(statesDesc, prometheus.GaugeValue, float64(n), state)
	}
}
