package engine

import (
	"testing"
	"time"

	"github.com/roost-ws/roost/poller"
	"github.com/roost-ws/roost/server/internal/sim"
)

// A loop goes to sleep while a connection comes to the run queue and handlers are
// found to be slow: the loop serves the connection, or a worker was hired, in
// whatever order it happens. Whole engines hardly ever meet the order that matters.
func TestSleepWoven(t *testing.T) {
	if weave == nil {
		woven(t, "^TestSleepWoven$")
		return
	}
	sim.Seeds(t, 4000, func(cfg sim.Config) error {
		w := sim.NewWorld(cfg)
		weave(w)
		k := sim.NewKernel(w, sim.Faults{})
		p, err := k.NewPoller()
		if err != nil {
			return err
		}
		hired, awake := 0, false
		e := &Engine{Config: Config{Workers: 3, Submit: func(func()) error { hired++; return nil }}, kernel: k}
		e.queue = &runQueue{e: e}
		l := &Loop{e: e, poller: p, queue: e.queue, events: make([]poller.Event, 1)}
		e.loops = []*Loop{l}
		w.Go("leader", func() {
			l.wait(&worker{e: e})
			awake = true
		})
		w.Go("another", func() { e.queue.push(&Conn{loop: l}) })
		w.Go("worker", func() { e.judge(pace{paceWindow, paceWindow}) })
		w.Go("main", func() {
			w.Within(time.Second, "somebody serves the connection", func() bool { return awake || hired > 0 })
			p.Wake()
			w.Until("awake", func() bool { return awake })
			p.Close()
		})
		return w.Run()
	})
}
