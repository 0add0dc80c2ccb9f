package million

import (
	"errors"
	"fmt"
)

// Way is how connections beyond a process's limit are held.
type Way string

// The ways, the best one first.
const (
	Process    Way = "process"   // one server process on this kernel
	UserMode   Way = "uml"       // one server process in a user-mode Linux kernel
	Processes  Way = "processes" // several server processes, each with an address of its own
	Simulation Way = "sim"       // package server on a simulated kernel, without sockets
)

// About says in half a sentence what a way's figures are about.
func (w Way) About() string {
	switch w {
	case Process:
		return "one server process on this machine's kernel"
	case UserMode:
		return "one server process in a user-mode Linux kernel"
	case Processes:
		return "several server processes on this machine's kernel, which say what the machine can hold, not what one process can"
	case Simulation:
		return "package server on a simulated kernel, without sockets: heap per connection and the cost of deadlines"
	}
	return string(w)
}

// Costs of a connection that requirements are worked out from, in bytes. They
// were measured and are rounded up.
const (
	connMemory    = 9_500    // both ends: sockets, the server's and the client's own
	processMemory = 30 << 20 // a server or a client without connections
	guestMemory   = 1 << 30  // a user-mode kernel and its programs without connections
	guestConn     = 13_000   // what the user-mode kernel is given for each
)

// reserve is how many descriptors a process needs besides its connections.
const reserve = 200

// mapsPerConn: every page of a guest's process is a mapping of its host's. A
// connection has an eighth of a page at the server and a quarter at the client.
const (
	mapsPerConn = 1
	mapsBase    = 100_000
)

// Host is what a machine offers.
type Host struct {
	Descriptors int    // of one process
	Memory      uint64 // available
	MaxMaps     int    // vm.max_map_count
	ShmFree     uint64 // room in /dev/shm
	UserMode    string // path of the user-mode kernel, or ""
}

// Needs says what is missing for a way to hold so many connections; nil: nothing.
func (h Host) Needs(w Way, conns int) error {
	var errs []error
	needs := func(is bool, format string, args ...any) {
		if !is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	memory := uint64(conns) * connMemory
	switch w {
	case Process:
		needs(h.Descriptors >= conns+reserve,
			"one process may have %d descriptors and needs %d: raise its limit (ulimit -n, LimitNOFILE, or run as root where that may raise it)", h.Descriptors, conns+reserve)
	case Processes:
		needs(h.Room() >= reserve, "a process may have only %d descriptors", h.Descriptors)
		memory += uint64(2*parts(conns, max(1, h.Room()))) * processMemory
	case UserMode:
		needs(h.UserMode != "", "there is no user-mode Linux kernel: apt-get install user-mode-linux")
		maps := mapsBase + conns*mapsPerConn
		needs(h.MaxMaps >= maps, "vm.max_map_count is %d and has to be %d, or the user-mode kernel stalls without a word: sysctl -w vm.max_map_count=2000000", h.MaxMaps, maps)
		needs(h.ShmFree >= GuestMemory(conns), "/dev/shm has room for %d MB and needs %d: mount -o remount,size=%[2]dm /dev/shm", h.ShmFree>>20, GuestMemory(conns)>>20)
		memory += guestMemory / 2
	case Simulation:
		memory = 600 * uint64(conns)
	}
	needs(h.Memory >= memory, "%d MB of memory are available and about %d are needed", h.Memory>>20, memory>>20)
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", w, errors.Join(errs...))
}

// Choose picks the best way that is open, and says why it is not a better one.
func (h Host) Choose(conns int) (w Way, why string) {
	for _, w := range []Way{Process, UserMode, Processes} {
		err := h.Needs(w, conns)
		if err == nil {
			if why == "" {
				why = "it is the best one, and nothing is missing for it"
			}
			return w, why
		}
		if why != "" {
			why += "; "
		}
		why += "not " + err.Error()
	}
	return Simulation, why
}

// Room is how many connections one process may have here.
func (h Host) Room() int { return max(0, h.Descriptors-reserve) }

// clientMax is how many connections one client process holds where it may hold
// more: each has source addresses of its own, and few connections a source
// address keep it quick to find a free port.
const clientMax = 250_000

// Split says how many connections one server and one client process get.
func (h Host) Split(w Way, conns int) (perServer, perClient int) {
	switch w {
	case UserMode:
		return conns, min(conns, clientMax)
	case Processes:
		return min(conns, h.Room()), min(conns, h.Room(), clientMax)
	}
	return conns, min(conns, h.Room(), clientMax)
}

// GuestMemory is the memory that a user-mode kernel is given, in bytes.
func GuestMemory(conns int) uint64 { return guestMemory + uint64(conns)*guestConn }

// parts is how many parts of at most size make up n.
func parts(n, size int) int { return (n + size - 1) / size }
