package poller

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// batchMax bounds the events one wait takes out of the kernel; it also bounds
// the time a wait without a timeout may keep its thread there.
const batchMax = 512

// backend is what a system provides. The Poller above it owns everything that
// is the same everywhere: coalescing of wakes, the end of life, the errors.
type backend interface {
	add(fd int, token uint64) error
	remove(fd int) error
	// wait fills events with at most len(events) reports. woken tells that
	// wake was called; it takes no place in events. An interrupted wait is
	// no error.
	wait(events []Event, timeout time.Duration) (n int, woken bool, err error)
	// wake makes the running or the next wait return with woken set.
	wake() error
	close() error
}

// Poller reports readiness of the descriptors that were added to it. The
// package comment has the contract.
type Poller struct {
	// open is held for reading during every use of the backend and for writing
	// while its descriptors are closed, so that no call can meet a descriptor
	// number that already belongs to somebody else.
	open    sync.RWMutex
	state   atomic.Uint32
	backend backend
}

// The states of a Poller.
const (
	quiet  uint32 = iota // no wake is pending
	waking               // a wake was asked for and not yet reported
	closed               // terminal
)

// Open opens a Poller. It returns ErrUnsupported where no backend exists.
func Open() (*Poller, error) {
	b, err := openBackend()
	if err != nil {
		return nil, fmt.Errorf("poller: open: %w", err)
	}
	return &Poller{backend: b}, nil
}

// Add registers fd for reading and writing; token comes back in its Events.
func (p *Poller) Add(fd int, token uint64) error {
	if token == TokenReserved {
		return errToken
	}
	p.open.RLock()
	defer p.open.RUnlock()
	if p.state.Load() == closed {
		return ErrClosed
	}
	if err := p.backend.add(fd, token); err != nil {
		return fmt.Errorf("poller: add descriptor %d: %w", fd, err)
	}
	return nil
}

// Remove ends the reports of fd. It must be called before fd is closed.
func (p *Poller) Remove(fd int) error {
	p.open.RLock()
	defer p.open.RUnlock()
	if p.state.Load() == closed {
		return ErrClosed
	}
	if err := p.backend.remove(fd); err != nil {
		return fmt.Errorf("poller: remove descriptor %d: %w", fd, err)
	}
	return nil
}

// Wait fills events and returns how many there are: none when the timeout has
// passed, when Wake was called or when the wait was interrupted.
func (p *Poller) Wait(events []Event, timeout time.Duration) (int, error) {
	if len(events) == 0 {
		return 0, errRoom
	}
	p.open.RLock()
	defer p.open.RUnlock()
	if p.state.Load() == closed {
		return 0, ErrClosed
	}
	n, woken, err := p.backend.wait(events, timeout)
	if woken && !p.state.CompareAndSwap(waking, quiet) && p.state.Load() == closed {
		return 0, ErrClosed
	}
	if err != nil {
		return 0, fmt.Errorf("poller: wait: %w", err)
	}
	return n, nil
}

// Wake makes the running or the next Wait return.
func (p *Poller) Wake() error {
	// A wake that finds another one pending needs nothing more: that one is
	// taken back only by a Wait that has yet to return, and whatever was done
	// before this call can be seen after that Wait.
	if !p.state.CompareAndSwap(quiet, waking) {
		if p.state.Load() == closed {
			return ErrClosed
		}
		return nil
	}
	p.open.RLock()
	defer p.open.RUnlock()
	if p.state.Load() == closed {
		return ErrClosed
	}
	if err := p.backend.wake(); err != nil {
		p.state.CompareAndSwap(waking, quiet)
		return fmt.Errorf("poller: wake: %w", err)
	}
	return nil
}

// Close ends a running Wait, waits for it to return and closes the Poller's
// own descriptors.
func (p *Poller) Close() error {
	if p.state.Swap(closed) == closed {
		return ErrClosed
	}
	p.open.RLock()
	err := p.backend.wake()
	p.open.RUnlock()
	if err != nil {
		return fmt.Errorf("poller: close: %w", err)
	}
	p.open.Lock()
	defer p.open.Unlock()
	if err := p.backend.close(); err != nil {
		return fmt.Errorf("poller: close: %w", err)
	}
	return nil
}
