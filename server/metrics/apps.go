package metrics

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/roost-ws/roost/server/push"
	"github.com/roost-ws/roost/server/push/api"
)

// shownApps is how many apps have a label of their own. The rest is added up
// under otherApps, so that a server of thousands of tenants can be scraped.
const (
	shownApps = 250
	otherApps = "(others)" // which is no app's id: parentheses are not allowed in them
)

// appStats is what is known of one app.
type appStats struct {
	push.AppStats
	api.CallStats
}

// appMetrics have the labels app_id and port. The names, and so what is missing of
// _total in some, are those that dashboards of other servers of the protocol know.
var appMetrics = []metric[appStats]{
	gauge("connected", "Connections of the app.", func(s *appStats) int64 { return s.Connections }),
	counter("new_connections_total", "Connections that the app has admitted.", func(s *appStats) uint64 { return s.Opened }),
	counter("new_disconnections_total", "Connections of the app that ended.", func(s *appStats) uint64 { return s.Closed }),
	counter("connection_errors_total", "Connections refused for the app's or the server's number of them.", func(s *appStats) uint64 { return s.RefusedConnections }),
	counter("socket_received_bytes", "Bytes of the messages of clients.", func(s *appStats) uint64 { return s.ReceivedBytes }),
	counter("socket_transmitted_bytes", "Bytes of the events that were delivered.", func(s *appStats) uint64 { return s.SentBytes }),
	counter("ws_messages_received_total", "Messages of clients.", func(s *appStats) uint64 { return s.AppStats.Received }),
	counter("ws_messages_sent_total", "Events that were delivered: each counts once for each subscriber.", func(s *appStats) uint64 { return s.AppStats.Sent }),
	counter("http_calls_received_total", "Calls of the HTTP API that the app has signed.", func(s *appStats) uint64 { return s.Calls }),
	counter("http_received_bytes", "Bytes of the bodies of these calls.", func(s *appStats) uint64 { return s.CallStats.Received }),
	counter("http_transmitted_bytes", "Bytes of the replies to these calls.", func(s *appStats) uint64 { return s.CallStats.Sent }),
	gauge("active_channels", "Channels of the app that have subscribers.", func(s *appStats) int { return s.Channels }),
	counter("channel_subscriptions_total", "Subscriptions that were made.", func(s *appStats) uint64 { return s.Subscribed }),
	gauge("channel_subscriptions", "Subscriptions that there are.", func(s *appStats) int64 { return s.Subscriptions }),
	counter("events_published_total", "Events of backends and clients.", func(s *appStats) uint64 { return s.Published }),
}

// apps makes the metrics of all apps.
type apps struct {
	stats func() []appStats
	port  string
	descs []*prometheus.Desc
	limit *prometheus.Desc
}

func newApps(s Sources) apps {
	a := apps{port: s.Port, stats: func() []appStats {
		var all []appStats
		for _, one := range s.Hub.AppStats() {
			app := appStats{AppStats: one}
			if s.API != nil {
				app.CallStats = s.API.Stats(one.ID)
			}
			all = append(all, app)
		}
		return all
	}}
	labels := []string{"app_id", "port"}
	for _, m := range appMetrics {
		a.descs = append(a.descs, prometheus.NewDesc(s.Prefix+m.name, m.help, labels, nil))
	}
	a.limit = prometheus.NewDesc(s.Prefix+"rate_limit_triggered_total", "What was refused for the app's rates.", append(labels, "limiter"), nil)
	return a
}

// Describe implements prometheus.Collector.
func (a apps) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range a.descs {
		ch <- d
	}
	ch <- a.limit
}

// Collect implements prometheus.Collector.
func (a apps) Collect(ch chan<- prometheus.Metric) {
	for _, s := range fewer(a.stats()) {
		for i, m := range appMetrics {
			ch <- prometheus.MustNewConstMetric(a.descs[i], m.kind, m.value(&s), s.ID, a.port)
		}
		ch <- prometheus.MustNewConstMetric(a.limit, prometheus.CounterValue, float64(s.TooMany), s.ID, a.port, "api")
		ch <- prometheus.MustNewConstMetric(a.limit, prometheus.CounterValue, float64(s.TooManyEvents), s.ID, a.port, "client_events")
		ch <- prometheus.MustNewConstMetric(a.limit, prometheus.CounterValue, float64(s.TooManyJoins), s.ID, a.port, "member_joins")
	}
}

// fewer adds up all apps but the first by id. These are the same in every scrape
// for as long as the apps are, so that no counter falls.
func fewer(all []appStats) []appStats {
	if len(all) <= shownApps {
		return all
	}
	slices.SortFunc(all, func(x, y appStats) int { return cmp.Compare(x.ID, y.ID) })
	rest := appStats{AppStats: push.AppStats{ID: otherApps}}
	for i := range all[shownApps:] {
		rest.add(&all[shownApps+i])
	}
	return append(all[:shownApps:shownApps], rest)
}

func (s *appStats) add(other *appStats) {
	s.Connections += other.Connections
	s.Channels += other.Channels
	s.Subscriptions += other.Subscriptions
	s.Opened += other.Opened
	s.Closed += other.Closed
	s.Subscribed += other.Subscribed
	s.Published += other.Published
	s.AppStats.Received += other.AppStats.Received
	s.ReceivedBytes += other.ReceivedBytes
	s.AppStats.Sent += other.AppStats.Sent
	s.SentBytes += other.SentBytes
	s.TooManyEvents += other.TooManyEvents
	s.TooManyJoins += other.TooManyJoins
	s.RefusedConnections += other.RefusedConnections
	s.Calls += other.Calls
	s.TooMany += other.TooMany
	s.CallStats.Received += other.CallStats.Received
	s.CallStats.Sent += other.CallStats.Sent
}
