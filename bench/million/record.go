package million

import (
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/proc"
)

// Server is how a server process is started.
type Server struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Argv    []string `json:"argv"` // {addr} stands for its address, {admin} for that of its metrics
}

// Plan says what is to be held.
type Plan struct {
	Server    Server        `json:"server"`
	Conns     int           `json:"conns"`
	PerServer int           `json:"per_server"` // connections of one server process at most
	PerClient int           `json:"per_client"` // connections of one client process at most
	Rest      time.Duration `json:"rest"`       // between connecting and looking
	Deadline  time.Duration `json:"deadline"`   // for each step: connecting, answering
}

// Held is what became of a Plan. Memory is that of all its server processes.
type Held struct {
	Servers int `json:"servers"` // processes
	Clients int `json:"clients"` // processes
	Opened  int `json:"opened"`

	// Descriptors is how many more the server processes have after the rest
	// than before the first connection.
	Descriptors int `json:"descriptors"`

	ConnectSeconds float64  `json:"connect_seconds"`
	ConnectCPU     float64  `json:"connect_cpu_us"` // server CPU per handshake
	Answers        []Answer `json:"answers"`
	IdleCPU        float64  `json:"idle_cpu"` // CPUs the servers used during the rest

	Before    Footprint `json:"before"`    // no connection
	Connected Footprint `json:"connected"` // the last one was just opened
	Rested    Footprint `json:"rested"`
	Answered  Footprint `json:"answered"` // right after the last answer

	ClientRSS uint64 `json:"client_rss"` // of all clients, after the answers
	Failed    string `json:"failed,omitempty"`
}

// Answer is how the connections answered one kind of question.
type Answer struct {
	Probe    load.Probe    `json:"probe"`
	Answered int           `json:"answered"`
	Seconds  float64       `json:"seconds"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	Max      time.Duration `json:"max"`
}

// Footprint is what the servers and the kernel occupy at one moment, in bytes.
type Footprint struct {
	proc.Memory
	Peak    uint64             `json:"peak"` // the most RSS there ever was
	Threads int                `json:"threads"`
	Kernel  proc.Kernel        `json:"kernel"`       // sockets of the whole machine, the clients' included
	Used    uint64             `json:"used"`         // of the whole machine's memory
	Go      map[string]float64 `json:"go,omitempty"` // runtime.MemStats of a server that shows them
}

// Record is a line of a results file.
type Record struct {
	Started time.Time     `json:"started"`
	Command []string      `json:"command"`
	Way     Way           `json:"way"`
	Why     string        `json:"why"` // this way and no other
	Machine proc.Machine  `json:"machine"`
	Guest   *proc.Machine `json:"guest,omitempty"` // the user-mode kernel's
	Plan    Plan          `json:"plan"`
	Held    *Held         `json:"held"`
}

// Good reports whether all that was asked for was held and answered.
func (h *Held) Good(conns int) bool {
	if h.Failed != "" || h.Opened != conns || h.Descriptors < conns || len(h.Answers) == 0 {
		return false
	}
	for _, a := range h.Answers {
		if a.Answered != conns {
			return false
		}
	}
	return true
}
