package engine

import (
	"fmt"
)

// idle is called when nobody can run before time has passed. Then every
// connection that nobody owns must have been left in order: what is still to
// be done must have somebody who will be woken for it.
func (r *simRun) idle() error {
	if r.e == nil {
		return nil
	}
	if err := r.stranded(); err != nil {
		return err
	}
	for _, l := range r.e.loops {
		taken := make(map[uint64]bool) // events that the leader has in hand
		for _, ev := range l.events[l.at:l.ready] {
			taken[ev.Token] = true
		}
		for slot := range l.table.used {
			ch, i := l.table.at(slot)
			c := ch.conns[i]
			if c == nil {
				continue
			}
			word := c.word.bits.Load()
			if word&wordOwned != 0 || word&wordQueued != 0 || taken[c.Token()] {
				continue // somebody is at work on it, or will be
			}
			if word != 0 {
				return fmt.Errorf("slot %d of loop %d: signals %#x were forgotten", slot, l.index, word)
			}
			if err := r.forgotten(c); err != nil {
				return fmt.Errorf("slot %d of loop %d, flags %#x: %w", slot, l.index, c.flags, err)
			}
			due := Tick(ch.due[i].Load())
			if late := r.k.Now() - r.e.At(due); due != 0 && late > r.tardy && l.lead.Load()&1 == 0 {
				return fmt.Errorf("slot %d of loop %d: its deadline passed %v ago", slot, l.index, late)
			}
		}
	}
	return nil
}

// stranded looks for work that waits for a goroutine that will not come.
func (r *simRun) stranded() error {
	for _, l := range r.e.loops {
		inCall := l.lead.Load()&1 == 1
		if inCall && !r.cfg.Inline && !r.e.watching.Load() {
			return fmt.Errorf("loop %d is in application code, and nobody watches it", l.index)
		}
		if n := l.queue.n; n > 0 && r.calling == 0 {
			return fmt.Errorf("%d connections stand in the run queue of loop %d, and nobody serves it", n, l.index)
		}
	}
	return nil
}

// checkQueue: a connection stands in its run queue at most once.
func (r *simRun) checkQueue(l *Loop) {
	if l == nil {
		return // Refused
	}
	q, seen := l.queue, make(map[*Conn]bool)
	for i := range q.n {
		c := q.ring[(q.head+i)%len(q.ring)]
		if seen[c] {
			r.w.Fail("slot %d of loop %d stands twice in the run queue", c.slot, c.loop.index)
		}
		seen[c] = true
	}
}

func (r *simRun) forgotten(c *Conn) error {
	session := c.session
	t, withTLS := session.(*secured)
	if withTLS {
		session = t.Session
	}
	s := session.(*simSession)
	k, ok := r.k.Look(int(c.fd))
	switch {
	case !ok:
		return fmt.Errorf("it has no descriptor, and nobody ends it")
	case c.out != nil && !c.out.empty():
		s.owedDrained = true
	case s.owedDrained && s.state == simOpen:
		return fmt.Errorf("its queue was refused and is empty now, which it was not told")
	}
	if c.out != nil && c.out.noted != c.out.bytes {
		return fmt.Errorf("%d bytes wait, %d are counted", c.out.bytes, c.out.noted)
	}
	switch {
	case k.Pending:
		return nil
	case withTLS && t.shake != nil && t.shake.holder.Load() == withRunner && r.e.shaking.running > 0:
		return nil
	case withTLS && t.shake != nil && t.shake.holder.Load() != withOwner && r.e.shaking.begun < r.e.shaking.most:
		return fmt.Errorf("its handshake waits for nobody")
	case withTLS && t.pending() > 0 && !k.Refused && (t.shake == nil || t.shake.holder.Load() == withOwner):
		return fmt.Errorf("%d bytes of records wait, and nobody will send them", t.pending())
	case c.out != nil && !c.out.empty() && !k.Refused:
		return fmt.Errorf("%d bytes wait, and nobody will send them", c.out.bytes)
	case c.flags&flagPaused != 0:
		return nil
	case k.Unread > 0:
		return fmt.Errorf("%d bytes were not read, and nobody will read them", k.Unread)
	case k.Ended && c.flags&flagEnded == 0:
		return fmt.Errorf("the end of the stream was not seen")
	}
	return nil
}
