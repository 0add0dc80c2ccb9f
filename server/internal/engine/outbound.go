package engine

import (
	"slices"
	"sync"
)

const (
	// segCost is what one segment of a queue costs beside its bytes. It counts
	// against the outbound limit, so that many tiny frames cannot outgrow it.
	segCost = 48
	// mergeMax: shorter shared units are copied behind the last ones instead of
	// standing in a segment of their own; a copy is cheaper than an iovec.
	mergeMax = 1 << 10
	// pressureMax is what one turn may collect before it should offer it to the
	// kernel; a quarter of the outbound limit if that is less.
	pressureMax = 64 << 10
	// spareMax is the largest buffer that a pooled queue keeps for its next user.
	spareMax = 16 << 10
)

// outbound is what waits for the kernel: whole units (frames) in order, of
// which the oldest may be partly sent. All fields are guarded by Conn.mu
// except iov, which belongs to the connection's owner.
type outbound struct {
	segs    []seg
	head    int    // segs[head] is the oldest with unsent bytes
	sent    int    // bytes of segs[head] that the kernel has
	sealed  int    // bytes behind them whose TLS records the kernel has not taken whole: they must not be dropped
	bytes   int    // unsent bytes, plus segCost for each segment
	flight  int    // segments that the owner is writing now: they must not be dropped
	refused Tick   // when the kernel last had no room; 0: it was not asked, or took something since
	corked  bool   // the owner is in a turn and will flush at its end
	spare   []byte // buffer for the next owned segment, or nil
	noted   int    // of bytes, what the loop's sum of waiting bytes has
	iov     [][]byte

	lent  []byte // a message that may be sent where it lies, see Conn.Lend; nil as a rule
	at    int    // where it begins in lent
	debts int    // segments that were lent and not sent or copied yet
}

// seg is one or more whole units, one behind the other.
type seg struct {
	b     []byte
	at    Tick // when its first unit was queued
	owned bool // b is ours: units may be appended to it and it may be used again
	lent  bool // b is the session's, and only for now
}

var outbounds = sync.Pool{New: func() any { return new(outbound) }}

func (o *outbound) empty() bool { return o.head == len(o.segs) }

// idle reports whether nothing waits beside what the owner is writing right
// now: the kernel may have taken that already, and the client may know it.
func (o *outbound) idle() bool { return o.head+o.flight == len(o.segs) }

// add copies head and payload, one unit, to the end of the queue.
func (o *outbound) add(head, payload []byte, now Tick) {
	n := len(head) + len(payload)
	if s := o.room(n, now); s != nil {
		s.b = append(append(s.b, head...), payload...)
		o.bytes += n
		return
	}
	b := o.spare
	o.spare = nil
	if !o.corked && cap(b) < n {
		b = make([]byte, 0, max(n, 512))
	}
	b = append(append(b[:0], head...), payload...)
	o.push(seg{b: b, at: now, owned: true})
}

// borrow queues a unit without a copy, if its payload is the message that was
// lent: the head goes into the room in front of it.
func (o *outbound) borrow(head, payload []byte, now Tick) bool {
	if o.lent == nil || len(payload) == 0 || &payload[0] != &o.lent[o.at] || len(head) > o.at {
		return false
	}
	start, end := o.at-len(head), o.at+len(payload)
	copy(o.lent[start:], head)
	o.push(seg{b: o.lent[start:end:end], at: now, lent: true})
	o.lent = nil // a second time it would have to share the room
	o.debts++
	return true
}

// repay copies what is still queued of lent messages.
func (o *outbound) repay() {
	for i := o.head; i < len(o.segs) && o.debts > 0; i++ {
		if s := &o.segs[i]; s.lent {
			s.b, s.lent = slices.Clone(s.b), false
		}
	}
	o.debts = 0
}

// share appends an immutable unit without copying it, unless it is so short
// that a copy is cheaper.
func (o *outbound) share(unit []byte, now Tick) {
	if len(unit) <= mergeMax {
		if s := o.room(len(unit), now); s != nil {
			s.b = append(s.b, unit...)
			o.bytes += len(unit)
			return
		}
	}
	o.push(seg{b: unit, at: now})
}

// room returns the newest segment if n bytes may be appended to it: in a cork
// always, later only units of the same tick and without growing the buffer.
func (o *outbound) room(n int, now Tick) *seg {
	if o.empty() {
		return nil
	}
	s := &o.segs[len(o.segs)-1]
	if s.owned && (o.corked || s.at == now && cap(s.b)-len(s.b) >= n) {
		return s
	}
	return nil
}

func (o *outbound) push(s seg) {
	o.segs = append(o.segs, s)
	o.bytes += len(s.b) + segCost
}

// view collects the oldest unsent bytes for one write, at most n buffers.
func (o *outbound) view(n int) [][]byte {
	o.iov = o.iov[:0]
	for i := o.head; i < len(o.segs) && len(o.iov) < n; i++ {
		o.iov = append(o.iov, o.segs[i].b)
	}
	if len(o.iov) > 0 {
		o.iov[0] = o.iov[0][o.sent:]
	}
	o.flight = len(o.iov)
	return o.iov
}

// advance forgets n written bytes and ends the flight that view began.
func (o *outbound) advance(n int) {
	o.flight = 0
	clear(o.iov) // it would hold what was sent until the next write
	for n > 0 {
		s := &o.segs[o.head]
		left := len(s.b) - o.sent
		if n < left {
			o.sent += n
			o.bytes -= n
			return
		}
		n -= left
		o.bytes -= left + segCost
		if s.owned && cap(s.b) > cap(o.spare) {
			o.spare = s.b[:0]
		}
		if s.lent {
			o.debts--
		}
		*s = seg{}
		o.sent = 0
		o.head++
	}
	if o.empty() {
		o.segs, o.head = o.segs[:0], 0
	}
}

// discard drops whole unsent units, oldest first, until at least need bytes
// are free again: never inside a unit that was partly sent, and none that unit
// says to keep. It returns how many went.
func (o *outbound) discard(need int, unit UnitFunc) (units int) {
	i := o.head + o.flight
	if o.flight == 0 && o.sent+o.sealed > 0 {
		var cost int
		i, cost = o.split(unit)
		need += cost
	}
	for need > 0 && i < len(o.segs) {
		s := &o.segs[i]
		n, keep := unit(s.b)
		if keep {
			need += o.cut(i, n)
			i++
			continue
		}
		units++
		if n < len(s.b) {
			// The front of the buffer is lost to later use; the queue of a slow
			// consumer is no place to save it.
			s.b, s.owned = s.b[n:], false
			need, o.bytes = need-n, o.bytes-n
			continue
		}
		need, o.bytes = need-n-segCost, o.bytes-n-segCost
		o.segs = slices.Delete(o.segs, i, i+1)
	}
	return units
}

// cut makes two segments of one, the first of n bytes. It returns what that costs.
func (o *outbound) cut(i, n int) (cost int) {
	s := &o.segs[i]
	if n >= len(s.b) {
		return 0
	}
	rest := seg{b: s.b[n:], at: s.at}
	s.b, s.owned = s.b[:n:n], false
	o.segs = slices.Insert(o.segs, i+1, rest)
	o.bytes += segCost
	return segCost
}

// split is cut behind the last unit that was begun. It returns the segment
// from which on none was.
func (o *outbound) split(unit UnitFunc) (next, cost int) {
	next = o.head
	begun := o.sent + o.sealed
	for begun >= len(o.segs[next].b) {
		begun -= len(o.segs[next].b)
		if next++; begun == 0 {
			return next, 0
		}
	}
	end := 0
	for end < begun || next == o.head && end <= o.sent { // a segment is never sent whole and still there
		n, _ := unit(o.segs[next].b[end:])
		end += n
	}
	return next + 1, o.cut(next, end)
}

// spill moves what a cork could not get rid of into a queue that may outlive
// the turn. The cork's own buffer stays behind for the next turn.
func (o *outbound) spill(unit UnitFunc) *outbound {
	to := outbounds.Get().(*outbound)
	to.refused = o.refused
	for i := o.head; i < len(o.segs); i++ {
		s := o.segs[i]
		start := 0
		if i == o.head {
			// Units that went out whole are not copied along.
			for next := 0; next <= o.sent; {
				start = next
				n, _ := unit(s.b[next:])
				next += n
			}
			to.sent = o.sent - start
		}
		s.b = s.b[start:]
		if s.owned {
			o.spare, s.b = o.segs[i].b[:0], slices.Clone(s.b)
		}
		to.push(s)
	}
	to.bytes -= to.sent
	to.sealed = o.sealed
	return to
}

// clear drops everything that waits, also a unit that was begun.
func (o *outbound) clear() {
	for i := o.head; i < len(o.segs); i++ {
		o.segs[i] = seg{}
	}
	o.segs, o.head, o.sent, o.sealed, o.bytes, o.flight = o.segs[:0], 0, 0, 0, 0, 0
	o.lent, o.debts, o.refused = nil, 0, 0
}
