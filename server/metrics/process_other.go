//go:build !linux

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/roost-ws/roost/server"
)

func newProcess() prometheus.Collector {
	return collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
}

// kernel has nothing to show where there is no /proc.
type kernel struct{}

func newKernel(string, func() server.Stats) kernel { return kernel{} }

// Describe implements prometheus.Collector.
func (kernel) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (kernel) Collect(chan<- prometheus.Metric) {}
