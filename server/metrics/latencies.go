package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/roost-ws/roost/server/push"
)

// latencies shows how long events take to their last subscriber: in seconds, and
// in the milliseconds of dashboards that know broadcast_latency_ms.
type latencies struct {
	latency         func() push.Latency
	seconds, millis *prometheus.Desc
}

func newLatencies(prefix, port string, latency func() push.Latency) latencies {
	const help = "From publishing an event until it was written to the last of its subscribers, or queued for those who read slowly."
	return latencies{
		latency: latency,
		seconds: prometheus.NewDesc(prefix+"publish_latency_seconds", help, nil, nil),
		millis:  prometheus.NewDesc(prefix+"broadcast_latency_ms", help, nil, prometheus.Labels{"port": port}),
	}
}

// Describe implements prometheus.Collector.
func (l latencies) Describe(ch chan<- *prometheus.Desc) {
	ch <- l.seconds
	ch <- l.millis
}

// Collect implements prometheus.Collector.
func (l latencies) Collect(ch chan<- prometheus.Metric) {
	got := l.latency()
	for _, as := range []struct {
		desc *prometheus.Desc
		unit time.Duration
	}{{l.seconds, time.Second}, {l.millis, time.Millisecond}} {
		below, n := make(map[float64]uint64, len(got.Bounds)), uint64(0)
		for i, bound := range got.Bounds {
			n += got.Counts[i]
			below[float64(bound)/float64(as.unit)] = n
		}
		n += got.Counts[len(got.Bounds)]
		ch <- prometheus.MustNewConstHistogram(as.desc, n, float64(got.Sum)/float64(as.unit), below)
	}
}
