package million

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shm is where the user-mode kernel keeps its memory.
const shm = "/dev/shm"

// HostNow looks at this machine. It raises the descriptor limit of this
// process, which its children inherit, towards the one that conns ask for.
func HostNow(conns int) (Host, error) {
	var h Host
	h.Descriptors = raise(uint64(conns + reserve))
	text, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		return h, fmt.Errorf("million: %w", err)
	}
	h.MaxMaps, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	memory, err := meminfo()
	if err != nil {
		return h, err
	}
	h.Memory = memory["MemAvailable"]
	var fs unix.Statfs_t
	if unix.Statfs(shm, &fs) == nil { // otherwise there is none, and no room
		h.ShmFree = fs.Bavail * uint64(fs.Bsize)
	}
	h.UserMode, _ = exec.LookPath("linux.uml") // "" when there is none
	return h, nil
}

// raise sets RLIMIT_NOFILE to want where that is allowed and returns the limit.
func raise(want uint64) int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	if limit.Max < want {
		raised := unix.Rlimit{Cur: want, Max: want}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	return int(min(limit.Max, 1<<30))
}

// meminfo is /proc/meminfo in bytes.
func meminfo() (map[string]uint64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil, fmt.Errorf("million: %w", err)
	}
	m := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 {
			kb, _ := strconv.ParseUint(f[1], 10, 64)
			m[strings.TrimSuffix(f[0], ":")] = kb << 10
		}
	}
	return m, nil
}
