package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Stopping says how a server is told to end, and what it has promised for then.
type Stopping struct {
	Signal func() error // tells it to
	Ended  func() int   // waits until its process has ended, and returns the exit code
	Code   int          // that it must be

	Window time.Duration // over which its clients are told, evenly
	Grace  time.Duration // how much longer than that the process may take
	Codes  []uint16      // of its Close frames; 1001 and 1012, or 4200 of a server of the Pusher Channels protocol
	Rude   bool          // some clients never answer its Close, or never read it: Grace has to allow for them
	AtOnce bool          // it does not wait for its clients: they are cut, and told nothing
}

// Stop has a server end while clients of every kind are there, and judges how it
// does: rows S1 to S6, and of the invariants those that can hold of a process that
// is over. Honest clients talk to it until they are told to go.
func Stop(ctx context.Context, o Options, s Stopping, report func(Result)) (*Summary, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	if s.Codes == nil {
		s.Codes = []uint16{1001, 1012}
		if o.Push != nil {
			s.Codes = []uint16{4200}
		}
	}
	r := &runner{o: &o, report: report}
	if o.Pid != 0 {
		var err error
		if r.process, err = processOf(o.Pid); err != nil {
			return nil, err
		}
	}
	if err := r.reachable(); err != nil {
		return nil, err
	}
	w := &watch{o: &o, process: r.process, told: map[string]int{}}
	if err := w.begin(); err != nil {
		return nil, fmt.Errorf("torture: the server cannot be watched: %w", err)
	}
	e := &leaving{Stopping: s, o: &o, watch: w, begun: make(chan struct{}), over: make(chan struct{}), counted: make(chan struct{})}
	defer e.hangUp()
	if err := e.gather(); err != nil {
		return nil, err
	}
	if err := e.play(ctx); err != nil {
		return nil, err
	}
	e.judge(r)
	r.summary.Millis = millis(e.ended.Sub(e.signalled))
	return &r.summary, ctx.Err()
}

// leaving is a server's end, as its clients see it.
type leaving struct {
	Stopping
	o     *Options
	watch *watch

	guests []*guest
	most   int            // of them who are to be told
	all    sync.WaitGroup // the guests, but those who hold the server up
	stay   sync.WaitGroup // those

	begun   chan struct{} // closed: the server was told to end
	counted chan struct{} // closed: its counters were read when all but the last had left
	over    chan struct{} // closed: it has ended

	signalled, ended time.Time
	code             int
	last             figures       // the last that its counters said
	cpu              time.Duration // the last that the kernel said of its process
	echoes           int64         // messages that had been answered when the counters were read last
	published        int           // calls that had been

	channel string // of the events, where there are such

	mu       sync.Mutex // guards the rest
	told     []time.Time
	faults   map[string][]*guest // by what they are about
	heard    int64               // messages that were answered, in all
	accepted []accepted          // events
}

// guest is a client that is there when the server ends, or comes then.
type guest struct {
	bench *Bench
	kind  string
	c     *Client
	id    string // of what it judges
	err   error

	served int       // answers since the signal
	told   time.Time // when its Close frame came
	news   *hearing  // of a subscriber: what it has heard
	body   []byte    // of a call that has begun: what is to come
}

// What the ending is judged by, in words.
var endings = map[string]string{
	"S1/talking":    "clients that talk are answered until their Close frame, are told why, and then hear nothing more",
	"S1/quiet":      "clients that say nothing are told, too",
	"S1/messages":   "messages that had begun are answered when they end before the Close frame",
	"S1/pipelined":  "of what was sent before the signal, all that was taken is answered, in order",
	"S1/counted":    "the counters have every message and every Close frame",
	"S1/ends":       "the process ends with the right code, in time",
	"S2/spread":     "clients are told one after the other, over the whole window",
	"S3/ends":       "the process ends with the right code, at once",
	"S4/ends":       "the process ends with the right code, in time, though some clients answer nothing or take nothing",
	"S4/mute":       "who does not answer is told like others",
	"S5/handshakes": "handshakes that had begun end in a response, or in an end",
	"S5/knocking":   "who comes meanwhile is served and told, or refused; nobody waits in silence",
	"S6/delivered":  "subscribers get every event that was accepted before they were told to go, in order",
	"S6/calls":      "calls that had begun are served; later ones are refused with 503, or not taken",
	"F21/crossing":  "Close frames that cross: one each",
	"U3/address":    "nothing listens any more",
	"U5/log":        "few lines, no stack, nothing that a terminal obeys",
	"U7/cpu":        "CPU at the price of honest clients that send as much",
}

// begin starts a guest's part. Its fault is kept under the id of what it judges.
func (e *leaving) begin(group *sync.WaitGroup, g *guest, part func(g *guest) error) {
	e.guests = append(e.guests, g)
	group.Go(func() {
		if g.err = part(g); g.err != nil && !e.AtOnce {
			e.fault(g)
		}
	})
}

func (e *leaving) fault(g *guest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.faults == nil {
		e.faults = map[string][]*guest{}
	}
	e.faults[g.id] = append(e.faults[g.id], g)
}

func (e *leaving) hangUp() {
	for _, g := range e.guests {
		g.bench.hangUp()
	}
}

// play has the server end, and looks at it until it has.
func (e *leaving) play(ctx context.Context) error {
	last := e.watch.last
	e.last, e.cpu = last.figures, last.cpu
	e.signalled = time.Now()
	close(e.begun)
	if err := e.Signal(); err != nil {
		return fmt.Errorf("torture: the server cannot be told to end: %w", err)
	}
	left := make(chan struct{})
	go func() { e.all.Wait(); close(left) }()
	go func() {
		e.code = e.Ended()
		close(e.over)
	}()
	counted := false
	for limit := time.After(e.Window + e.Grace + patience*e.o.Timeout); ; {
		select {
		case <-e.over:
			e.ended = time.Now()
			e.all.Wait()
			e.stay.Wait()
			return nil
		case <-limit:
			return errors.New("torture: the server does not end")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		e.sample(ctx)
		select {
		case <-left:
			if !counted { // behind the last of them, and before the one who holds the server up
				e.sample(ctx)
				counted = true
				close(e.counted)
			}
		default:
		}
	}
}

// sample reads what can be read while the process is there.
func (e *leaving) sample(ctx context.Context) {
	if p := e.watch.process; p != nil {
		if spent, err := p.cpu(); err == nil {
			e.cpu = max(e.cpu, spent)
		}
	}
	if a := e.watch.admin; a != nil {
		e.mu.Lock()
		heard, published := e.heard, len(e.accepted)
		e.mu.Unlock()
		if f, err := a.figures(ctx, false); err == nil {
			e.last, e.echoes, e.published = f, heard, published
		}
	}
}

// judge says of everything that was looked at whether it was right.
func (e *leaving) judge(r *runner) {
	ends := "S1/ends"
	switch {
	case e.AtOnce:
		ends = "S3/ends"
	case e.Rude:
		ends = "S4/ends"
	}
	found := map[string]string{ends: e.judgeEnd()}
	if !e.AtOnce {
		e.judgeDelivery()
		for _, g := range e.guests {
			found[g.id] = ""
		}
		if e.Window > 0 {
			found["S1/talking"], found["S2/spread"] = e.judgeService(), e.judgeSpread()
		}
		if e.watch.admin != nil && !e.Rude {
			found["S1/counted"] = e.judgeCounters()
		}
	}
	found["U3/address"] = e.judgeAddress()
	if e.o.Log != "" {
		found["U5/log"] = e.judgeLog()
	}
	if e.watch.process != nil && !e.watch.noPrice {
		found["U7/cpu"] = e.judgeCost()
	}
	for id, got := range found {
		res := Result{ID: id, RFC: "-", Mode: Whole.String(), Name: fmt.Sprintf("the server is told to end while %d clients are there", e.most), Want: endings[id], Got: got}
		if faults := e.faults[id]; len(faults) > 0 {
			g := faults[0]
			res.Got = fmt.Sprintf("of %d clients, the first (%s): %v", len(faults), g.kind, g.err)
			res.Dump = g.bench.transcripts()
		}
		res.OK = res.Got == ""
		r.add(res)
	}
}

func (e *leaving) judgeEnd() string {
	took := e.ended.Sub(e.signalled)
	switch {
	case e.code != e.Code:
		return fmt.Sprintf("exit code %d for %d", e.code, e.Code)
	case took > e.Window+e.Grace:
		return fmt.Sprintf("the end after %v for %v at most", took.Round(time.Millisecond), e.Window+e.Grace)
	}
	return ""
}

// judgeService wants most of those who were told late to have been served until
// then. On a busy machine one of them may have been kept waiting.
func (e *leaving) judgeService() string {
	late, served := 0, 0
	for _, g := range e.guests {
		if g.id != "S1/talking" || g.told.Sub(e.signalled) < e.Window/2 {
			continue
		}
		if late++; g.served > 0 {
			served++
		}
	}
	if served < late/2 {
		return fmt.Sprintf("%d of %d clients that were told late had an answer between the signal and then", served, late)
	}
	return ""
}

// judgeSpread wants no more told at any moment than one and a half times their
// share. Nothing is wrong with late: a busy machine makes clients hear late.
func (e *leaving) judgeSpread() string {
	slices.SortFunc(e.told, time.Time.Compare)
	for i, at := range e.told {
		passed := float64(at.Sub(e.signalled)) / float64(e.Window)
		if may := float64(len(e.told)) * (0.1 + 1.5*passed); float64(i+1) > may+1 {
			return fmt.Sprintf("%d of %d were told in the first %.0f %% of the window", i+1, len(e.told), 100*passed)
		}
	}
	if len(e.told) == 0 {
		return "nobody was told"
	}
	return ""
}

// judgeCounters holds what the server has counted against what clients have met.
func (e *leaving) judgeCounters() string {
	first, last := e.watch.last.figures, e.last
	if _, shown := first[messagesFigure]; shown {
		if got := int64(last[messagesFigure] - first[messagesFigure]); got != e.echoes {
			return fmt.Sprintf("%s grew by %d when %d had been answered", messagesFigure, got, e.echoes)
		}
	}
	if _, shown := first[publishedFigure]; shown {
		if got := int(last[publishedFigure] - first[publishedFigure]); got < e.published {
			return fmt.Sprintf("%s grew by %d when %d events had been accepted", publishedFigure, got, e.published)
		}
	}
	for _, code := range e.Codes {
		key := fmt.Sprintf("%s{code=\"%d\"}", closesFigure, code)
		if _, shown := first[key]; !shown {
			continue
		}
		got, want := last[key]-first[key], float64(e.o.tally.closesOf(code))
		if got < want-1 { // that of the client for whom the server waits is not over
			return fmt.Sprintf("%s grew by %.0f for %.0f Close frames", key, got, want)
		}
	}
	if n := last[panicsFigure] - first[panicsFigure]; n > 0 {
		return fmt.Sprintf("%.0f panics", n)
	}
	return ""
}

func (e *leaving) judgeAddress() string {
	c, err := connect(e.o)
	if err != nil {
		return ""
	}
	c.close()
	return "a connection when the process had ended"
}

// judgeLog looks at what was logged since the signal, at the pace that is allowed.
func (e *leaving) judgeLog() string {
	if b := e.watch.checkLog(); b != nil {
		return b.got
	}
	text, err := os.ReadFile(e.o.Log)
	if err != nil {
		return err.Error()
	}
	if at := bytes.Index(text, []byte("goroutine ")); at >= 0 {
		return fmt.Sprintf("a stack: %.200q", text[at:])
	}
	return ""
}

func (e *leaving) judgeCost() string {
	sent := e.o.tally.load().sub(e.watch.last.load)
	spent, may := e.cpu-e.watch.last.cpu, amplification*e.watch.price.of(sent)+costSlack
	if spent <= may {
		return ""
	}
	return fmt.Sprintf("%v of CPU for %d connections, %d writes, %d bytes, which are worth %v", spent, sent.conns, sent.writes, sent.bytes, may)
}

// transcripts are those of the last connections.
func (b *Bench) transcripts() string {
	var dumps []string
	for _, client := range b.clients[max(0, len(b.clients)-2):] {
		dumps = append(dumps, client.log.String())
	}
	return strings.Join(dumps, "-- another connection\n")
}
