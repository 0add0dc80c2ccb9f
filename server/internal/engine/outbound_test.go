package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A unit of these tests is its length in two bytes, whether it may be dropped,
// and filling that says which one it is.
func queueUnit(n, size int, keep bool) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(3+size))
	b = append(b, 'd')
	if keep {
		b[2] = 'k'
	}
	for i := range size {
		b = append(b, byte(n)+byte(i))
	}
	return b
}

func measureUnit(b []byte) (n int, keep bool) {
	return int(binary.BigEndian.Uint16(b)), b[2] == 'k'
}

// queueModel is an outbound queue as a list of units.
type queueModel struct {
	units [][]byte
	sent  int  // bytes of units[0] that the kernel has
	begun bool // units[0] counts as begun: it stands where the kernel stopped inside a segment
}

func (m *queueModel) unsent() []byte { return bytes.Join(m.units, nil)[m.sent:] }

func (m *queueModel) advance(n int) {
	for m.sent += n; len(m.units) > 0 && m.sent >= len(m.units[0]); m.units = m.units[1:] {
		m.sent -= len(m.units[0])
	}
}

// discard drops what the real queue dropped, and reports whether it was allowed
// to: whole units that are not begun, do not stand among the bytes in flight,
// and may be dropped, the oldest first.
func (m *queueModel) discard(units, inFlight int) error {
	at, passed := 0, -m.sent
	for range units {
		for ; ; at++ {
			if at == len(m.units) {
				return fmt.Errorf("%d units were dropped, and there are not so many", units)
			}
			begun := at == 0 && m.begun || passed < inFlight
			if _, keep := measureUnit(m.units[at]); !begun && !keep {
				break
			}
			passed += len(m.units[at])
		}
		m.units = slices.Delete(m.units, at, at+1)
	}
	return nil
}

// droppable counts the bytes that discard may drop.
func (m *queueModel) droppable(inFlight int) (n int) {
	passed := -m.sent
	for i, u := range m.units {
		if _, keep := measureUnit(u); !keep && !(i == 0 && m.begun) && passed >= inFlight {
			n += len(u)
		}
		passed += len(u)
	}
	return n
}

// compare checks the whole content and the account.
func (m *queueModel) compare(o *outbound) error {
	var left []byte
	cost := 0
	for i := o.head; i < len(o.segs); i++ {
		left = append(left, o.segs[i].b...)
		cost += segCost
	}
	left = left[min(o.sent, len(left)):]
	switch want := m.unsent(); {
	case !bytes.Equal(left, want):
		return fmt.Errorf("the queue has % .60x of %d bytes, want % .60x of %d", left, len(left), want, len(want))
	case o.bytes != len(want)+cost:
		return fmt.Errorf("its account says %d, and there are %d bytes in segments that cost %d", o.bytes, len(want), cost)
	case o.empty() != (len(want) == 0):
		return fmt.Errorf("empty says %v, and there are %d bytes", o.empty(), len(want))
	}
	return nil
}

// queueRun does things at random to a queue and to its model.
type queueRun struct {
	rnd    *rand.Rand
	o      *outbound
	m      queueModel
	now    Tick
	count  int
	flight []byte // what the owner writes at the moment; nil: it does not
	loans  [][]byte
}

// Whatever is done to a queue, it holds what a list of units would hold, no
// unit is ever cut, and the account is exact.
func TestOutboundAgainstModel(t *testing.T) {
	for seed := range uint64(400) {
		r := &queueRun{rnd: rand.New(rand.NewPCG(seed, 1)), o: new(outbound)}
		r.o.corked = seed%2 == 0
		for step := range 200 {
			what, err := r.step()
			if err == nil {
				err = r.m.compare(r.o)
			}
			if err != nil {
				t.Fatalf("seed %d, step %d, %s: %v", seed, step, what, err)
			}
		}
	}
}

func (r *queueRun) step() (what string, err error) {
	if r.rnd.IntN(3) == 0 {
		r.now++
	}
	switch dice := r.rnd.IntN(12); {
	case dice < 5:
		return "add", r.add()
	case dice < 7:
		u := r.unit()
		r.o.share(u, r.now)
		r.m.units = append(r.m.units, u)
		return "share", nil
	case dice < 8:
		return "borrow", r.borrow()
	case dice < 10:
		return "write", r.write()
	case dice < 11:
		return "discard", r.discard()
	case r.flight == nil && r.o.corked:
		return "uncork", r.uncork()
	}
	return "nothing", nil
}

func (r *queueRun) unit() []byte {
	r.count++
	return queueUnit(r.count, r.rnd.IntN(1<<r.rnd.IntN(13)), r.rnd.IntN(4) == 0)
}

func (r *queueRun) add() error {
	u := r.unit()
	payload := bytes.Clone(u[3:])
	r.o.add(u[:3], payload, r.now)
	clear(payload) // the caller's memory is the caller's
	r.m.units = append(r.m.units, u)
	return nil
}

// borrow sends a message where it lies. Its memory is used again when the turn ends.
func (r *queueRun) borrow() error {
	if !r.o.corked {
		return nil
	}
	u := r.unit()
	mem := append(make([]byte, 5), u[3:]...)
	r.o.lent, r.o.at = mem, 5
	if len(u) == 3 {
		r.o.add(u[:3], nil, r.now)
	} else if !r.o.borrow(u[:3], mem[5:], r.now) {
		return fmt.Errorf("a message that was lent was not borrowed")
	} else {
		r.loans = append(r.loans, mem)
	}
	r.o.lent = nil
	r.m.units = append(r.m.units, u)
	return nil
}

// write begins a write or ends the one that was begun; in between others may add and discard.
func (r *queueRun) write() error {
	if r.flight == nil {
		n := 1 + r.rnd.IntN(4)
		bufs := r.o.view(n)
		r.flight = bytes.Join(bufs, nil)
		if len(bufs) > n || !bytes.HasPrefix(r.m.unsent(), r.flight) || len(r.flight) == 0 && len(r.m.units) > 0 {
			return fmt.Errorf("a write of %d buffers and %d bytes", len(bufs), len(r.flight))
		}
		return nil
	}
	n := len(r.flight)
	if r.rnd.IntN(2) == 0 {
		n = r.rnd.IntN(n + 1)
	}
	r.o.advance(n)
	r.m.advance(n)
	r.flight = nil
	return nil
}

func (r *queueRun) discard() error {
	inFlight := 0
	for i := range r.o.flight { // what was added behind the bytes in flight may share their segment
		inFlight += len(r.o.segs[r.o.head+i].b)
		if i == 0 {
			inFlight -= r.o.sent
		}
	}
	r.m.begun = r.o.sent > 0
	before, need := r.o.bytes, r.rnd.IntN(5000)
	units := r.o.discard(need, measureUnit)
	if err := r.m.discard(units, inFlight); err != nil {
		return err
	}
	if left := r.m.droppable(inFlight); before-r.o.bytes < need && left > 0 {
		return fmt.Errorf("%d of %d bytes were freed, with %d left that may go", before-r.o.bytes, need, left)
	}
	return nil
}

// uncork ends a turn: what is left moves to a queue that may outlive it.
func (r *queueRun) uncork() error {
	r.o.repay()
	for _, mem := range r.loans {
		clear(mem)
	}
	r.loans = nil
	if r.o.empty() {
		return nil
	}
	to := r.o.spill(measureUnit)
	r.o.clear()
	if err := (&queueModel{}).compare(r.o); err != nil {
		return fmt.Errorf("the cork: %w", err)
	}
	r.o = to
	return nil
}
