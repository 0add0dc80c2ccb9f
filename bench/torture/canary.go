package torture

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// canary is an honest connection that echoes all the time beside the cases: what
// others send must not disturb it (U1), and no byte of theirs may reach it (U4).
type canary struct {
	bench  *Bench
	stopCh chan struct{}
	done   chan struct{}

	mu     sync.Mutex // guards the rest
	begun  int        // echoes
	echoes []time.Duration
	err    error
}

// canaryEvery is the pause between two messages.
const canaryEvery = 100 * time.Millisecond

func watchCanary(o *Options) *canary {
	w := &canary{bench: &Bench{o: o}, stopCh: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *canary) run() {
	defer close(w.done)
	defer w.bench.hangUp()
	c, err := w.bench.open()
	if err != nil {
		w.note(0, err)
		return
	}
	c.pongs = true
	for n := 0; ; n++ {
		w.mu.Lock()
		w.begun = n + 1
		w.mu.Unlock()
		start := time.Now()
		message := fmt.Sprintf("canary %d", n)
		c.write(wireOf(text(message)).Bytes)
		err := w.bench.expect(c, wantText(message))
		if w.note(time.Since(start), err); err != nil {
			return
		}
		select {
		case <-w.stopCh:
			if err := w.bench.finish(c, ending{how: alive}); err != nil {
				w.note(0, err)
			}
			return
		case <-time.After(canaryEvery):
		}
	}
}

func (w *canary) note(took time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err = err; err == nil {
		w.echoes = append(w.echoes, took)
	}
}

// sings waits until an echo that began from now on has come back.
func (w *canary) sings() error {
	w.mu.Lock()
	since := w.begun
	w.mu.Unlock()
	for {
		w.mu.Lock()
		err, after := w.err, len(w.echoes) > since
		w.mu.Unlock()
		if err != nil || after {
			return err
		}
		select {
		case <-w.done:
			return errors.New("the honest connection is over")
		case <-time.After(canaryEvery / 4):
		}
	}
}

// stop ends the watch and returns what was seen: how many echoes, and how long
// all but one in a hundred took at most.
func (w *canary) stop() (echoes int, p99 time.Duration, err error) {
	close(w.stopCh)
	<-w.done
	if n := len(w.echoes); n > 0 {
		slices.Sort(w.echoes)
		p99 = w.echoes[n*99/100]
	}
	return len(w.echoes), p99, w.err
}

func (w *canary) dump() string {
	var s string
	for _, c := range w.bench.clients {
		s += c.log.String()
	}
	return s
}
