// Package metrics shows the counters that a server, its apps and its webhooks
// keep as Prometheus metrics.
//
// It keeps no state and counts nothing itself: a scrape takes one snapshot of
// each. No metric has a label per connection, channel or anything else that
// clients choose; every set of label values is closed, and that of apps is bounded.
package metrics

import (
	"cmp"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/api"
	"github.com/roost-ws/roost/server/push/webhook"
)

// DefaultPrefix begins the names of all metrics but those of Go and the process.
const DefaultPrefix = "roost_"

// Sources are what is shown. Only Server has to be there.
type Sources struct {
	Server   *server.Server
	Hub      *push.Hub
	API      *api.Handler
	Webhooks *webhook.Sender

	// Prefix replaces DefaultPrefix, for dashboards of another server: "soketi_".
	Prefix string
	// Port is the value of the label port, which these dashboards know.
	Port string
}

// Handler answers scrapes with the metrics of what there is, of the Go runtime,
// the process and the kernel.
func Handler(s Sources) http.Handler {
	s.Prefix = cmp.Or(s.Prefix, DefaultPrefix)
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		newProcess(),
		newCollector(s.Prefix, s.Server.Stats, serverMetrics),
		newCollector(s.Prefix, s.Server.Stats, drainMetrics),
		newCauses(s),
		newKernel(s.Prefix, s.Server.Stats),
	)
	if s.Hub != nil {
		r.MustRegister(
			newCollector(s.Prefix, s.Hub.Stats, pushMetrics),
			newApps(s),
			newLatencies(s.Prefix, s.Port, s.Hub.Latency),
		)
	} else {
		r.MustRegister(newCollector(s.Prefix, s.Server.Stats, plainMetrics, label{"port", s.Port}))
	}
	if s.Webhooks != nil {
		r.MustRegister(newCollector(s.Prefix, s.Webhooks.Stats, webhookMetrics))
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// metric is one figure of a snapshot of type S.
type metric[S any] struct {
	name, help string
	kind       prometheus.ValueType
	value      func(*S) float64
}

func gauge[S any, N int | int64](name, help string, value func(*S) N) metric[S] {
	return metric[S]{name, help, prometheus.GaugeValue, func(s *S) float64 { return float64(value(s)) }}
}

func counter[S any](name, help string, value func(*S) uint64) metric[S] {
	return metric[S]{name, help, prometheus.CounterValue, func(s *S) float64 { return float64(value(s)) }}
}

func ratio[S any](name, help string, value func(*S) float64) metric[S] {
	return metric[S]{name, help, prometheus.GaugeValue, value}
}

// label is one that all metrics of a collector have.
type label struct{ name, value string }

// collector makes metrics of one snapshot of type S.
type collector[S any] struct {
	stats   func() S
	metrics []metric[S]
	descs   []*prometheus.Desc
}

func newCollector[S any](prefix string, stats func() S, metrics []metric[S], labels ...label) collector[S] {
	c := collector[S]{stats: stats, metrics: metrics}
	constant := prometheus.Labels{}
	for _, l := range labels {
		constant[l.name] = l.value
	}
	for _, m := range metrics {
		c.descs = append(c.descs, prometheus.NewDesc(prefix+m.name, m.help, nil, constant))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c collector[S]) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector[S]) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for i, m := range c.metrics {
		ch <- prometheus.MustNewConstMetric(c.descs[i], m.kind, m.value(&s))
	}
}
