package torture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What breaks whoever is played has no culprit, and looking for one would take the
// better part of an hour: an invariant is given up when so many cases, or rounds
// without one that stands out, were blamed, or when so much time went into it.
const (
	blamedMost  = 5
	blameWithin = time.Minute
)

// pursuit is what looking for those who break one invariant has come to.
type pursuit struct {
	cases int // and rounds
	took  time.Duration
}

// blame plays the turns of a round in which an invariant broke once more, each
// by itself, to find the one that breaks it.
func (r *runner) blame(ctx context.Context, turns []turn, faults []broken) {
	price := func(b broken) bool { return strings.HasPrefix(b.id, "U7/") }
	if len(turns) == 1 && slices.ContainsFunc(faults, func(b broken) bool { return !price(b) }) {
		r.broken(turns[0].String(), faults)
		r.pursue(faults, pursuit{cases: 1})
		return
	}
	found := false
	certain := slices.DeleteFunc(slices.Clone(faults), price)
	for _, t := range turns {
		if ctx.Err() != nil || found && !r.watch.alive() || !slices.ContainsFunc(faults, func(b broken) bool { return !r.watch.lost[b.id] }) {
			return
		}
		start := time.Now()
		b := &Bench{o: r.o, process: r.process}
		b.play(&t.c, t.m) // it was judged before
		again := r.watch.check(false)
		if len(again) == 0 {
			r.pursue(certain, pursuit{took: time.Since(start)})
			continue
		}
		found = true
		r.broken(t.String(), again)
		r.pursue(again, pursuit{1, time.Since(start)})
	}
	// Prices are noisy on a busy machine: what nobody pays a second time is nobody's fault.
	if !found && len(certain) > 0 {
		r.broken(fmt.Sprintf("one of %d cases, from %v to %v", len(turns), turns[0], turns[len(turns)-1]), certain)
		r.pursue(certain, pursuit{cases: 1})
	}
}

// pursue adds to what was done about faults, and gives those up that it was too
// much for. The rest of the run goes on without a look at them.
func (r *runner) pursue(faults []broken, more pursuit) {
	if r.pursued == nil {
		r.pursued = map[string]*pursuit{}
	}
	for _, b := range faults {
		p := r.pursued[b.id]
		if p == nil {
			p = new(pursuit)
			r.pursued[b.id] = p
		}
		p.cases += more.cases
		p.took += more.took
		if r.watch.lost[b.id] || p.cases < blamedMost && p.took < blameWithin {
			continue
		}
		r.watch.lost[b.id] = true
		b.got = fmt.Sprintf("%s: it breaks without a culprit, and is looked at no more", b.got)
		r.broken(fmt.Sprintf("%d cases or rounds were blamed, in %v", p.cases, p.took.Round(time.Second)), []broken{b})
	}
}
