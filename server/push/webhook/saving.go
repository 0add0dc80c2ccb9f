package webhook

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// store keeps records by id.
type store interface {
	// commit makes all changes, or none and an error, durably.
	commit(changes []change) error
	close() error
}

// change is a new value of a record, or its end.
type change struct {
	id    uint64
	value []byte // nil: the record is gone
}

// recorder is what the store keeps: a delivery or a hold.
type recorder interface{ record() *record }

// saving is what the store is to be told. The truth is in memory; the store
// follows it, one commit after another, each with what has changed meanwhile.
// While it cannot, the Sender goes on without. Without a store all is empty.
type saving struct {
	store   store
	live    map[uint64]recorder // what is to be kept
	unsaved map[uint64]struct{} // whose record differs from the store's
	stored  map[uint64]struct{} // that the store may have
	commits chan []change       // to the goroutine that commits; holds one
	busy    bool                // it has work
	after   time.Time           // the earliest next commit, after one that failed
	failed  bool                // the last one did
	done    chan struct{}       // closed when the goroutine has ended
}

func newSaving(st store) saving {
	return saving{
		store:   st,
		live:    make(map[uint64]recorder),
		unsaved: make(map[uint64]struct{}),
		stored:  make(map[uint64]struct{}),
		commits: make(chan []change, 1),
		done:    make(chan struct{}),
	}
}

// wanted reports whether the next commit waits for nothing but its time.
func (v *saving) wanted() bool { return len(v.unsaved) > 0 && !v.busy }

// keep has the record of r saved under id.
func (s *Sender) keep(id uint64, r recorder) {
	if s.saving.store != nil {
		s.saving.live[id] = r
		s.saving.unsaved[id] = struct{}{}
	}
}

// forget has the record of id removed. What was over before the store heard of
// it, which is the rule, never reaches the disk.
func (s *Sender) forget(id uint64) {
	v := &s.saving
	delete(v.live, id)
	if _, ok := v.stored[id]; ok {
		v.unsaved[id] = struct{}{}
	} else {
		delete(v.unsaved, id)
	}
}

// changes takes up to most of what is unsaved.
func (v *saving) changes(most int) []change {
	changes := make([]change, 0, min(most, len(v.unsaved)))
	for id := range v.unsaved {
		if len(changes) == most {
			break
		}
		delete(v.unsaved, id)
		if r := v.live[id]; r != nil {
			v.stored[id] = struct{}{}
			changes = append(changes, change{id, r.record().encode(id)})
		} else {
			delete(v.stored, id)
			changes = append(changes, change{id, nil})
		}
	}
	// In the order of keys a B+tree is written in one sweep.
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.id, b.id) })
	return changes
}

// save gives the committing goroutine its next work, unless it has some.
func (s *Sender) save(now time.Time) {
	v := &s.saving
	if !v.wanted() || now.Before(v.after) {
		return
	}
	v.busy = true
	v.commits <- v.changes(storeChanges)
}

// commit writes to the store, which may take long.
func (s *Sender) commit() {
	defer close(s.saving.done)
	for changes := range s.saving.commits {
		s.saved(changes, s.saving.store.commit(changes))
	}
}

// saved notes how a commit ended.
func (s *Sender) saved(changes []change, err error) {
	s.mu.Lock()
	v := &s.saving
	first := err != nil && !v.failed
	v.busy, v.failed = false, err != nil
	if err != nil {
		s.stats.StoreFailures++
		v.after = time.Now().Add(storeRetry)
		for _, c := range changes {
			v.stored[c.id] = struct{}{}
			v.unsaved[c.id] = struct{}{}
		}
	}
	s.mu.Unlock()
	if first {
		s.config.Logger.Error("webhooks are not saved, and will be lost with the process", "path", s.config.Path, "err", err)
	}
	s.wake()
}

// open takes up what the store has kept. It runs before there are goroutines.
func (s *Sender) open() error {
	if s.config.Path == "" {
		return nil
	}
	l := &s.config.Limits
	most := storeFloor + storeSlack*(int64(l.PendingBytes)+int64(l.DeadBytes)+int64(l.HeldBytes))
	db, kept, damage, err := openBolt(s.config.Path, s.config.StoreWait, most)
	if err != nil {
		return err
	}
	s.saving = newSaving(db)
	s.restore(kept)
	if damage != nil {
		// The file is a new one.
		for id := range s.saving.live {
			s.saving.unsaved[id] = struct{}{}
		}
		s.stats.Damaged = true
		s.config.Logger.Error("the file of webhooks was damaged and set aside", "path", s.config.Path+damagedSuffix, "saved", len(kept), "err", damage)
	}
	go s.commit()
	return nil
}

// restore puts every record where it was.
func (s *Sender) restore(kept []kept) {
	now := time.Now()
	var letters []*delivery
	for _, k := range kept {
		v := &s.saving
		v.stored[k.id] = struct{}{}
		s.lastID = max(s.lastID, k.id)
		if k.record.Kind == recordHeld {
			s.restoreHold(k.id, &k.record, now)
			continue
		}
		d := k.record.delivery(k.id)
		v.live[k.id] = d
		if k.record.Kind == recordDead {
			letters = append(letters, d)
			continue
		}
		s.restoreDelivery(d, now)
	}
	slices.SortStableFunc(letters, func(a, b *delivery) int { return a.died.Compare(b.died) })
	// What was buried just now died last.
	buried := s.dead.letters
	s.dead = dead{}
	for _, d := range slices.Concat(letters, buried) {
		s.listDead(d)
	}
}

func (s *Sender) restoreHold(id uint64, r *record, now time.Time) {
	who := subjectOf(r.Notice, kindOf(r.Notice.Name))
	if s.holds.of(who) != nil {
		s.forget(id)
		return
	}
	held := &hold{notice: *r.Notice, due: sooner(time.UnixMilli(r.Due), now.Add(max(s.config.HoldBack, 0))), id: id}
	s.saving.live[id] = held
	s.holds.add(who, held)
}

func (s *Sender) restoreDelivery(d *delivery, now time.Time) {
	ep := s.endpoints[address{d.app, d.url}]
	switch {
	case ep == nil:
		s.bury(d, reasonRemoved, now)
	case !s.makeRoom(ep, 1, d.size()):
		s.stats.Overflowed += uint64(d.count) // the limits have become smaller
		s.forget(d.id)
	default:
		d.app, d.url = ep.address.app, ep.url
		// A clock that was set back must not put anything off for hours.
		d.due = sooner(d.due, now.Add(s.config.RetryMax))
		ep.bytes += d.size()
		s.pendingBytes += d.size()
		ep.put(d)
	}
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// closeStore saves what there is and lets the store go.
func (s *Sender) closeStore() error {
	v := &s.saving
	close(v.commits)
	<-v.done
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.holds.order.Front(); e != nil; e = e.Next() {
		held := e.Value.(*hold)
		if held.id == 0 {
			held.id = s.newID()
			s.keep(held.id, held)
		}
	}
	for len(v.unsaved) > 0 {
		if err := v.store.commit(v.changes(storeChanges)); err != nil {
			v.store.close()
			return fmt.Errorf("webhook: what was not delivered could not be saved: %w", err)
		}
	}
	if err := v.store.close(); err != nil {
		return fmt.Errorf("webhook: close the store: %w", err)
	}
	return nil
}
