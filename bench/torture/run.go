package torture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	return slices.DeleteFunc(allCases(o), func(c Case) bool {
		return c.pid && o.Pid == 0 ||
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
	if r.process != nil {
		time.Sleep(200 * time.Millisecond) // the server closes that connection after us
	}
	cases := o.cases()
	if len(cases) == 0 {
		return nil, errors.New("torture: no case has such an id")
	}
	return r.run(ctx, cases)
}

type runner struct {
	o       *Options
	process *process
	slots   chan struct{} // one token for each case being played, slow ones aside

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
	c, err := b.dial()
	if err != nil {
		return fmt.Errorf("torture: nobody listens at %s: %w", r.o.URL, err)
	}
	c.listen(false)
	c.write(r.o.request().bytes())
	if e := c.next(r.o.Timeout); e.Kind != Response || e.Status != http.StatusSwitchingProtocols {
		return fmt.Errorf("torture: no WebSocket server at %s: got %v for response 101", r.o.URL, e)
	}
	c.write(wireOf(text("echo?"), closing(1000, "")).Bytes)
	if e := c.next(r.o.Timeout); e.Kind == Silence || e.Kind == Close {
		return fmt.Errorf("torture: the server at %s does not echo: got %v for a text message", r.o.URL, e)
	}
	return nil
}

func (r *runner) run(ctx context.Context, cases []Case) (*Summary, error) {
	start := time.Now()
	before := r.descriptors()
	watch := watchCanary(r.o)
	// Slow cases wait for the server's deadlines: they go first, and hold no slot.
	slices.SortStableFunc(cases, func(a, b Case) int { return cmp.Compare(rank(a), rank(b)) })
	var beside sync.WaitGroup
	for _, c := range cases {
		if c.alone {
			beside.Wait()
		}
		for _, m := range c.modes.each() {
			if ctx.Err() != nil {
				break
			}
			switch {
			case c.alone:
				r.play(c, m)
			case c.slow:
				beside.Go(func() { r.play(c, m) })
			default:
				// Only this goroutine takes slots, so that nobody waits half served.
				takes := 1
				if c.heavy {
					takes = max(1, r.o.Jobs/4)
				}
				for range takes {
					r.slots <- struct{}{}
				}
				beside.Go(func() {
					r.play(c, m)
					for range takes {
						<-r.slots
					}
				})
			}
		}
	}
	beside.Wait()
	r.invariants(watch, before)
	r.summary.Millis = millis(time.Since(start))
	return &r.summary, ctx.Err()
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

func (r *runner) play(c Case, m Mode) {
	b := &Bench{o: r.o, process: r.process}
	start := time.Now()
	err := b.play(&c, m)
	res := Result{ID: c.ID, RFC: c.RFC, Name: c.Name, Want: c.Want, Mode: m.String(), OK: err == nil, Millis: millis(time.Since(start))}
	if err != nil {
		res.Got = err.Error()
		var dumps []string
		for _, client := range b.clients[max(0, len(b.clients)-2):] {
			dumps = append(dumps, client.log.String())
		}
		res.Dump = strings.Join(dumps, "-- another connection\n")
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

// invariants are what must have held through all cases.
func (r *runner) invariants(watch *canary, before int) {
	res := Result{ID: "U1/canary", RFC: "-", Mode: Whole.String(), Name: "an honest connection echoes 10 messages a second while the others misbehave",
		Want: "every echo, in order"}
	echoes, worst, err := watch.stop()
	res.OK = err == nil
	res.Millis = millis(worst)
	if err != nil {
		res.Got = fmt.Sprintf("%v after %d echoes", err, echoes)
		res.Dump = watch.dump()
	}
	r.add(res)
	res = Result{ID: "U2/alive", RFC: "-", Mode: Whole.String(), Name: "a client that comes when all is over", Want: "it is served"}
	if err := r.reachable(); err != nil {
		res.Got = err.Error()
	}
	res.OK = res.Got == ""
	r.add(res)
	if r.process == nil {
		return
	}
	res = Result{ID: "U3/descriptors", RFC: "-", Mode: Whole.String(), Name: "all clients have left",
		Want: fmt.Sprintf("%d descriptors, as before, within 10 s", before)}
	after := 0
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if after = r.descriptors(); after <= before || time.Now().After(deadline) {
			break
		}
	}
	if res.OK = after <= before && after > 0; !res.OK {
		res.Got = fmt.Sprintf("%d descriptors", after)
	}
	r.add(res)
}

// descriptors counts those of the server; 0 when it cannot.
func (r *runner) descriptors() int {
	if r.process == nil {
		return 0
	}
	n, err := r.process.descriptors()
	if err != nil {
		return 0
	}
	return n
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
