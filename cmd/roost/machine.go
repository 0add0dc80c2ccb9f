package main

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// machine is what Linux says about itself, and about the group of processes that
// this one is in. What it does not say is unknown.
type machine struct {
	files fs.FS  // of the root, so that a container can look at its host
	pid   string // whose descriptor limit counts: a number, or self
}

// unlimited is what a file means by "max".
const unlimited = math.MaxInt64

// text returns the content of a file, "" when there is none.
func (m *machine) text(name string) string {
	text, err := fs.ReadFile(m.files, strings.TrimPrefix(name, "/"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// numbers returns the numbers in a file; nil when there are none.
func (m *machine) numbers(name string) []int64 {
	var all []int64
	for _, field := range strings.Fields(m.text(name)) {
		n, ok := parseLimit(field)
		if !ok {
			return nil
		}
		all = append(all, n)
	}
	return all
}

// number returns the first number in a file.
func (m *machine) number(name string) (n int64, known bool) {
	if all := m.numbers(name); len(all) > 0 {
		return all[0], true
	}
	return 0, false
}

func parseLimit(s string) (n int64, ok bool) {
	if s == "max" || s == "unlimited" {
		return unlimited, true
	}
	u, err := strconv.ParseUint(s, 10, 64)
	return int64(min(u, unlimited)), err == nil
}

// sysctl returns the numbers of a kernel parameter by its name with dots.
func (m *machine) sysctl(name string) []int64 {
	return m.numbers("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
}

// descriptors returns RLIMIT_NOFILE. A server raises its soft limit to the hard one.
func (m *machine) descriptors() (soft, hard int64, known bool) {
	lines := bufio.NewScanner(strings.NewReader(m.text("/proc/" + m.pid + "/limits")))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "Max open files"); ok {
			fields := strings.Fields(rest)
			if len(fields) < 2 {
				return 0, 0, false
			}
			soft, okSoft := parseLimit(fields[0])
			hard, okHard := parseLimit(fields[1])
			return soft, hard, okSoft && okHard
		}
	}
	return 0, 0, false
}

// memory returns the bytes that the machine has to give.
func (m *machine) memory() (available int64, known bool) { return m.meminfo("MemAvailable") }

// meminfo returns a line of that file in bytes.
func (m *machine) meminfo(name string) (bytes int64, known bool) {
	for line := range strings.SplitSeq(m.text("/proc/meminfo"), "\n") {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// cgroupMemory returns the least limit on memory of the groups that the process
// is in, and the file that has it. Sockets' memory in the kernel counts there.
func (m *machine) cgroupMemory() (limit int64, file string) {
	limit = unlimited
	consider := func(dir, group, name string) {
		// In a container the group's path may be one that only the host has.
		for ; ; group = path.Dir(group) {
			candidate := path.Join(dir, group, name)
			if n, known := m.number(candidate); known && n < limit {
				limit, file = n, candidate
			}
			if group == "/" || group == "." {
				return
			}
		}
	}
	for line := range strings.SplitSeq(m.text("/proc/"+m.pid+"/cgroup"), "\n") {
		_, rest, _ := strings.Cut(line, ":")
		controllers, group, ok := strings.Cut(rest, ":")
		switch {
		case !ok:
		case controllers == "":
			consider("/sys/fs/cgroup", group, "memory.max")
		case controllers == "memory":
			consider("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes")
		}
	}
	if limit > 1<<60 { // version 1 writes no limit as a very large one
		return unlimited, ""
	}
	return limit, file
}

// environ returns a variable of the process in question; only that of the
// current one when others may not be looked at.
func (m *machine) environ(name string) string {
	if m.pid == "self" {
		return os.Getenv(name)
	}
	text, _ := fs.ReadFile(m.files, "proc/"+m.pid+"/environ")
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		if value, ok := strings.CutPrefix(string(entry), name+"="); ok {
			return value
		}
	}
	return ""
}

// goMemoryLimit returns GOMEMLIMIT in bytes, 0 when it is not set.
func (m *machine) goMemoryLimit() (limit int64, wrong bool) {
	text := m.environ("GOMEMLIMIT")
	if text == "" || text == "off" {
		return 0, false
	}
	if m.pid == "self" {
		return debug.SetMemoryLimit(-1), false // Go has parsed it, or refused to start
	}
	var size byteSize
	if size.UnmarshalText([]byte(text)) != nil {
		return 0, true
	}
	return int64(size), false
}
