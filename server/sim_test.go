package server

import (
	"sync"
	"testing"

	"github.com/roost-ws/roost/server/internal/sim"
)

// Whole servers on a simulated kernel: handshakes, frames, fan-out, deadlines,
// closing and shutting down, with honest clients, slow ones, and ones that split,
// reset, lie, and say nothing. Each seed draws the server, the faults of the
// kernel and the clients. What must hold: every honest client gets each answer,
// whole, in order and once, and the Close frame it is owed; every callback comes
// when it may and no other; what is counted agrees with what happened; and
// nothing is left in the end. ROOST_SIM_SEEDS sets the number of seeds; a seed
// that fails is made smaller, and says how to replay it.
func TestSimServer(t *testing.T) {
	var mu sync.Mutex
	met := make(map[string]int)
	runs := 0
	sim.Seeds(t, 500, func(c sim.Config) error {
		r := newSimRun(c)
		err := r.run()
		mu.Lock()
		defer mu.Unlock()
		runs++
		for what, n := range r.seen {
			met[what] += n
		}
		return err
	})
	if runs < 500 {
		return
	}
	for _, p := range simPeople {
		if met[p.name] == 0 {
			t.Errorf("%d runs had no client of the kind %s", runs, p.name)
		}
	}
	for _, what := range []string{
		"early", "pushed", "news", "turned away", "OnDrain", "shed", "deadline of a mute client", "deadline of a deaf client", "deadline of a dawdler", "stall",
	} {
		if met[what] == 0 {
			t.Errorf("%d runs have not met: %s", runs, what)
		}
	}
	t.Logf("%d runs: %v", runs, met)
}

// The same, where the input decides what the server, its surroundings and its
// clients are like, and the order of the first steps: what leads to code that no
// input has met yet is kept and changed further.
func FuzzWorld(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(seed, []byte(nil))
		f.Add(seed, []byte{0, 255, 1, 128, 3, 7, byte(seed), 64, 32, 16, 9, 200, 100, 50, 25, 12})
	}
	f.Fuzz(func(t *testing.T, seed uint64, choices []byte) {
		if err := newSimRun(sim.Config{Seed: seed, Choices: choices}).run(); err != nil {
			t.Fatal(err)
		}
	})
}
