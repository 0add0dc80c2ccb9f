package engine

import (
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/roost-ws/roost/server/internal/sim"
)

// weave is set in a woven build, see sim.Weave.
var weave func(w *sim.World)

// Whole engines on a simulated kernel: one owner at a time, the order of
// bytes, nothing lost and nothing twice, every session told of its end exactly
// once and last, every descriptor closed, and no wake-up lost, whatever the
// kernel, the scheduler and the clients do. ROOST_SIM_SEEDS sets the number of
// seeds, ROOST_SIM_SEED=n replays one.
func TestSimEngine(t *testing.T) {
	seeds := 300
	if weave != nil {
		seeds = 4000
	}
	var mu sync.Mutex
	var met simCoverage
	sim.Seeds(t, seeds, func(cfg sim.Config) error {
		r := newSimRun(cfg)
		err := r.run(1 + r.w.Rand.IntN(12))
		mu.Lock()
		defer mu.Unlock()
		met.add(r)
		return err
	})
	if met.runs >= 300 {
		met.check(t)
	}
}

// The same with a yield before every operation on an atomic and every lock, so
// that the protocol of the signal word meets every order of its steps, and
// with pools that make every seed an exact replay.
func TestSimWoven(t *testing.T) {
	if weave == nil {
		woven(t, "^TestSim")
	}
}

// woven runs tests of this package in a woven build.
func woven(t *testing.T, tests string) {
	t.Helper()
	overlay, err := sim.Weave(".", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-overlay", overlay, "-count=1", "-run", tests, "-v", ".")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1") // one World after the other
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A seed is a full replay: all that it depends on is in the World.
func TestSimReplays(t *testing.T) {
	if weave == nil {
		return // sync.Pool has a will of its own, which shows in the sizes of queues
	}
	run := func(seed uint64) uint64 {
		r := newSimRun(sim.Config{Seed: seed})
		if err := r.run(4); err != nil {
			t.Fatal(err)
		}
		return r.w.Hash()
	}
	for seed := range uint64(100) {
		if first, second := run(seed), run(seed); first != second {
			t.Fatalf("seed %d does not replay", seed)
		}
	}
}

// With every worker stuck in application code, loops accept, answer
// handshakes, send what others have to say, and keep deadlines; they do not
// spin; and what the stuck ones left undone is done in the end.
func TestSimExhausted(t *testing.T) {
	sim.Seeds(t, 300, func(cfg sim.Config) error {
		r := newSimRun(cfg)
		r.k.Faults = sim.Faults{Shuffle: r.k.Faults.Shuffle, Split: r.k.Faults.Split}
		r.k.Limit(1000)
		r.cfg.Inline, r.cfg.Outbound, r.decline = false, 1<<20, 0
		r.openingTime, r.longest, r.pauseAt, r.gaps = 5*time.Second, 0, 0, false
		r.cfg.ReadBuffer = unitMax // a handshake is one turn
		r.w.Go("main", func() {
			r.start()
			r.exhaust()
			r.stop()
		})
		return r.w.Run()
	})
}

func (r *simRun) exhaust() {
	w := r.w
	var stuck []*simClient
	connect := func(id uint32) *simClient {
		cl := &simClient{r: r, id: id, pushed: make(map[uint32]uint32)}
		if !cl.connect() {
			w.Fail("client %d: not accepted", id)
		}
		return cl
	}
	idle := connect(1)
	r.held = true
	for i := range r.cfg.Workers + r.cfg.Loops + 3 {
		cl := connect(uint32(10 + i)) // an accept and a handshake, while more and more workers are stuck
		cl.say(kindEcho)
		stuck = append(stuck, cl)
	}
	mute, err := r.listener.Dial()
	if err != nil {
		w.Fail("%v", err)
	}
	w.Sleep(time.Second)
	if r.calling == 0 || r.e.mayServe() {
		w.Fail("%d calls: the pool is not exhausted", r.calling)
	}
	r.push(1000, r.sessions[0], make(map[*simSession]uint32))
	idle.c.Wait(time.Second)
	idle.until(func() bool { return idle.pushed[1000] == 1 })
	w.Within(r.openingTime+time.Second, "the deadline of a silent connection", mute.Ended)

	before := r.k.Calls
	w.Sleep(10 * time.Second)
	if calls := r.k.Calls.Sub(before); calls.Wait > 100 {
		w.Fail("%d waits in ten seconds of nothing to do", calls.Wait)
	}
	r.held = false
	for _, cl := range stuck {
		cl.until(func() bool { return cl.echoed == 1 })
	}
}
