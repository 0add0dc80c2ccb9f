package torture

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// process reads what the kernel says of the server's process (Linux only).
type process struct {
	pid int
	dir string
}

func processOf(pid int) (*process, error) {
	p := &process{pid, fmt.Sprintf("/proc/%d", pid)}
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

var inode = regexp.MustCompile(`\[?[0-9]+\]?$`)

// kinds counts the open descriptors by what they are.
func (p *process) kinds() (map[string]int, error) {
	all, err := os.ReadDir(p.dir + "/fd")
	if err != nil {
		return nil, err
	}
	kinds := map[string]int{}
	for _, one := range all {
		if to, err := os.Readlink(filepath.Join(p.dir, "fd", one.Name())); err == nil {
			kinds[inode.ReplaceAllString(to, "")]++
		}
	}
	return kinds, nil
}

// inheritable counts the open descriptors that a child process would get.
func (p *process) inheritable() (n int, err error) {
	all, err := os.ReadDir(p.dir + "/fdinfo")
	for _, one := range all {
		b, err := os.ReadFile(filepath.Join(p.dir, "fdinfo", one.Name()))
		if err != nil {
			continue // it was closed meanwhile
		}
		for line := range strings.SplitSeq(string(b), "\n") {
			const closeOnExec = 0o2000000
			if rest, ok := strings.CutPrefix(line, "flags:"); ok {
				if flags, err := strconv.ParseUint(strings.TrimSpace(rest), 8, 64); err == nil && flags&closeOnExec == 0 {
					n++
				}
			}
		}
	}
	return n, err
}

// started is when the process began, in the kernel's words: another process
// with the same number has another.
func (p *process) started() (string, error) {
	fields, err := p.stat()
	if err != nil {
		return "", err
	}
	return fields[19], nil
}

// stat returns the fields of the process's status from the third on.
func (p *process) stat() ([]string, error) {
	b, err := os.ReadFile(p.dir + "/stat")
	if err != nil {
		return nil, err
	}
	// The command's name, in parentheses, may contain spaces.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("torture: stat %q", b)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return nil, errors.New("torture: the process has ended")
	}
	return fields, nil
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

// peak is the largest resident set since forgetPeak, in bytes.
func (p *process) peak() (int64, error) {
	b, err := os.ReadFile(p.dir + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("torture: no VmHWM")
}

// forgetPeak begins a new peak, where the kernel lets us.
func (p *process) forgetPeak() error {
	return os.WriteFile(p.dir+"/clear_refs", []byte("5"), 0)
}

// cpu is the time the process has used, user and system.
func (p *process) cpu() (time.Duration, error) {
	if ns, ok := p.scheduled(); ok {
		return ns, nil
	}
	fields, err := p.stat()
	if err != nil {
		return 0, err
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick, err
}

// scheduled is the same to the nanosecond, as the sum over the threads, where
// the kernel counts it.
func (p *process) scheduled() (total time.Duration, ok bool) {
	threads, _ := filepath.Glob(p.dir + "/task/*/schedstat")
	for _, name := range threads {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		first, _, _ := strings.Cut(string(b), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, false
		}
		total += time.Duration(ns)
	}
	return total, total > 0
}
