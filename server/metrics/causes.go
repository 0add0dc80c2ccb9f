package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/roost-ws/roost/server"
)

// causes makes the metrics of a server that say why, or in which state.
type causes struct {
	server func() server.Stats
	closes func() map[server.StatusCode]uint64
	calls  func() map[int]uint64 // nil without an API

	refusals, closings, states, answers *prometheus.Desc
}

func newCauses(s Sources) causes {
	c := causes{
		server:   s.Server.Stats,
		closes:   func() map[server.StatusCode]uint64 { return s.Server.Stats().Closes },
		refusals: prometheus.NewDesc(s.Prefix+"handshakes_refused_total", "Connections that did not get to open, by cause.", []string{"cause"}, nil),
		closings: prometheus.NewDesc(s.Prefix+"closes_total", "Open connections that ended, by close code; 3000 and 4000 stand for all of their ranges that are not named.", []string{"code"}, nil),
		states:   prometheus.NewDesc(s.Prefix+"connections", "Present connections, by state.", []string{"state"}, nil),
		answers:  prometheus.NewDesc(s.Prefix+"http_refusals_total", "Requests over HTTP that got an error, by status; 400 and 500 stand for all of their classes that are not named.", []string{"status"}, nil),
	}
	if s.API != nil {
		c.calls = s.API.Refusals
	}
	if s.Hub != nil { // which knows the codes of the protocol
		c.closes = func() map[server.StatusCode]uint64 { return s.Hub.Endings().Counts }
	}
	return c
}

// Describe implements prometheus.Collector.
func (c causes) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.refusals
	ch <- c.closings
	ch <- c.states
	if c.calls != nil {
		ch <- c.answers
	}
}

// Collect implements prometheus.Collector.
func (c causes) Collect(ch chan<- prometheus.Metric) {
	s := c.server()
	for cause, n := range s.Refusals {
		ch <- prometheus.MustNewConstMetric(c.refusals, prometheus.CounterValue, float64(n), cause)
	}
	for cause, n := range map[string]uint64{
		"connections": s.OverConns, "handshakes": s.OverHandshakes, "connections_of_address": s.OverAddress, "memory": s.OverHeld,
		"http_connections": s.OverHTTP, "timeout": s.HandshakeTimeouts, "unanswered": s.Refused,
	} {
		ch <- prometheus.MustNewConstMetric(c.refusals, prometheus.CounterValue, float64(n), cause)
	}
	for code, n := range c.closes() {
		ch <- prometheus.MustNewConstMetric(c.closings, prometheus.CounterValue, float64(n), strconv.Itoa(int(code)))
	}
	if c.calls != nil {
		for status, n := range c.calls() {
			ch <- prometheus.MustNewConstMetric(c.answers, prometheus.CounterValue, float64(n), strconv.Itoa(status))
		}
	}
	for state, n := range map[string]int64{
		"connecting": s.Connecting, "open": s.Open, "closing": s.Closing, "lingering": s.Lingering, "http": s.HTTP,
	} {
		ch <- prometheus.MustNewConstMetric(c.states, prometheus.GaugeValue, float64(n), state)
	}
}
