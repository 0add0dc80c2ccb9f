package proc

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the time the processes have spent on a CPU so far, all their threads
// together, ended ones included. It comes from the scheduler's own sum, which
// counts nanoseconds where /proc/PID/stat counts in steps of ten milliseconds.
func CPU(pids ...int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		// clock_getcpuclockid(3): the clock of a process is its id, inverted,
		// above three bits, of which 2 asks for the scheduler's figure.
		const scheduler = 2
		var ts unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts); err != nil {
			return 0, fmt.Errorf("proc: CPU time of %d: %w", pid, err)
		}
		sum += time.Duration(ts.Nano())
	}
	return sum, nil
}

// descriptors is how many descriptors a process may have.
func descriptors() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return limit.Max
}
