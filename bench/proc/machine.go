package proc

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine describes where figures were taken, for whoever reads them later.
type Machine struct {
	CPU         string            `json:"cpu"`
	CPUs        int               `json:"cpus"`
	MemoryBytes uint64            `json:"memory_bytes"`
	Kernel      string            `json:"kernel"`
	OS          string            `json:"os"`
	Arch        string            `json:"arch"`
	Go          string            `json:"go"`
	Virtual     bool              `json:"virtual"` // a hypervisor is below
	Descriptors uint64            `json:"descriptors"`
	Load        string            `json:"load"` // /proc/loadavg when asked
	Sysctl      map[string]string `json:"sysctl"`
}

// The settings that change what a benchmark of connections sees.
var sysctls = []string{
	"net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog", "net.ipv4.ip_local_port_range",
	"net.ipv4.tcp_mem", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "fs.nr_open", "fs.file-max",
}

// MachineNow describes this machine. What cannot be read is left empty.
func MachineNow() Machine {
	m := Machine{
		CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
		Kernel: read("/proc/sys/kernel/osrelease"), Load: read("/proc/loadavg"),
		Sysctl: map[string]string{},
	}
	for line := range strings.Lines(read("/proc/cpuinfo")) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			m.CPU = strings.TrimSpace(value)
		case "flags":
			m.Virtual = strings.Contains(value+" ", " hypervisor ")
		}
	}
	for line := range strings.Lines(read("/proc/meminfo")) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kb, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			m.MemoryBytes = kb << 10
		}
	}
	m.Descriptors = descriptors()
	for _, name := range sysctls {
		if v := read("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); v != "" {
			m.Sysctl[name] = v
		}
	}
	return m
}

func read(path string) string {
	text, _ := os.ReadFile(path) // empty when it cannot be read
	return strings.TrimSpace(string(text))
}
