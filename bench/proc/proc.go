// Package proc reads what a Linux kernel tells about processes and about the
// machine: CPU time, memory, threads, sockets. It only looks; it starts and
// stops nothing.
package proc

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Memory is what a process occupies, in bytes.
type Memory struct {
	RSS     uint64 `json:"rss"`     // resident pages
	PSS     uint64 `json:"pss"`     // resident pages, shared ones divided among their sharers
	Private uint64 `json:"private"` // resident pages nobody else has
}

// MemoryOf reads a process's memory from the kernel's exact sums.
func MemoryOf(pid int) (Memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("proc: memory of %d: %w", pid, err)
	}
	var m Memory
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseUint(f[1], 10, 64)
		switch f[0] {
		case "Rss:":
			m.RSS = kb << 10
		case "Pss:":
			m.PSS = kb << 10
		case "Private_Clean:", "Private_Dirty:":
			m.Private += kb << 10
		}
	}
	if m.RSS == 0 {
		return m, fmt.Errorf("proc: memory of %d: no resident page", pid)
	}
	return m, nil
}

// Threads is how many threads a process has.
func Threads(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("proc: threads of %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Threads:"); ok {
			return strconv.Atoi(strings.TrimSpace(rest))
		}
	}
	return 0, fmt.Errorf("proc: threads of %d: no such line", pid)
}

// Sockets is how many sockets a process holds open.
func Sockets(pid int) (int, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	names, err := readNames(dir)
	if err != nil {
		return 0, fmt.Errorf("proc: sockets of %d: %w", pid, err)
	}
	n := 0
	for _, name := range names {
		// A descriptor closed since the listing is no error.
		if to, err := os.Readlink(filepath.Join(dir, name)); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n, nil
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// Established is how many TCP connections to the port a server has accepted
// and not closed. Those that wait in the kernel to be accepted do not count.
func Established(port uint16) (int, error) {
	n := 0
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(path)
		if err != nil {
			continue // a kernel without IPv6
		}
		s := bufio.NewScanner(file)
		for s.Scan() {
			// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...
			f := strings.Fields(s.Text())
			const established, noInode = "01", "0"
			if len(f) > 9 && f[3] == established && f[9] != noInode && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				n++
			}
		}
		file.Close()
		if err := s.Err(); err != nil {
			return 0, fmt.Errorf("proc: %s: %w", path, err)
		}
	}
	return n, nil
}

// Alive reports whether pid is a process that has not ended.
func Alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, ok := strings.Cut(string(text), ") ")
	return ok && after != "" && after[0] != 'Z' && after[0] != 'X'
}

// Busy is the time all of the machine's CPUs have spent working since boot,
// and the time a hypervisor took from them.
type Busy struct {
	Work   time.Duration `json:"work"`
	Stolen time.Duration `json:"stolen"`
}

// BusyNow reads the machine's CPU time, in steps of ten milliseconds.
func BusyNow() (Busy, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Busy{}, fmt.Errorf("proc: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return Busy{}, fmt.Errorf("proc: /proc/stat begins with %q", line)
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	var b Busy
	for i, field := range f[1:] {
		n, _ := strconv.ParseInt(field, 10, 64)
		switch i {
		case 0, 1, 2, 5, 6: // user, nice, system, irq, softirq
			b.Work += time.Duration(n) * tick
		case 7:
			b.Stolen = time.Duration(n) * tick
		}
	}
	return b, nil
}
