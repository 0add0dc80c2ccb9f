package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// tableModel is what a table should know.
type tableModel struct {
	conns map[uint64]*Conn // by token
	due   map[*Conn]Tick
	stale []uint64
}

// A table against a map: tokens of closed connections find nothing, whoever
// has their slot; deadlines belong to the connection that set them.
func TestTableAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const most = 3000 // several chunks
	table := newTable(most)
	m := tableModel{conns: make(map[uint64]*Conn), due: make(map[*Conn]Tick)}
	any := func() *Conn {
		for _, c := range m.conns { // the order of a map is chance enough, but not from a seed
			return c
		}
		return nil
	}
	now := Tick(1)
	for step := range 60_000 {
		switch dice := rnd.IntN(20); {
		case dice < 6:
			c := new(Conn)
			if !table.put(c) {
				t.Fatalf("step %d: %d connections, and the table is full", step, len(m.conns))
			}
			if _, taken := m.conns[c.Token()]; taken || slices.Contains(m.stale, c.Token()) || c.Token()>>63 != 0 {
				t.Fatalf("step %d: token %#x is not new", step, c.Token())
			}
			m.conns[c.Token()] = c
			if len(m.conns) > most-100 {
				m.close(&table, any())
			}
		case dice < 11 && len(m.conns) > 0:
			m.close(&table, any())
		case dice < 17 && len(m.conns) > 0:
			c, at := any(), now+Tick(rnd.IntN(50))
			table.setDue(c, at)
			if m.due[c] = at; table.dueOf(c) != at {
				t.Fatalf("step %d: the deadline is %d, want %d", step, table.dueOf(c), at)
			}
		case dice < 18:
			now += Tick(rnd.IntN(3))
			m.sweep(t, &table, now)
		default:
			m.find(t, &table, rnd)
		}
		if table.live != len(m.conns) {
			t.Fatalf("step %d: live is %d, want %d", step, table.live, len(m.conns))
		}
	}
}

func (m *tableModel) close(table *table, c *Conn) {
	table.drop(c)
	table.drop(c) // a second time nothing happens
	delete(m.conns, c.Token())
	delete(m.due, c)
	if m.stale = append(m.stale, c.Token()); len(m.stale) > 200 {
		m.stale = m.stale[1:]
	}
}

func (m *tableModel) find(t *testing.T, table *table, rnd *rand.Rand) {
	t.Helper()
	for token, c := range m.conns {
		if table.find(token) != c {
			t.Fatalf("token %#x does not find its connection", token)
		}
		break
	}
	for _, token := range m.stale {
		if c := table.find(token); c != nil {
			t.Fatalf("token %#x of a closed connection finds %#x", token, c.Token())
		}
	}
	if token := rnd.Uint64(); table.find(token) != m.conns[token] {
		t.Fatalf("token %#x, which nobody has, finds something", token)
	}
}

func (m *tableModel) sweep(t *testing.T, table *table, now Tick) {
	t.Helper()
	var passed []*Conn
	var soonest Tick
	for n := range table.chunks {
		var next Tick
		if passed, next = table.sweep(n, now, passed); next != 0 && (soonest == 0 || next < soonest) {
			soonest = next
		}
	}
	var want []*Conn
	var wantSoonest Tick
	for c, due := range m.due {
		switch {
		case due != 0 && due <= now:
			want = append(want, c)
			m.due[c] = 0
		case due != 0 && (wantSoonest == 0 || due < wantSoonest):
			wantSoonest = due
		}
	}
	byToken := func(a, b *Conn) int { return int(a.Token()%(1<<32)) - int(b.Token()%(1<<32)) }
	slices.SortFunc(passed, byToken)
	slices.SortFunc(want, byToken)
	if !slices.Equal(passed, want) || soonest != wantSoonest {
		t.Fatalf("at %d: %d deadlines have passed and the next is at %d; want %d and %d", now, len(passed), soonest, len(want), wantSoonest)
	}
	for _, c := range passed {
		if table.dueOf(c) != 0 {
			t.Fatal("a deadline that was reported is still set")
		}
	}
}

// A table has a limit, and takes connections again when others have gone.
func TestTableIsBounded(t *testing.T) {
	const most = 1500
	table := newTable(most)
	var conns []*Conn
	for c := new(Conn); table.put(c) && len(conns) <= most+2*chunkSize; c = new(Conn) {
		conns = append(conns, c)
	}
	if n := len(conns); n < most || n > most+2*chunkSize || table.live != n {
		t.Fatalf("the table took %d connections, where %d are allowed for", n, most)
	}
	table.drop(conns[7])
	next := new(Conn)
	if !table.put(next) || next.slot != conns[7].slot || table.find(conns[7].Token()) != nil {
		t.Fatal("the slot that became free was not given out as a new one")
	}
}

// The number of a slot's uses goes round without touching the bit of listeners.
func TestTableGenerationGoesRound(t *testing.T) {
	table := newTable(0)
	c := new(Conn)
	table.put(c)
	table.drop(c)
	table.chunks[0].Load().gens[0] = genMask
	before := uint64(genMask)<<32 | uint64(c.slot)
	table.put(c)
	if c.Token()&listenerToken != 0 || table.find(c.Token()) != c || table.find(before) != nil {
		t.Fatalf("after %#x came %#x", before, c.Token())
	}
}
