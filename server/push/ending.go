package push

import (
	"slices"
	"sync"
	"time"

	"github.com/roost-ws/roost/server"
)

// endingsKept is how many ended connections each loop remembers.
const endingsKept = 32

// endingCodes are the codes that ended connections are counted by: those of
// RFC 6455 and of the protocol. 3000 and 4000 stand for all others of their
// ranges, so that no client can add one.
var endingCodes = [...]server.StatusCode{
	1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1013, 3000, 4000,
	4001, 4003, 4004, 4005, 4006, 4007, 4008, 4009, 4100, 4200, codePongNotReceived, 4202,
}

// endingCode is the code that counts for code.
func endingCode(code server.StatusCode) int {
	for {
		if i := slices.Index(endingCodes[:], code); i >= 0 {
			return i
		}
		if code < 3000 {
			code = server.StatusProtocolError // there is no other that a peer may send
		} else {
			code -= code % 1000
		}
	}
}

// endings is what a loop remembers of connections that ended.
type endings struct {
	mu     sync.Mutex // held by the loop, and by those who ask
	counts [len(endingCodes)]uint64
	recent [endingsKept]Ending
	next   int // the oldest of recent
}

// Ending is how one connection ended.
type Ending struct {
	At       time.Time
	App      string // the app's id; empty when the connection was not admitted to one
	SocketID SocketID
	How      *server.CloseError
}

// Endings is how connections have ended.
type Endings struct {
	Counts map[server.StatusCode]uint64 // those of 3000 to 4999 that the protocol does not know under 3000 and 4000
	Recent []Ending                     // the newest first
}

func (e *endings) add(one Ending) {
	i := endingCode(one.How.Code)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counts[i]++
	e.recent[e.next] = one
	e.next = (e.next + 1) % endingsKept
}

// ended ends the session of c and remembers why.
func (h *Hub) ended(c *server.Conn, how *server.CloseError) {
	one := Ending{At: h.now(), SocketID: h.socketID(c), How: how}
	if s := sessionOf(c); s != nil {
		one.App = s.app.config.Load().ID
	}
	h.shards[c.Loop()].endings.add(one)
	h.close(c)
}

// Endings returns how many connections have ended for which reason, and the
// last ones.
func (h *Hub) Endings() Endings {
	all := Endings{Counts: make(map[server.StatusCode]uint64, len(endingCodes))}
	for _, s := range h.shards {
		e := &s.endings
		e.mu.Lock()
		for i, code := range endingCodes {
			all.Counts[code] += e.counts[i]
		}
		for i := range e.recent {
			if !e.recent[i].At.IsZero() {
				all.Recent = append(all.Recent, e.recent[i])
			}
		}
		e.mu.Unlock()
	}
	slices.SortFunc(all.Recent, func(a, b Ending) int { return b.At.Compare(a.At) })
	return all
}
