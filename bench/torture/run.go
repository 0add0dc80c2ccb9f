package torture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// List returns the cases that the options select, in order.
func List(o Options) ([]Case, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	return o.cases(), nil
}

func (o *Options) cases() []Case {
	return slices.DeleteFunc(o.asked(), func(c Case) bool { return c.plain && o.secure })
}

// asked are the cases that were asked for, whether they can be played or not.
func (o *Options) asked() []Case {
	return slices.DeleteFunc(allCases(o), func(c Case) bool {
		return c.pid && o.Pid == 0 || c.admin && o.Admin == "" ||
			o.Run != nil && !o.Run.MatchString(c.ID) ||
			o.Skip != nil && o.Skip.MatchString(c.ID)
	})
}

// Run plays the cases and calls report for every result, from one goroutine at
// a time. The error says why they could not be played; a server that fails them
// is not an error.
func Run(ctx context.Context, o Options, report func(Result)) (*Summary, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	r := &runner{o: &o, report: report, slots: make(chan struct{}, o.Jobs)}
	if o.Pid != 0 {
		var err error
		if r.process, err = processOf(o.Pid); err != nil {
			return nil, err
		}
	}
	if err := r.reachable(); err != nil {
		return nil, err
	}
	r.compresses()
	if r.process != nil {
		time.Sleep(200 * time.Millisecond) // the server closes that connection after us
	}
	cases := o.cases()
	if len(cases) == 0 {
		return nil, fmt.Errorf("torture: no case has such an id (%s)", cmp.Or(r.summary.Plain, "those of compression included"))
	}
	return r.run(ctx, cases)
}

type runner struct {
	o       *Options
	process *process
	watch   *watch
	slots   chan struct{} // one token for each case being played, slow ones aside

	pursued map[string]*pursuit // by invariant; of the goroutine that looks at the server

	mu      sync.Mutex // guards the rest and the calls of report
	report  func(Result)
	summary Summary
	seen    map[string]bool
}

// reachable wants a handshake and some answer to a message before anything else
// is tried. It judges neither: that is for the cases.
func (r *runner) reachable() error {
	b := &Bench{o: r.o}
	defer b.hangUp()
	c, err := dial(r.o)
	if err == nil {
		b.keep(c, nil)
	}
	if errors.Is(err, errNoTLS) {
		return fmt.Errorf("torture: %s: %w", r.o.URL, err)
	}
	if err != nil {
		return fmt.Errorf("torture: nobody listens at %s: %w", r.o.URL, err)
	}
	c.listen(false)
	c.write(r.o.request().bytes())
	if e := c.next(r.o.Timeout); e.Kind != Response || e.Status != http.StatusSwitchingProtocols {
		return fmt.Errorf("torture: no WebSocket server at %s: got %v for response 101", r.o.URL, e)
	}
	if err := r.o.dialect.reach(b, c); err != nil {
		return fmt.Errorf("torture: the server at %s %w", r.o.URL, err)
	}
	return nil
}

// compresses leaves the rows of permessage-deflate out for a server that does
// without: it may, and there would be nothing to judge.
func (r *runner) compresses() {
	why := "the server was not said to compress"
	if r.o.Deflate {
		b := &Bench{o: r.o}
		defer b.hangUp()
		c, err := b.dial()
		if err != nil {
			return // the cases will tell
		}
		c.listen(false)
		c.write(b.o.request().with("Sec-WebSocket-Extensions: " + deflateOffer).bytes())
		if e := c.next(r.o.Timeout); e.Kind != Response || len(e.Header["Sec-Websocket-Extensions"]) > 0 {
			return
		}
		why = "the server declines " + deflateName
		r.o.Deflate = false
	}
	if r.o.Push == nil { // which has no such rows
		r.summary.Plain = why
	}
}

// turn is a case in one of its modes.
type turn struct {
	c Case
	m Mode
}

func (t turn) String() string { return fmt.Sprintf("%s (%v)", t.c.ID, t.m) }

// roundTurns is how many turns are played before the server is looked at.
const roundTurns = 192

func (r *runner) run(ctx context.Context, cases []Case) (*Summary, error) {
	start := time.Now()
	w, err := newWatch(r.o, r.process, map[string]bool{})
	if err != nil {
		return nil, fmt.Errorf("torture: the server cannot be watched: %w", err)
	}
	r.watch = w
	// Slow cases wait for the server's deadlines: they go first, beside the others, and hold no slot.
	slices.SortStableFunc(cases, func(a, b Case) int { return cmp.Compare(rank(a), rank(b)) })
	var beside sync.WaitGroup
	var round []turn
	for _, c := range cases {
		if ctx.Err() != nil {
			break
		}
		if c.alone {
			r.round(ctx, round)
			round = nil
			beside.Wait()
		}
		for _, m := range c.modes.each() {
			if c.slow {
				beside.Go(func() { r.play(turn{c, m}) })
				continue
			}
			if round = append(round, turn{c, m}); c.alone || len(round) >= roundTurns {
				r.round(ctx, round)
				round = nil
			}
		}
	}
	r.round(ctx, round)
	beside.Wait()
	r.end()
	r.summary.Millis = millis(time.Since(start))
	for _, c := range r.o.asked() {
		if c.plain && r.o.secure {
			r.summary.Hidden = append(r.summary.Hidden, c.ID)
		}
	}
	return &r.summary, ctx.Err()
}

// round plays turns side by side, and then looks whether the server is as it was.
func (r *runner) round(ctx context.Context, turns []turn) {
	var all sync.WaitGroup
	for _, t := range turns {
		if ctx.Err() != nil {
			break
		}
		// Only this goroutine takes slots, so that nobody waits half served.
		takes := 1
		if t.c.heavy {
			takes = max(1, r.o.Jobs/4)
		}
		for range takes {
			r.slots <- struct{}{}
		}
		all.Go(func() {
			r.play(t)
			for range takes {
				<-r.slots
			}
		})
	}
	all.Wait()
	if len(turns) == 0 || ctx.Err() != nil {
		return
	}
	r.watch.swells = swell{}
	for _, t := range turns {
		r.watch.swells.inflated += t.c.swells.inflated
		r.watch.swells.echoed += t.c.swells.echoed
	}
	if faults := r.watch.check(false); len(faults) > 0 {
		r.blame(ctx, turns, faults)
	}
}

// broken reports invariants that did not hold after something was played.
func (r *runner) broken(after string, faults []broken) {
	for _, b := range faults {
		r.watch.told[b.id]++
		r.add(Result{ID: b.id, RFC: "-", Mode: Whole.String(), Name: "after " + after, Want: b.want, Got: b.got, Dump: b.dump})
	}
}

// end looks at the invariants once more, when all is over, and reports those that held.
func (r *runner) end() {
	w := r.watch
	r.broken("all clients have left", w.check(true))
	var heard song
	if w.canary != nil {
		var err error
		if heard, err = w.canary.stop(); err != nil {
			r.broken("all clients have left", []broken{{"U1/canary", err.Error(), "every echo, in order", w.canary.dump()}})
		} else if b := w.checkDelay(heard); b != nil && !w.lost[b.id] {
			r.broken("all clients have left", []broken{*b})
		}
	}
	if err := r.reachable(); err != nil {
		r.broken("all clients have left", []broken{{id: "U2/alive", got: err.Error(), want: "a client that comes now is served"}})
	}
	for _, id := range w.names() {
		if w.told[id] > 0 {
			continue
		}
		res := Result{ID: id, RFC: "-", Mode: Whole.String(), OK: true, Name: "after every round of cases, and at the end", Want: invariants[id]}
		if id == "U1/delay" {
			res.Millis = millis(heard.p99)
			res.Name = fmt.Sprintf("p99 of %d messages on an honest connection while others misbehaved", heard.echoes)
		}
		r.add(res)
	}
}

// invariants are what must hold all the time, in words.
var invariants = map[string]string{
	"U1/canary":      "an honest connection gets every echo, in order",
	"U1/delay":       "and does not wait much longer for them than when it is alone",
	"U2/alive":       "the same process serves whoever comes",
	"U2/panics":      "no callback has panicked",
	"U3/descriptors": "descriptors as before, by number and kind",
	"U3/goroutines":  "goroutines as before, pools aside",
	"U3/heap":        "live heap as before",
	"U5/log":         "few lines, and nothing in them that a terminal obeys",
	"U6/counters":    "every refusal in a counter of its reason",
	"U6/closed-set":  "no metric that was not there before",
	"U7/cpu":         "CPU at the price of honest clients that send as much",
	"U7/memory":      "memory in proportion to what was received",
}

func rank(c Case) int {
	switch {
	case c.slow:
		return 0
	case c.alone:
		return 2
	}
	return 1
}

func (r *runner) play(t turn) {
	b := &Bench{o: r.o, process: r.process}
	start := time.Now()
	err := b.play(&t.c, t.m)
	res := Result{ID: t.c.ID, RFC: t.c.RFC, Name: t.c.Name, Want: t.c.Want, Mode: t.m.String(), OK: err == nil, Millis: millis(time.Since(start))}
	if err != nil {
		res.Got = err.Error()
		res.Dump = b.transcripts()
	}
	r.add(res)
}

func (r *runner) add(res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.summary.add(res, !r.seen[res.ID])
	r.seen[res.ID] = true
	if r.report != nil {
		r.report(res)
	}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
