package torture

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

// settleWithin is how long a server may take to be as it was before a round.
var settleWithin = 10 * time.Second // shorter in tests that wait for what does not come

// sight is what can be seen of a server from outside at one moment.
type sight struct {
	started string
	kinds   map[string]int // descriptors
	cpu     time.Duration
	memory  int64
	figures figures
	load    load
	closes  map[uint16]int64
	refused int64
	answers map[int]int64 // refusals by status
	alerts  int64
	logged  int64
	at      time.Time
}

// watch looks whether a server is as it was: the invariants U1 to U8 of the
// threat table, as far as they can be seen from outside. U8 is in every script,
// and U4 in every message.
type watch struct {
	o       *Options
	process *process // nil without Options.Pid
	admin   *admin   // nil without Options.Admin
	canary  *canary  // nil when U1/canary is lost from the start
	price   price
	first   sight // before anything was sent
	last    sight // after the last round
	told    map[string]int
	lost    map[string]bool // what does not hold any more, whoever comes: nobody waits for it

	swells swell // what the server may make of what is sent in this round

	noPeak  bool  // the kernel does not let us ask for it
	noPrice bool  // there is none to compare with
	err     error // why the server cannot be watched
}

// alive reports whether there is still something to look at.
func (w *watch) alive() bool { return w.process == nil || w.checkIdentity() == nil }

func newWatch(o *Options, p *process, lost map[string]bool) (*watch, error) {
	w := &watch{o: o, process: p, told: map[string]int{}, lost: lost}
	if err := w.begin(); err != nil {
		return nil, err
	}
	if !lost["U1/canary"] {
		w.canary = watchCanary(o)
		w.canary.settle()
	}
	return w, nil
}

// begin asks for the prices and looks at everything for the first time.
func (w *watch) begin() error {
	if w.o.Admin != "" {
		w.admin = newAdmin(w.o.Admin)
	}
	if w.process != nil {
		w.noPrice = w.lost["U7/cpu"] || w.appraise() != nil // it does not serve what honest clients are measured with
	}
	w.first = w.look(true)
	w.last = w.first
	return w.err
}

// look takes everything in. What cannot be read leaves w.err.
func (w *watch) look(collect bool) (s sight) {
	keep := func(err error) {
		if err != nil && w.err == nil {
			w.err = err
		}
	}
	w.err = nil
	if w.admin != nil {
		var err error
		s.figures, err = w.admin.figures(context.Background(), collect)
		keep(err)
	}
	if w.process != nil {
		var err error
		s.started, err = w.process.started()
		keep(err)
		s.kinds, err = w.process.kinds()
		keep(err)
		s.memory, err = w.process.resident()
		keep(err)
		w.noPeak = w.process.forgetPeak() != nil
		s.cpu, err = w.process.cpu()
		keep(err)
	}
	t := w.o.tally
	s.load, s.refused, s.closes, s.at = t.load(), t.refused.Load(), map[uint16]int64{}, time.Now()
	s.alerts, s.answers = t.alerts.Load(), t.refusals()
	for _, code := range rejections {
		s.closes[code] = t.closesOf(code)
	}
	if w.o.Log != "" {
		info, err := os.Stat(w.o.Log)
		keep(err)
		if err == nil {
			s.logged = info.Size()
		}
	}
	return s
}

// broken is an invariant that does not hold.
type broken struct{ id, got, want, dump string }

// check looks at everything after a round in which nothing but the suite's slow
// cases is left open. It returns what does not hold, but for what is lost.
func (w *watch) check(final bool) (all []broken) {
	add := func(b *broken) {
		if b != nil {
			all = append(all, *b)
		}
	}
	cost := w.checkCost() // first: looking costs the server something, too
	add(w.checkCanary())
	if w.process != nil {
		if b := w.checkIdentity(); b != nil {
			return append(all, *b) // nobody is there for the rest
		}
		add(cost)
		add(w.checkPeak())
		add(w.checkDescriptors())
	}
	if w.admin != nil {
		all = append(all, w.checkFigures(final)...)
	}
	if w.o.Log != "" {
		add(w.checkLog())
	}
	w.last = w.look(false)
	if w.err != nil {
		all = append(all, broken{id: "U2/alive", got: w.err.Error(), want: "a process that can be watched"})
	}
	return slices.DeleteFunc(all, func(b broken) bool { return w.lost[b.id] })
}

func (w *watch) checkCanary() *broken {
	if w.canary == nil {
		return nil
	}
	err := w.canary.sings()
	if err == nil {
		return nil
	}
	dump := w.canary.dump()
	w.canary = watchCanary(w.o)
	return &broken{"U1/canary", err.Error(), "every echo, in order", dump}
}

// checkDelay judges how long others have kept the honest connection waiting.
func (w *watch) checkDelay(s song) *broken {
	most := max(w.o.Delay, 5*s.calm) + w.o.Standstill // nobody answers while the process is stopped
	if s.p99 <= most {
		return nil
	}
	return &broken{id: "U1/delay", got: fmt.Sprintf("p99 of %d echoes %v", s.echoes, s.p99), want: fmt.Sprintf("%v at most; alone the longest took %v", most, s.calm)}
}

func (w *watch) checkIdentity() *broken {
	started, err := w.process.started()
	switch {
	case err != nil:
		return &broken{id: "U2/alive", got: err.Error(), want: "the same process"}
	case started != w.first.started:
		return &broken{id: "U2/alive", got: "another process of that number", want: "the same process"}
	}
	return nil
}

// checkDescriptors: those of the first look, and one for each connection that
// is still open on our side.
func (w *watch) checkDescriptors() *broken {
	if w.lost["U3/descriptors"] {
		return nil
	}
	kinds, room := map[string]int{}, 0
	settled := settles(func() (ok bool) {
		kinds, _ = w.process.kinds()
		room = w.ends() * int(w.o.tally.open.Load())
		for kind, n := range kinds {
			if over := n - w.first.kinds[kind]; over > 0 {
				room -= over
			}
		}
		return room >= 0 && len(kinds) > 0
	})
	if settled {
		return nil
	}
	return &broken{id: "U3/descriptors", got: fmt.Sprint(kinds), want: fmt.Sprintf("%v and at most %d more", w.first.kinds, w.o.tally.open.Load())}
}

// ends is how many descriptors a connection is to the server's process.
func (w *watch) ends() int {
	if w.o.Pid == os.Getpid() {
		return 2 // a test's server is the client's process, too
	}
	return 1
}

// Slack of what a busy server in Go keeps for a moment: goroutines of pools,
// memory of buffers. At the end, when the pools have rested, there is less of it.
const (
	goroutineSlack, goroutineSlackEnd = 600, 8
	heapSlack, heapSlackEnd           = 24 << 20, 1 << 20
)

func (w *watch) checkFigures(final bool) (all []broken) {
	goroutines, heap := float64(goroutineSlack), float64(heapSlack)
	if final {
		goroutines, heap = goroutineSlackEnd, heapSlackEnd
	}
	first := w.first.figures
	heap += first[heapFigure] * 1.02
	goroutines += first[goroutinesFigure]
	var f figures
	var err error
	add := func(id, got, want string) { all = append(all, broken{id: id, got: got, want: want}) }
	settled := settles(func() bool {
		f, err = w.admin.figures(context.Background(), true)
		is := func(id string, ok bool) bool { return ok || w.lost[id] }
		return err == nil && is("U3/heap", f[heapFigure] <= heap) && is("U3/goroutines", f[goroutinesFigure] <= goroutines) &&
			is("U3/waiting", f[waitingFigure] <= 1<<20) && is("U6/counters", w.counted(f) == "")
	})
	switch {
	case err != nil:
		add("U2/alive", err.Error(), "an answer from the server's admin address")
		return all
	case !settled:
		if f[heapFigure] > heap {
			add("U3/heap", fmt.Sprintf("%.0f bytes of live heap", f[heapFigure]), fmt.Sprintf("at most %.0f", heap))
		}
		if f[goroutinesFigure] > goroutines {
			add("U3/goroutines", fmt.Sprint(f[goroutinesFigure]), fmt.Sprintf("at most %.0f", goroutines))
		}
		if f[waitingFigure] > 1<<20 {
			add("U3/waiting", fmt.Sprintf("%.0f bytes wait for clients", f[waitingFigure]), "next to none")
		}
		if missing := w.counted(f); missing != "" {
			add("U6/counters", missing, "every refusal in a counter of its reason")
		}
	}
	if n := f[panicsFigure]; n > first[panicsFigure] {
		add("U2/panics", fmt.Sprintf("%.0f", n), "none")
	}
	if names := f.unlike(first); len(names) > 0 {
		add("U6/closed-set", fmt.Sprintf("new metrics %v", names[:min(len(names), 5)]), "those that there were before the first case")
	}
	return all
}

// counted says which refusals that clients saw are in no counter; it knows
// roost's names, and is content with a server that shows none of them.
func (w *watch) counted(f figures) string {
	first := w.first.figures
	for _, code := range rejections {
		key := fmt.Sprintf("%s{code=\"%d\"}", closesFigure, code)
		if _, shown := first[key]; !shown {
			continue
		}
		got, want := f[key]-first[key], float64(w.o.tally.closesOf(code)-w.first.closes[code])
		if got < want {
			return fmt.Sprintf("%s grew by %.0f for %.0f Close frames", key, got, want)
		}
	}
	if _, shown := first[alertsFigure]; shown {
		got, want := f[alertsFigure]-first[alertsFigure], float64(w.o.tally.alerts.Load()-w.first.alerts)
		if got < want {
			return fmt.Sprintf("%s grew by %.0f for %.0f alerts", alertsFigure, got, want)
		}
	}
	if _, shown := first[closesFigure+`{code="1002"}`]; !shown {
		return ""
	}
	got, want := f.sum(refusalFigures...)-first.sum(refusalFigures...), float64(w.o.tally.refused.Load()-w.first.refused)
	if got < want {
		return fmt.Sprintf("the counters of refused handshakes and calls grew by %.0f for %.0f responses", got, want)
	}
	return w.answered(f)
}

// answered says which status of the refusals that clients saw is not counted as
// itself. Refused handshakes have statuses, too, and are counted by their causes.
func (w *watch) answered(f figures) string {
	first := w.first.figures
	handshakes := f.sum(refusalFigures[0]) - first.sum(refusalFigures[0])
	for status, n := range w.o.tally.refusals() {
		key := fmt.Sprintf("%s{status=\"%d\"}", answersFigure, status)
		if _, shown := first[key]; !shown {
			continue
		}
		if got, want := f[key]-first[key]+handshakes, float64(n-w.first.answers[status]); got < want {
			return fmt.Sprintf("%s, and refused handshakes, grew by %.0f for %.0f responses", key, got, want)
		}
	}
	return ""
}

// settles waits until a server is as it should be.
func settles(as func() bool) bool { return within(settleWithin, as) }

// names of all invariants that are watched, for the summary.
func (w *watch) names() []string {
	ids := map[string]bool{"U1/canary": true, "U1/delay": true, "U2/alive": true}
	if w.process != nil {
		ids["U3/descriptors"], ids["U7/cpu"], ids["U7/memory"] = true, !w.noPrice, !w.noPeak
	}
	if w.admin != nil {
		for _, id := range []string{"U2/panics", "U3/heap", "U3/goroutines", "U6/counters", "U6/closed-set"} {
			ids[id] = true
		}
	}
	if w.o.Log != "" {
		ids["U5/log"] = true
	}
	maps.DeleteFunc(ids, func(_ string, watched bool) bool { return !watched })
	return slices.Sorted(maps.Keys(ids))
}
