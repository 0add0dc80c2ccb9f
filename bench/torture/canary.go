package torture

import (
	"fmt"
	"time"
)

// canary is an honest connection that echoes all the time beside the cases: what
// others send must not disturb it (U1), and no byte of theirs may reach it (U4).
type canary struct {
	bench  *Bench
	stopCh chan struct{}
	done   chan struct{}

	echoes int // written by run until done is closed
	worst  time.Duration
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
		w.err = err
		return
	}
	c.pongs = true
	for {
		start := time.Now()
		message := fmt.Sprintf("canary %d", w.echoes)
		c.write(wireOf(text(message)).Bytes)
		if w.err = w.bench.expect(c, wantText(message)); w.err != nil {
			return
		}
		w.echoes++
		w.worst = max(w.worst, time.Since(start))
		select {
		case <-w.stopCh:
			w.err = w.bench.finish(c, ending{how: alive})
			return
		case <-time.After(canaryEvery):
		}
	}
}

// stop ends the watch and returns what was seen.
func (w *canary) stop() (echoes int, worst time.Duration, err error) {
	close(w.stopCh)
	<-w.done
	return w.echoes, w.worst, w.err
}

func (w *canary) dump() string {
	var s string
	for _, c := range w.bench.clients {
		s += c.log.String()
	}
	return s
}
