package push

import (
	"slices"
	"sync"

	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// MaxWatchlist is how many users a connection may watch.
const MaxWatchlist = 100

// users is who is signed in to an app, and who wants to know.
type users struct {
	vouched *vouched // the hub's

	mu    sync.Mutex
	byID  map[string]*user // guarded by mu, as is all below it
	notes []*notes         // by loop; nil where nobody watches
}

// user is somebody who is signed in, or watched, or both.
type user struct {
	id       string
	sessions []*session            // signed in as this user, on any loop
	watchers map[*session]*watcher // whose watchlists this user is on
}

// make returns the user with the given id, new if need be. u is locked. The memory
// of one who is new was taken; for one who is known that is given back.
func (u *users) make(id string) *user {
	if known := u.byID[id]; known != nil {
		u.vouched.give(userMemory(id))
		return known
	}
	if u.byID == nil {
		u.byID = make(map[string]*user)
	}
	one := &user{id: id}
	u.byID[id] = one
	return one
}

// forget removes a user whom nothing is known of any more. u is locked.
func (u *users) forget(one *user) {
	if len(one.sessions) == 0 && len(one.watchers) == 0 {
		delete(u.byID, one.id)
		u.vouched.give(userMemory(one.id))
	}
}

// signIn makes s a connection of the user and a watcher of those on its list, for
// which signedIn.most was taken, and returns which of them are online and which are not. What changes later is told
// through the inbox of s's loop sh, on whose goroutine this is called, and so comes later.
func (a *app) signIn(s *session, sh *shard, id string, watchlist []string) (online, offline []string) {
	var onStack [8]*shard
	asleep := onStack[:0]
	u := &a.users
	u.mu.Lock()
	one := u.make(id)
	one.sessions = append(one.sessions, s)
	if len(one.sessions) == 1 {
		asleep = one.tellWatchers(asleep)
	}
	for _, id := range watchlist {
		watched := u.make(id)
		if watched.watchers == nil {
			watched.watchers = make(map[*session]*watcher)
		}
		w := &watcher{user: watched, conn: s.conn, notes: a.notesOn(sh), told: len(watched.sessions) > 0}
		watched.watchers[s] = w
		if w.told {
			online = append(online, id)
		} else {
			offline = append(offline, id)
		}
	}
	u.mu.Unlock()
	wakeAll(asleep)
	return online, offline
}

// signOut is the opposite of signIn.
func (a *app) signOut(s *session, id string, watchlist []string) {
	var onStack [8]*shard
	asleep := onStack[:0]
	u := &a.users
	u.mu.Lock()
	for _, id := range watchlist {
		watched := u.byID[id]
		w := watched.watchers[s]
		w.notes.remove(w)
		delete(watched.watchers, s)
		u.forget(watched)
	}
	one := u.byID[id]
	i := slices.Index(one.sessions, s)
	one.sessions = slices.Delete(one.sessions, i, i+1)
	if len(one.sessions) == 0 {
		asleep = one.tellWatchers(asleep)
		u.forget(one)
	}
	u.mu.Unlock()
	wakeAll(asleep)
}

// tellWatchers puts all who watch a user into the lines of those that are owed a word.
// The users stay locked. It adds to asleep the shards to be woken when they are not.
func (one *user) tellWatchers(asleep []*shard) []*shard {
	for _, w := range one.watchers {
		if w.notes.push(w) {
			asleep = append(asleep, w.notes.shard)
		}
	}
	return asleep
}

// appendWatchlistEvents appends a frame of one or two events, of those that
// concern anybody.
func appendWatchlistEvents(b []byte, name string, ids []string, name2 string, ids2 []string) []byte {
	data := appendWatchlistEvent([]byte(`{"events":[`), name, ids)
	if len(ids) > 0 && len(ids2) > 0 {
		data = append(data, ',')
	}
	data = append(appendWatchlistEvent(data, name2, ids2), "]}"...)
	b = append(b, `{"event":"pusher_internal:watchlist_events","data":`...)
	b = rawjson.AppendQuote(b, data)
	return append(b, '}')
}

func appendWatchlistEvent(b []byte, name string, ids []string) []byte {
	if len(ids) == 0 {
		return b
	}
	b = append(b, `{"name":"`...)
	b = append(b, name...)
	b = append(b, `","user_ids":[`...)
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = rawjson.AppendQuote(b, id)
	}
	return append(b, "]}"...)
}

// Terminate closes all connections that are signed in as the user, and returns
// how many. They are told 4009, so that stock clients stay away until their
// page is loaded again. Their loops do it next: between the id of an event and the
// event nothing may come, or a stream that comes back would never get that event.
func (h *Hub) Terminate(appID, userID string) (n int, err error) {
	a := h.apps.Load().byID[appID]
	if a == nil {
		return 0, ErrNoApp
	}
	a.users.mu.Lock()
	var sessions []*session
	if one := a.users.byID[userID]; one != nil {
		sessions = slices.Clone(one.sessions)
	}
	a.users.mu.Unlock()
	why := &refusal{codeUnauthorised, "Connection terminated by the application"}
	for _, s := range sessions {
		loop := s.conn.Loop()
		_ = h.shards[loop].post(loop, func() { refuse(s.conn, why) }) // or the loop is gone, and the connection with it
	}
	return len(sessions), nil
}
