package sim

import "errors"

// ErrPoolFull is what a Pool answers when all its workers are busy.
var ErrPoolFull = errors.New("sim: pool is full")

// Pool is a bounded pool of workers.
type Pool struct {
	// Refuse is the probability with which a task is refused although there is room.
	Refuse float64

	w    *World
	name string
	size int
	busy int
	peak int
}

// NewPool makes a pool of at most size workers; 0 means no bound.
func (w *World) NewPool(name string, size int) *Pool {
	return &Pool{w: w, name: name, size: size}
}

// Submit has a worker run the task, or returns ErrPoolFull. It does not yield.
func (p *Pool) Submit(task func()) error {
	if p.size > 0 && p.busy == p.size || p.w.chance(p.Refuse) {
		return ErrPoolFull
	}
	p.busy++
	p.peak = max(p.peak, p.busy)
	p.w.Go(p.name, func() {
		defer func() { p.busy-- }()
		task()
	})
	return nil
}

// Busy returns how many workers run a task.
func (p *Pool) Busy() int { return p.busy }

// Peak returns the most workers that were ever busy.
func (p *Pool) Peak() int { return p.peak }

// Submit runs the task as a coroutine, as a pool without bound would.
func (w *World) Submit(task func()) error {
	w.Go("worker", task)
	return nil
}
