package engine

import "sync/atomic"

// Tick is the engine's coarse clock: tenths of a second on the kernel's clock,
// starting at 1. The zero Tick means never. It lasts for 13 years.
type Tick uint32

const (
	// ticksMax is the longest time that a deadline may lie ahead.
	ticksMax = 1 << 30

	chunkBits = 10
	chunkSize = 1 << chunkBits

	// genMask keeps the top bit of a token free for listeners.
	genMask = 1<<31 - 1
)

// chunk is a piece of a table. Pieces never move, so a deadline can be set by
// any goroutine that owns the connection while the table grows.
type chunk struct {
	conns [chunkSize]*Conn         // the leader's
	gens  [chunkSize]uint32        // the leader's: how often each slot was given out
	due   [chunkSize]atomic.Uint32 // Tick of each slot's deadline; 0: none
}

// table holds the connections of one loop. A token is generation<<32 | slot;
// the token of a closed connection finds nothing, whoever has its slot now.
// All methods but setDue belong to the loop's leader.
type table struct {
	chunks []atomic.Pointer[chunk] // as long as the limit of connections asks for
	used   uint32                  // slots below it were given out before
	free   []uint32
	live   int
}

func newTable(conns int) table {
	return table{chunks: make([]atomic.Pointer[chunk], conns>>chunkBits+2)}
}

// put gives c a slot. It fails when the table is full.
func (t *table) put(c *Conn) bool {
	var slot uint32
	if n := len(t.free); n > 0 {
		slot, t.free = t.free[n-1], t.free[:n-1]
	} else {
		slot = t.used
		if int(slot>>chunkBits) >= len(t.chunks) {
			return false
		}
		t.used++
	}
	p := &t.chunks[slot>>chunkBits]
	ch := p.Load()
	if ch == nil {
		ch = new(chunk)
		p.Store(ch)
	}
	i := slot & (chunkSize - 1)
	ch.gens[i] = (ch.gens[i] + 1) & genMask
	c.slot, c.gen = slot, ch.gens[i]
	ch.conns[i] = c
	ch.due[i].Store(0)
	t.live++
	return true
}

// drop takes c out of its slot, which may then be used again.
func (t *table) drop(c *Conn) {
	ch, i := t.at(c.slot)
	if ch.conns[i] != c {
		return
	}
	ch.conns[i] = nil
	ch.due[i].Store(0)
	t.free = append(t.free, c.slot)
	t.live--
}

// find returns the connection of a token, or nil when it is no more.
func (t *table) find(token uint64) *Conn {
	slot := uint32(token)
	if slot >= t.used {
		return nil
	}
	ch, i := t.at(slot)
	if c := ch.conns[i]; c != nil && c.gen == uint32(token>>32) {
		return c
	}
	return nil
}

func (t *table) at(slot uint32) (*chunk, uint32) {
	return t.chunks[slot>>chunkBits].Load(), slot & (chunkSize - 1)
}

// setDue sets the deadline of c's slot. Only c's owner calls it.
func (t *table) setDue(c *Conn, at Tick) {
	ch, i := t.at(c.slot)
	ch.due[i].Store(uint32(at))
}

// dueOf returns the deadline of c's slot. Only c's owner calls it.
func (t *table) dueOf(c *Conn) Tick {
	ch, i := t.at(c.slot)
	return Tick(ch.due[i].Load())
}

// sweep looks at the deadlines of one chunk. It clears and reports those that
// have passed, and returns the soonest of the others (0: none).
func (t *table) sweep(n int, now Tick, passed []*Conn) ([]*Conn, Tick) {
	ch := t.chunks[n].Load()
	if ch == nil {
		return passed, 0
	}
	soonest := ^uint32(0)
	for i := range ch.due {
		due := ch.due[i].Load()
		if due == 0 {
			continue
		}
		if due > uint32(now) {
			soonest = min(soonest, due)
			continue
		}
		if ch.due[i].CompareAndSwap(due, 0) && ch.conns[i] != nil {
			passed = append(passed, ch.conns[i])
		}
	}
	if soonest == ^uint32(0) {
		soonest = 0
	}
	return passed, Tick(soonest)
}
