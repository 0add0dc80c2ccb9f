package torture

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// process reads what the kernel says of the server's process (Linux only).
type process struct{ dir string }

func processOf(pid int) (*process, error) {
	p := &process{fmt.Sprintf("/proc/%d", pid)}
	if _, err := p.descriptors(); err != nil {
		return nil, fmt.Errorf("torture: process %d cannot be watched: %w", pid, err)
	}
	return p, nil
}

// descriptors counts the open ones.
func (p *process) descriptors() (int, error) {
	all, err := os.ReadDir(p.dir + "/fd")
	return len(all), err
}

// resident is the resident set in bytes.
func (p *process) resident() (int64, error) {
	b, err := os.ReadFile(p.dir + "/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, fmt.Errorf("torture: statm %q", b)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// cpu is the time the process has used, user and system.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(p.dir + "/stat")
	if err != nil {
		return 0, err
	}
	// The command's name, in parentheses, may contain spaces.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("torture: stat %q", b)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick, err
}
