package metrics

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
)

// process shows what client_golang's collector of that name does, by the same
// names. That one counts descriptors by reading all their names, which is a million
// strings for each scrape of a server with a million connections.
type process struct {
	cpu, resident, virtual, start, open, most, free *prometheus.Desc
}

func newProcess() prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return process{
		cpu:      desc("process_cpu_seconds_total", "Total user and system CPU time spent in seconds."),
		resident: desc("process_resident_memory_bytes", "Resident memory size in bytes."),
		virtual:  desc("process_virtual_memory_bytes", "Virtual memory size in bytes."),
		start:    desc("process_start_time_seconds", "Start time of the process since unix epoch in seconds."),
		open:     desc("process_open_fds", "Number of open file descriptors."),
		most:     desc("process_max_fds", "Maximum number of open file descriptors."),
		free:     desc("process_free_fds", "Descriptors that may still be opened."),
	}
}

// Describe implements prometheus.Collector.
func (p process) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.cpu, p.resident, p.virtual, p.start, p.open, p.most, p.free} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What the system does not tell is left out.
func (p process) Collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, err error) {
		if err == nil {
			ch <- prometheus.MustNewConstMetric(d, kind, value)
		}
	}
	var used syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	put(p.cpu, prometheus.CounterValue, seconds(used.Utime)+seconds(used.Stime), err)
	virtual, resident, err := memory()
	put(p.virtual, prometheus.GaugeValue, virtual, err)
	put(p.resident, prometheus.GaugeValue, resident, err)
	start, err := startTime()
	put(p.start, prometheus.GaugeValue, start, err)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	put(p.most, prometheus.GaugeValue, float64(limit.Cur), nil)
	open, err := descriptors("/proc/self/fd")
	put(p.open, prometheus.GaugeValue, float64(open), err)
	put(p.free, prometheus.GaugeValue, max(0, float64(limit.Cur)-float64(open)), err)
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

// memory is the process's, in bytes. proc(5), /proc/pid/statm.
func memory() (virtual, resident float64, err error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0, err
	}
	_, err = fmt.Sscan(string(text), &virtual, &resident)
	page := float64(os.Getpagesize())
	return virtual * page, resident * page, err
}

// startTime is when the process began, in Unix seconds. proc(5), /proc/pid/stat
// field 22 and /proc/stat.
func startTime() (float64, error) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, err
	}
	// The program's name may have anything in it, up to the last parenthesis.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const index = 22 - 3
	if len(fields) <= index {
		return 0, fmt.Errorf("%d fields", len(fields))
	}
	ticks, err := strconv.ParseFloat(fields[index], 64)
	if err != nil {
		return 0, err
	}
	machine, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(machine), "\nbtime ")
	booted, _, _ := strings.Cut(rest, "\n")
	const ticksPerSecond = 100 // USER_HZ, on every architecture that Go runs on
	at, err := strconv.ParseFloat(booted, 64)
	return at + ticks/ticksPerSecond, err
}

// descriptors is how many entries a folder of descriptors has. Since Linux 6.2
// its size says so; before, they are counted without being named.
func descriptors(dir string) (int, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	if info.Size() > 0 {
		return int(info.Size()), nil
	}
	return countEntries(dir)
}

// countEntries counts what getdents64(2) lists, but . and .. and, for a folder
// of descriptors, the one it takes to look.
func countEntries(dir string) (int, error) {
	fd, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(fd)
	buf := make([]byte, 32<<10)
	entries := 0
	for {
		n, err := syscall.ReadDirent(fd, buf)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return entries - 3, nil
		}
		for rest := buf[:n]; len(rest) > 0; entries++ {
			const lengthAt = 16 // d_reclen, behind d_ino and d_off
			rest = rest[binary.NativeEndian.Uint16(rest[lengthAt:]):]
		}
	}
}
