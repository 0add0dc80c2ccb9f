package torture

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"
)

// canary is an honest connection that has something answered all the time beside the cases: what
// others send must not disturb it (U1), and no byte of theirs may reach it (U4).
type canary struct {
	bench  *Bench
	stopCh chan struct{}
	done   chan struct{}

	mu     sync.Mutex // guards the rest
	begun  int        // echoes
	echoes []time.Duration
	alone  int           // how many of them there were before anybody else came
	calm   time.Duration // the longest of those
	err    error
}

const (
	canaryEvery = 100 * time.Millisecond // the pause between two messages
	calmEvery   = 5 * time.Millisecond   // while nobody else has come
	calmEchoes  = 10                     // that come before anybody else does
)

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
	sing, err := w.bench.o.dialect.sing(w.bench, c)
	if err != nil {
		w.note(0, err)
		return
	}
	for n := 0; ; n++ {
		w.mu.Lock()
		w.begun = n + 1
		w.mu.Unlock()
		start := time.Now()
		err := sing(n)
		if w.note(time.Since(start), err); err != nil {
			return
		}
		pause := canaryEvery
		if n < calmEchoes {
			pause = calmEvery
		}
		select {
		case <-w.stopCh:
			if err := w.bench.finish(c, ending{how: alive}); err != nil {
				w.note(0, err)
			}
			return
		case <-time.After(pause):
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
			w.mu.Lock()
			defer w.mu.Unlock()
			return cmp.Or(w.err, errors.New("the honest connection is over"))
		case <-time.After(canaryEvery / 4):
		}
	}
}

// settle waits for the first echoes, with which the others are compared.
func (w *canary) settle() {
	for {
		w.mu.Lock()
		broken := w.err != nil
		if !broken && len(w.echoes) >= calmEchoes {
			w.alone, w.calm = len(w.echoes), slices.Max(w.echoes)
		}
		settled := w.alone > 0
		w.mu.Unlock()
		if settled || broken {
			return // what is broken, the first look at it says
		}
		time.Sleep(calmEvery)
	}
}

// song is what a canary has seen since others are there.
type song struct {
	echoes    int
	p99, calm time.Duration // all but one in a hundred took at most; the longest while it was alone
}

// stop ends the watch.
func (w *canary) stop() (song, error) {
	close(w.stopCh)
	<-w.done
	s := song{calm: w.calm}
	if disturbed := w.echoes[w.alone:]; len(disturbed) > 0 {
		slices.Sort(disturbed)
		s.echoes, s.p99 = len(disturbed), disturbed[len(disturbed)*99/100]
	}
	return s, w.err
}

func (w *canary) dump() string {
	var s string
	for _, c := range w.bench.clients {
		s += c.log.String()
	}
	return s
}
