package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A call with an Idempotency-Key that succeeded is answered again, and not
// served again, when it is repeated within repeatWindow, unless repeatsMax others
// came after it, or as many as fill RepeatBytes.
const (
	repeatWindow   = 10 * time.Minute
	repeatsMax     = 10_000
	repeatKeyBytes = 255
	repeatOverhead = 512 // bytes that an attempt takes besides its texts
)

// RepeatBytes is the memory for the replies to the calls with an Idempotency-Key,
// of one app.
const RepeatBytes = 8 << 20

// repeats knows the calls of one app that were made under a key. Each app has its
// own, so that none can push out the keys of another.
type repeats struct {
	mu    sync.Mutex
	byKey map[string]*attempt // guarded by mu
	order []*attempt          // those that succeeded, the oldest first; guarded by mu
	bytes int                 // that these take, roughly; guarded by mu
}

// attempt is the first call under a key.
type attempt struct {
	key         string
	fingerprint [sha256.Size]byte
	at          time.Time
	done        chan struct{} // closed when reply and err are there
	reply       []byte
	ids         string
	err         error
}

func (a *attempt) bytes() int { return len(a.key) + len(a.reply) + len(a.ids) + repeatOverhead }

// fingerprint tells a repetition from another call under the same key. The query
// carries the time and its signature, which a repetition has anew.
func (c *call) fingerprint() [sha256.Size]byte {
	return sha256.Sum256([]byte(c.params["name"] + "\n" + c.params["socket_id"] + "\n" + string(c.body)))
}

// do serves a call, or returns what became of the first one to path under its
// key; it waits for that if need be. A call that failed may be tried again.
func (r *repeats) do(ctx context.Context, now time.Time, c *call, path, key string, serve func(*call) ([]byte, error)) ([]byte, error) {
	if len(key) > repeatKeyBytes {
		return nil, invalid("Idempotency-Key", fmt.Errorf("at most %d bytes, got %d", repeatKeyBytes, len(key)))
	}
	fingerprint := c.fingerprint()
	first, mine := r.claim(now, path+" "+key, fingerprint) // which may serve for another call, too
	if mine {
		served := false
		defer func() { // a panic in serve must not leave others waiting
			if !served {
				first.err = &failure{http.StatusInternalServerError, "Internal error"}
				r.settle(first)
			}
		}()
		first.reply, first.err = serve(c)
		first.ids = c.ids
		served = true
		r.settle(first)
		return first.reply, first.err
	}
	if first.fingerprint != fingerprint {
		return nil, &failure{http.StatusUnprocessableEntity, "Idempotency-Key: it was used for another call"}
	}
	select {
	case <-first.done:
		c.ids = first.ids
		return first.reply, first.err
	case <-ctx.Done():
		return nil, &failure{http.StatusServiceUnavailable, "The first call with this Idempotency-Key is still being served"}
	}
}

// claim returns the attempt under key, and whether it is the caller's to make.
func (r *repeats) claim(now time.Time, key string, fingerprint [sha256.Size]byte) (a *attempt, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.order) > 0 && now.Sub(r.order[0].at) >= repeatWindow {
		r.drop()
	}
	if a := r.byKey[key]; a != nil {
		return a, false
	}
	if r.byKey == nil {
		r.byKey = make(map[string]*attempt)
	}
	a = &attempt{key: key, fingerprint: fingerprint, at: now, done: make(chan struct{})}
	r.byKey[key] = a
	return a, true
}

// settle makes the outcome of an attempt known.
func (r *repeats) settle(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.err != nil {
		delete(r.byKey, a.key)
	} else {
		r.order = append(r.order, a)
		r.bytes += a.bytes()
		for len(r.order) > repeatsMax || r.bytes > RepeatBytes {
			r.drop()
		}
	}
	close(a.done)
}

// drop forgets the oldest. r is locked.
func (r *repeats) drop() {
	delete(r.byKey, r.order[0].key)
	r.bytes -= r.order[0].bytes()
	r.order[0] = nil
	r.order = r.order[1:]
}
