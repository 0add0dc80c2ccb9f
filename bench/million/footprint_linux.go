package million

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/roost-ws/roost/bench/proc"
)

// look reads what the servers and the kernel occupy now. The servers are asked
// about their heaps last, because answering costs them some.
func (h *holding) look() (Footprint, error) {
	var f Footprint
	for _, s := range h.servers {
		m, err := proc.MemoryOf(s.process.PID)
		if err != nil {
			return f, err
		}
		f.RSS += m.RSS
		f.PSS += m.PSS
		f.Private += m.Private
		threads, err := proc.Threads(s.process.PID)
		if err != nil {
			return f, err
		}
		f.Threads += threads
		f.Peak += peak(s.process.PID)
	}
	var err error
	if f.Kernel, err = proc.KernelNow(); err != nil {
		return f, err
	}
	memory, err := meminfo()
	if err != nil {
		return f, err
	}
	f.Used = memory["MemTotal"] - memory["MemFree"]
	f.Go = map[string]float64{}
	for _, s := range h.servers {
		if s.admin == "" {
			continue
		}
		if err := heap(s.admin, f.Go); err != nil {
			return f, err
		}
	}
	return f, nil
}

// peak is the most RSS a process ever had; 0 when its kernel does not say.
func peak(pid int) uint64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// heap adds what a server says of its heap to sum. It asks for a profile, which
// ends with the runtime's figures; metrics would count the descriptors, and the
// garbage of a million names would be measured next.
func heap(admin string, sum map[string]float64) error {
	// No connection may stay: it would be counted with the others.
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + admin + "/debug/pprof/heap?debug=1")
	if err != nil {
		return fmt.Errorf("million: heap of the server: %w", err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// # HeapAlloc = 1234, # Stack = 1234 / 5678
		f := strings.Fields(lines.Text())
		if len(f) < 4 || f[0] != "#" || f[2] != "=" {
			continue
		}
		if v, err := strconv.ParseFloat(f[3], 64); err == nil {
			sum[f[1]] += v
		}
	}
	return lines.Err()
}

// descriptors is how many a process has open.
func descriptors(pid int) (int, error) {
	d, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, fmt.Errorf("million: %w", err)
	}
	defer d.Close()
	n := 0
	for {
		names, err := d.Readdirnames(4096)
		n += len(names)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return 0, fmt.Errorf("million: descriptors of %d: %w", pid, err)
		}
	}
}
