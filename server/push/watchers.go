package push

import "github.com/roost-ws/roost/server"

// watcher is one connection's place among those that watch a user. It is its own
// note, too: of what became of the user while its loop had other things to do it is
// told the newest, or nothing if that is what it knows. So a user who comes and goes
// makes no more notes than there are watchers. All of it is guarded by the lock of
// the app's users.
type watcher struct {
	user       *user
	conn       *server.Conn
	notes      *notes
	told       bool // that the user is online
	waits      bool // in the line of notes
	prev, next *watcher
}

// notes is the line of an app's watchers on one loop that are owed a word, the
// first that was owed one in front. It is guarded by the lock of the app's users.
type notes struct {
	app         *app
	shard       *shard
	first, last *watcher
	posted      bool // the shard has it, and serves it until the line is empty
}

// notesOn returns the line of a's watchers on sh, new if need be. The users are locked.
func (a *app) notesOn(sh *shard) *notes {
	u := &a.users
	for len(u.notes) <= sh.loop {
		u.notes = append(u.notes, nil)
	}
	if u.notes[sh.loop] == nil {
		u.notes[sh.loop] = &notes{app: a, shard: sh}
	}
	return u.notes[sh.loop]
}

// push puts w at the end of the line, unless it is in it. It reports whether the
// caller has to wake the shard, once it holds no lock.
func (n *notes) push(w *watcher) (wake bool) {
	if w.waits {
		return false
	}
	w.waits, w.prev = true, n.last
	if n.last == nil {
		n.first = w
	} else {
		n.last.next = w
	}
	n.last = w
	if n.posted {
		return false
	}
	n.posted = true
	return n.shard.put(delivery{notes: n})
}

// remove takes w out of the line, if it is in it.
func (n *notes) remove(w *watcher) {
	if !w.waits {
		return
	}
	if w.prev == nil {
		n.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		n.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.waits, w.prev, w.next = false, nil, nil
}

// word is what one watcher is to be told now.
type word struct {
	conn     *server.Conn
	prepared *server.Prepared
}

// take takes at most max watchers out of the line, and adds to words what they do
// not know yet. steps is how many it took. When there are no more, the line is
// handed over anew by the next change.
func (n *notes) take(words []word, max int) (all []word, steps int, more bool) {
	u := &n.app.users
	u.mu.Lock()
	defer u.mu.Unlock()
	// Those who watch one user stand in line together, and are told the same.
	var of *user
	var online bool
	var prepared *server.Prepared
	for steps < max && n.first != nil {
		steps++
		w := n.first
		n.remove(w)
		now := len(w.user.sessions) > 0
		if now == w.told {
			continue
		}
		w.told = now
		if of != w.user || online != now {
			of, online = w.user, now
			prepared = server.PrepareUncompressed(server.Text, appendWatchlistEvents(nil, standing(now), []string{of.id}, "", nil))
		}
		words = append(words, word{w.conn, prepared})
	}
	n.posted = n.first != nil
	return words, steps, n.posted
}

// standing is what watchers are told of a user.
func standing(online bool) string {
	if online {
		return "online"
	}
	return "offline"
}
