//go:build unix

package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// raiseLimit raises RLIMIT_NOFILE to the most that the system grants.
//
// Go's runtime already raised the soft limit to the hard one. A process with
// CAP_SYS_RESOURCE may go beyond, up to fs.nr_open.
func raiseLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	if most := openMax(); most > uint64(limit.Max) {
		raised := limit
		assign(&raised.Cur, most)
		assign(&raised.Max, most)
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			return most
		}
	}
	return uint64(limit.Cur)
}

// assign sets a field of Rlimit, which FreeBSD and DragonFly type as int64.
func assign[T int64 | uint64](field *T, n uint64) { *field = T(n) }

// openMax is fs.nr_open where there is such a thing, otherwise 0.
func openMax() uint64 {
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
