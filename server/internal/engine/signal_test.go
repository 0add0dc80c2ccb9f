package engine

import (
	"fmt"
	"testing"
)

// wordWorld is a connection's word with everybody who is interested in it, at
// one moment. The operations of a word are atomic, so the actors' steps are
// calls of the real methods, and the test goes through every order of them.
type wordWorld struct {
	word    uint32
	queue   int    // entries of the run queue
	handled uint32 // bits whose work was done
	budget  int    // how often a turn may still leave its work for another turn
	actors  [5]wordActor
}

type wordActor struct {
	at   wordStep
	bits uint32 // taken and not worked on, or to be parked
}

type wordStep uint8

const (
	stepSignal  wordStep = iota // a signaller has not spoken yet
	stepIdle                    // a worker looks at the run queue
	stepUnqueue                 // it took the entry off
	stepTake                    // owner: what is there to do?
	stepWork                    // owner: it does that
	stepRelease                 // owner: it gives up
	stepAgain                   // owner: it could not, and adds what it wanted to park
	stepPush                    // it must put the connection into the queue
	stepDone
)

const (
	wordSignallers = 3 // the others are workers
	wordSignals    = sigReadable | sigFlush | sigFinish
)

var wordSaid = [wordSignallers]uint32{sigReadable, sigFlush, sigFinish}

// Every order of three signallers and two workers: there is never a second
// owner, a connection with something to do and no owner stands in the queue
// exactly once, and when all is quiet every signal was heeded.
func TestWordInEveryOrder(t *testing.T) {
	first := wordWorld{budget: 2}
	for i := wordSignallers; i < len(first.actors); i++ {
		first.actors[i].at = stepIdle
	}
	seen := map[wordWorld]bool{first: true}
	todo := []wordWorld{first}
	for len(todo) > 0 {
		w := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if err := w.check(); err != nil {
			t.Fatalf("%v: %+v", err, w)
		}
		moves := w.moves()
		if len(moves) == 0 {
			if w.word != 0 || w.queue != 0 || w.handled&wordSignals != wordSignals {
				t.Fatalf("all is quiet, and something was forgotten: %+v", w)
			}
		}
		for _, next := range moves {
			if !seen[next] {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	if len(seen) < 1000 {
		t.Errorf("only %d situations were met", len(seen))
	}
}

func (w *wordWorld) check() error {
	owners, pushers := 0, 0
	for _, a := range w.actors {
		switch {
		case a.at >= stepTake && a.at <= stepAgain:
			owners++
		case a.at == stepPush || a.at == stepUnqueue:
			pushers++
		}
	}
	owned := w.word&wordOwned != 0
	switch {
	case owners > 1:
		return fmt.Errorf("two owners")
	case owned != (owners == 1):
		return fmt.Errorf("the word says owned: %v, and there are %d owners", owned, owners)
	case w.queue > 1:
		return fmt.Errorf("it stands in the queue twice")
	case !owned && w.word&workBits != 0 && w.queue+pushers == 0:
		return fmt.Errorf("there is something to do, and nobody will")
	}
	return nil
}

// moves returns all worlds that one step of one actor leads to.
func (w *wordWorld) moves() (next []wordWorld) {
	for i := range w.actors {
		n := *w
		if !n.step(i, false) {
			continue
		}
		next = append(next, n)
		if w.actors[i].at == stepWork && i >= wordSignallers && w.budget > 0 {
			n = *w
			n.step(i, true)
			next = append(next, n)
		}
	}
	return next
}

// step lets one actor make its next step, as Conn.serve and its callers do.
// leave has a worker's turn end before its work is done. It reports whether
// the actor can move.
func (w *wordWorld) step(i int, leave bool) bool {
	var real word
	real.bits.Store(w.word)
	a := &w.actors[i]
	worker := i >= wordSignallers
	switch a.at {
	case stepSignal:
		a.at = stepDone
		if real.signal(wordSaid[i]) {
			a.at = stepTake
		}
	case stepIdle:
		if w.queue == 0 {
			return false
		}
		w.queue--
		a.at = stepUnqueue
	case stepUnqueue:
		a.at = stepIdle
		if real.unqueue() {
			a.at = stepTake
		}
	case stepTake:
		a.bits = real.take()
		a.at = stepWork
	case stepWork:
		turn := a.bits & turnBits
		if worker && leave {
			w.budget--
		} else if worker {
			turn = 0 // only a worker runs turns
		}
		w.handled |= a.bits &^ turn
		a.bits = turn
		a.at = stepRelease
	case stepRelease:
		done, push := real.release(a.bits)
		switch {
		case !done && a.bits != 0:
			a.at = stepAgain
		case !done:
			a.at = stepTake
		case push:
			*a = wordActor{at: stepPush}
		default:
			*a = wordActor{at: w.rest(i)}
		}
	case stepAgain:
		real.signal(a.bits)
		*a = wordActor{at: stepTake}
	case stepPush:
		w.queue++
		a.at = w.rest(i)
	case stepDone:
		return false
	}
	w.word = real.bits.Load()
	return true
}

func (w *wordWorld) rest(i int) wordStep {
	if i >= wordSignallers {
		return stepIdle
	}
	return stepDone
}
