package push

import (
	"sync"
	"testing"

	"github.com/roost-ws/roost/server/internal/sim"
)

// Whole push servers on a simulated kernel: clients that come and go, subscribe,
// speak, resume and follow streams, slowly or in pieces, and publishers beside them,
// until all is quiet or the server leaves in the middle. What must hold: every
// subscriber gets every event of a channel between its subscription and its end
// once, and all of them in one order; nothing before subscription_succeeded and after
// unsubscribing; nobody what was not for it; who resumes gets all or is told of
// a gap; everybody's list of members is right when all is quiet; and nothing
// is left in the end. See TestSimServer for the seeds.
func TestSimPush(t *testing.T) {
	var mu sync.Mutex
	met := make(map[string]int)
	runs := 0
	sim.Seeds(t, 100, func(c sim.Config) error {
		r := newSimRun(c)
		err := r.run()
		mu.Lock()
		defer mu.Unlock()
		runs++
		for what, n := range r.met {
			met[what] += n
		}
		return err
	})
	if runs < 1000 {
		return
	}
	for _, what := range []string{
		"subscribed", "subscribed again", "unsubscribed", "client event", "refused", "published", "excluded", "overloaded", "left", "resumed", "gap",
		"stream", "stream of several", "stream resumed", "stream gap", "terminated", "watched", "cut", "member", "left early", "settled",
	} {
		if met[what] == 0 {
			t.Errorf("%d runs have not met: %s", runs, what)
		}
	}
	t.Logf("%d runs: %v", runs, met)
}
