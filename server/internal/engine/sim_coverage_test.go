package engine

import "testing"

// simCoverage counts what the runs have met. A simulation that never comes
// near a branch says nothing about it.
type simCoverage struct {
	runs                                        int
	drained, paused, pushed, posted, taken      uint64
	moves, slowModes, shortages, newest, oldest uint64
	refused, declined, doomed, inline, adopted  uint64
}

func (m *simCoverage) add(r *simRun) {
	m.runs++
	m.drained += uint64(r.drained)
	m.paused += uint64(r.paused)
	m.pushed += uint64(r.pushes)
	m.posted += uint64(r.posted)
	m.taken += uint64(r.taken)
	m.refused += uint64(r.refusals)
	m.declined += uint64(r.declined)
	m.doomed += uint64(len(r.doomed))
	if r.side != nil {
		m.adopted++
	}
	if r.cfg.Inline {
		m.inline++
	}
	if r.e != nil {
		c := &r.e.Counts
		m.moves += c.Moves.Load()
		m.slowModes += c.SlowModes.Load()
		m.shortages += c.AcceptShortages.Load()
		m.newest += c.DroppedNewest.Load()
		m.oldest += c.DroppedOldest.Load()
	}
}

func (m *simCoverage) check(t *testing.T) {
	for name, n := range map[string]uint64{
		"Drained": m.drained, "Pause": m.paused, "senders": m.pushed, "posted tasks": m.posted, "Detach": m.taken,
		"moved loops": m.moves, "slow mode": m.slowModes, "shortages": m.shortages,
		"dropped newest": m.newest, "dropped oldest": m.oldest, "declined": m.declined,
		"doomed": m.doomed, "inline": m.inline, "adopted": m.adopted,
	} {
		if n == 0 {
			t.Errorf("%d runs have not met: %s", m.runs, name)
		}
	}
	t.Logf("%+v", *m)
}
