package push

import (
	"slices"
	"sync"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/rawjson"
)

// MaxWatchlist is how many users a connection may watch.
const MaxWatchlist = 100

// users is who is signed in to an app, and who wants to know.
type users struct {
	mu   sync.Mutex
	byID map[string]*user // guarded by mu, as is all below it
}

// user is somebody who is signed in, or watched, or both.
type user struct {
	sessions []*session          // signed in as this user, on any loop
	watchers map[*session]*shard // whose watchlists this user is on, with their loops
}

// make returns the user with the given id, new if need be. u is locked.
func (u *users) make(id string) *user {
	if known := u.byID[id]; known != nil {
		return known
	}
	if u.byID == nil {
		u.byID = make(map[string]*user)
	}
	one := &user{}
	u.byID[id] = one
	return one
}

// forget removes a user whom nothing is known of any more. u is locked.
func (u *users) forget(id string, one *user) {
	if len(one.sessions) == 0 && len(one.watchers) == 0 {
		delete(u.byID, id)
	}
}

// signIn makes s a connection of the user and a watcher of those on its list, and
// returns which of them are online and which are not. What changes later is told
// through the inbox of s's loop sh, on whose goroutine this is called, and so comes later.
func (a *app) signIn(s *session, sh *shard, id string, watchlist []string) (online, offline []string) {
	var onStack [8]*shard
	asleep := onStack[:0]
	u := &a.users
	u.mu.Lock()
	one := u.make(id)
	one.sessions = append(one.sessions, s)
	if len(one.sessions) == 1 {
		asleep = a.tellWatchers(one, "online", id, asleep)
	}
	for _, id := range watchlist {
		watched := u.make(id)
		if watched.watchers == nil {
			watched.watchers = make(map[*session]*shard)
		}
		watched.watchers[s] = sh
		if len(watched.sessions) > 0 {
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
		delete(watched.watchers, s)
		u.forget(id, watched)
	}
	one := u.byID[id]
	i := slices.Index(one.sessions, s)
	one.sessions = slices.Delete(one.sessions, i, i+1)
	if len(one.sessions) == 0 {
		asleep = a.tellWatchers(one, "offline", id, asleep)
		u.forget(id, one)
	}
	u.mu.Unlock()
	wakeAll(asleep)
}

// tellWatchers puts what became of a user into the inboxes of those who watch.
// The users stay locked, so that all learn of changes in their order.
func (a *app) tellWatchers(one *user, name, id string, asleep []*shard) []*shard {
	if len(one.watchers) == 0 {
		return asleep
	}
	prepared := server.PrepareUncompressed(server.Text, appendWatchlistEvents(nil, name, []string{id}, "", nil))
	notes := make([]*note, len(a.hub.shards)) // by loop
	for s, sh := range one.watchers {
		if notes[sh.loop] == nil {
			notes[sh.loop] = &note{prepared: prepared}
		}
		notes[sh.loop].conns = append(notes[sh.loop].conns, s.conn)
	}
	for loop, n := range notes {
		if n != nil && a.hub.shards[loop].put(delivery{note: n}) {
			asleep = append(asleep, a.hub.shards[loop])
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
