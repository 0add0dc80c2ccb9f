package metrics

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/roost-ws/roost/server"
)

// kernel shows what connections cost beside what the process sees: the kernel's
// memory for TCP, which the whole machine shares, and the process's own, by connection.
type kernel struct {
	stats func() server.Stats

	tcp, pressure, most, sockets, each *prometheus.Desc
}

func newKernel(prefix string, stats func() server.Stats) kernel {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, labels, nil)
	}
	return kernel{
		stats:    stats,
		tcp:      desc("kernel_tcp_memory_bytes", "Memory of the kernel for the data of all TCP sockets of the machine."),
		pressure: desc("kernel_tcp_memory_pressure_bytes", "From here on the kernel saves memory for TCP."),
		most:     desc("kernel_tcp_memory_max_bytes", "From here on the kernel drops."),
		sockets:  desc("kernel_tcp_sockets", "TCP sockets of the machine, or of the container, by state.", "state"),
		each:     desc("memory_per_connection_bytes", "Resident memory of the process, all of it, by present connection; 0 while there is none."),
	}
}

// Describe implements prometheus.Collector.
func (k kernel) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{k.tcp, k.pressure, k.most, k.sockets, k.each} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What the system does not tell is left out.
func (k kernel) Collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	page := float64(os.Getpagesize())
	for state, n := range tcpSockets("/proc/net/sockstat") {
		if state == "mem" {
			put(k.tcp, n*page)
			continue
		}
		put(k.sockets, n, state)
	}
	if text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_mem"); err == nil {
		var low, pressure, most float64
		if _, err := fmt.Sscan(string(text), &low, &pressure, &most); err == nil {
			put(k.pressure, pressure*page)
			put(k.most, most*page)
		}
	}
	if _, resident, err := memory(); err == nil {
		conns := k.stats().Conns
		if conns == 0 {
			resident = 0 // a metric that comes and goes breaks alerts
		}
		put(k.each, resident/float64(max(1, conns)))
	}
}

// tcpStates are the figures of sockstat's line about TCP that are shown.
var tcpStates = map[string]string{"inuse": "in_use", "orphan": "orphan", "tw": "time_wait", "alloc": "allocated", "mem": "mem"}

// tcpSockets reads a line like "TCP: inuse 4 orphan 0 tw 0 alloc 5 mem 1".
func tcpSockets(path string) map[string]float64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	all := make(map[string]float64)
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "TCP:")
		if !ok {
			continue
		}
		for fields := strings.Fields(rest); len(fields) >= 2; fields = fields[2:] {
			n, err := strconv.ParseFloat(fields[1], 64)
			if name := tcpStates[fields[0]]; name != "" && err == nil {
				all[name] = n
			}
		}
	}
	return all
}
