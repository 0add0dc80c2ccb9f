package push

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// signIn connects as a user and expects to be signed in.
func signInAs(t testing.TB, c *pushtest.Client, socketID, userData string) {
	t.Helper()
	c.SignIn("key", "secret", socketID, userData)
	inner := `{"user_data":` + string(Quote(userData).Raw()) + `}`
	c.Expect(`{"event":"pusher:signin_success","data":` + string(Quote(inner).Raw()) + `}`)
}

// 1.9: user_data comes back byte for byte, two strings deep; a second time is fine.
func TestSignIn(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	c, id := pushtest.Connect(t, addr, "key")
	signInAs(t, c, id, `{"id":"u1", "user_info":{"name":"<é>\n"}}`)
	signInAs(t, c, id, `{"id":"u1"}`)

	// A user's own channel takes being that user, and is nobody else's business.
	c.Subscribe("#server-to-user-u1")
	c.SubscribeAs("key", "secret", id, "#server-to-user-u2", "")
	c.Expect(`{"event":"pusher:subscription_error","channel":"#server-to-user-u2","data":{"type":"AuthError","error":"A user's own channel is for connections that are signed in as that user","status":401}}`)
	publish(t, h, "#server-to-user-u1", "e", "x")
	c.Expect(`{"event":"e","channel":"#server-to-user-u1","data":"x"}`)
	if channels, _ := h.Channels("1", ""); len(channels) != 0 {
		t.Errorf("listed: %v", channels)
	}

	// A signed-in connection is its user on presence channels, too.
	c.SubscribeAs("key", "secret", id, "presence-x", "")
	c.Expect(succeeded("presence-x", `{"presence":{"ids":["u1"],"hash":{"u1":{"name":"<é>\n"}},"count":1}}`))

	stranger, strangerID := pushtest.Connect(t, addr, "key")
	stranger.SubscribeAs("key", "secret", strangerID, "presence-x", "")
	if got := stranger.Next(); !strings.Contains(got, `"AuthError","error":"Subscribing to a presence channel takes channel_data`) {
		t.Error(got)
	}
	// Ids that are no channel names work all the same.
	odd, oddID := pushtest.Connect(t, addr, "key")
	signInAs(t, odd, oddID, `{"id":"a \"b\""}`)
	odd.Event("pusher:subscribe", map[string]string{"channel": `#server-to-user-a "b"`})
	odd.Expect(`{"event":"pusher_internal:subscription_succeeded","channel":"#server-to-user-a \"b\"","data":"{}"}`)
	publish(t, h, `#server-to-user-a "b"`, "e", "x")
	odd.Expect(`{"event":"e","channel":"#server-to-user-a \"b\"","data":"x"}`)
}

// 1.4, 1.9: who fails to prove a user is told 4009, twice, and is out.
func TestRefusedSignIns(t *testing.T) {
	_, addr := start(t, Config{Apps: []App{testApp}})
	for what, c := range map[string]struct{ secret, userData, want string }{
		"wrong secret":   {"wrong", `{"id":"1"}`, "Invalid signature"},
		"no JSON":        {"secret", `x`, "Invalid user_data: not valid JSON"},
		"no id":          {"secret", `{"user_info":{}}`, "Invalid user_data: id: expected a string or a whole number, got absent"},
		"empty id":       {"secret", `{"id":""}`, "Invalid user_data: id: must have"},
		"id twice":       {"secret", `{"id":"1","id":"2"}`, `Invalid user_data: \"id\" is there twice`},
		"large info":     {"secret", `{"id":"1","user_info":"` + strings.Repeat("x", 2047) + `"}`, "Invalid user_data: user_info: at most 2048 bytes, got 2049"},
		"watchlist":      {"secret", `{"id":"1","watchlist":"2"}`, "Invalid user_data: watchlist: expected an array, got a string"},
		"in watchlist":   {"secret", `{"id":"1","watchlist":["2",null]}`, "Invalid user_data: watchlist: expected a string"},
		"array":          {"secret", `[]`, "Invalid user_data: expected an object"},
		"id is a list":   {"secret", `{"id":["1"]}`, "Invalid user_data: id: expected a string"},
		"somebody else":  {"secret", `{"id":"other"}`, "The connection is signed in as another user"},
		"nested to deep": {"secret", strings.Repeat("[", 100), "Invalid user_data: not valid JSON"},
	} {
		client, id := pushtest.Connect(t, addr, "key")
		if what == "somebody else" {
			signInAs(t, client, id, `{"id":"one"}`)
		}
		client.SignIn("key", c.secret, id, c.userData)
		if got := client.Next(); !strings.HasPrefix(got, `{"event":"pusher:error","data":{"code":4009,"message":"`+c.want) {
			t.Errorf("%s: %s", what, got)
		}
		client.ExpectClose(4009)
	}
	// What is no sign-in at all is a mistake like others.
	c, id := pushtest.Connect(t, addr, "key")
	for _, data := range []string{`1`, `null`, `{}`, `"x"`, `{"auth":"key:x"}`, `{"auth":"x","user_data":{"id":"1"}}`, `{"auth":1,"user_data":"{}"}`, `{"user_data":"{}","user_data":"{}","auth":""}`} {
		c.Send(`{"event":"pusher:signin","data":` + data + `}`)
		if got := c.Next(); !strings.HasPrefix(got, `{"event":"pusher:error","data":{"code":null,"message":"invalid pusher:signin: `) {
			t.Errorf("%s: %s", data, got)
		}
	}
	signInAs(t, c, id, `{"id":1}`)
}

// 1.12: all connections of the user, on every loop, and no other, end with 4009.
func TestTerminate(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	var theirs []*pushtest.Client
	other, otherID := pushtest.Connect(t, addr, "key")
	signInAs(t, other, otherID, `{"id":"other"}`)
	for range 4 {
		c, id := pushtest.Connect(t, addr, "key")
		signInAs(t, c, id, `{"id":"7"}`)
		theirs = append(theirs, c)
	}
	if n, err := h.Terminate("1", "7"); n != 4 || err != nil {
		t.Fatalf("%d connections, %v", n, err)
	}
	for _, c := range theirs {
		c.Expect(`{"event":"pusher:error","data":{"code":4009,"message":"Connection terminated by the application"}}`)
		c.ExpectClose(4009)
		c.Drop()
	}
	other.Ping()
	eventually(t, "they are gone", func() bool { n, _ := h.Terminate("1", "7"); return n == 0 })
	if _, err := h.Terminate("2", "7"); err == nil {
		t.Error("an app that is not there was found")
	}
}

// 1.9: who is there at first, then who comes and goes, users and not tabs.
func TestWatchlist(t *testing.T) {
	_, addr := start(t, Config{Apps: []App{testApp}})
	events := func(list string) string {
		return `{"event":"pusher_internal:watchlist_events","data":` + string(Quote(`{"events":[`+list+`]}`).Raw()) + `}`
	}
	b, idOfB := pushtest.Connect(t, addr, "key")
	signInAs(t, b, idOfB, `{"id":"b"}`)
	b.Ping() // no list, no events

	w, idOfW := pushtest.Connect(t, addr, "key")
	signInAs(t, w, idOfW, `{"id":"w","watchlist":["c","b","b",4]}`)
	w.Expect(events(`{"name":"online","user_ids":["b"]},{"name":"offline","user_ids":["4","c"]}`))
	c, idOfC := pushtest.Connect(t, addr, "key")
	signInAs(t, c, idOfC, `{"id":"c"}`)
	w.Expect(events(`{"name":"online","user_ids":["c"]}`))
	c2, idOfC2 := pushtest.Connect(t, addr, "key")
	signInAs(t, c2, idOfC2, `{"id":"c"}`)
	c.Drop()
	w.Ping()
	c2.Drop()
	w.Expect(events(`{"name":"offline","user_ids":["c"]}`))
	only, onlyID := pushtest.Connect(t, addr, "key")
	signInAs(t, only, onlyID, `{"id":"x","watchlist":["x","w"]}`)
	only.Expect(events(`{"name":"online","user_ids":["w","x"]}`))
}

// 1.9: a hundred are watched; of a hundred and one, the first hundred, and 4302 says so.
func TestWatchlistLimit(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	for _, n := range []int{MaxWatchlist, MaxWatchlist + 1} {
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf("u%03d", i))
		}
		list, _ := json.Marshal(ids)
		c, id := pushtest.Connect(t, addr, "key")
		signInAs(t, c, id, fmt.Sprintf(`{"id":"w%d","watchlist":%s}`, n, list))
		if n > MaxWatchlist {
			c.Expect(`{"event":"pusher:error","data":{"code":4302,"message":"The watchlist has more than 100 users: the first 100 are watched"}}`)
		}
		if got := c.Next(); strings.Count(got, `\"u`) != MaxWatchlist+1 || !strings.Contains(got, "u099") || strings.Contains(got, "u100") { // "user_ids" is one
			t.Errorf("%d: %s", n, got)
		}
		c.Ping()
		c.Drop()
	}
	a := h.apps.Load().byID["1"]
	eventually(t, "nobody is remembered", func() bool {
		a.users.mu.Lock()
		defer a.users.mu.Unlock()
		return len(a.users.byID) == 0
	})
}

// watched is a stage on which n connections watch one user, and one listens to a channel.
func watched(t *testing.T, n int) (a *app, sent map[*server.Conn][]*server.Prepared, watchers []*session, listener, star *session) {
	t.Helper()
	a, sent = stage(t, 1)
	sh := a.hub.shards[0]
	newSession := func() *session {
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		return s
	}
	for i := range n {
		watchers = append(watchers, newSession())
		a.signIn(watchers[i], sh, fmt.Sprint("w", i), []string{"star"})
	}
	listener, star = newSession(), newSession()
	if _, no := listener.join(sh, "news", nil, catchUp{}); no != nil {
		t.Fatal(no)
	}
	return a, sent, watchers, listener, star
}

// However many watch a user who comes and goes: events are taken all the same,
// do not wait until all watchers know, and the loop gets back to its sockets in between.
func TestManyWatchersAreNoBacklog(t *testing.T) {
	a, sent, all, few, star := watched(t, defaultBacklog+1)
	h, sh := a.hub, a.hub.shards[0]
	a.signIn(star, sh, "star", nil)
	if h.overloaded() || h.Stats().Pending != 0 {
		t.Errorf("%d messages are pending", h.Stats().Pending)
	}
	if err := h.Publish(testApp.ID, Event{Channels: []string{"news"}, Name: Quote("e"), Data: Quote("x")}); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		for _, s := range all {
			n += len(sent[s.conn])
		}
		return n
	}
	sh.run()
	if len(sent[few.conn]) != 1 {
		t.Error("an event waits until all watchers know")
	}
	told := count()
	for runs := 1; sh.posted; runs++ {
		before := count()
		if sh.run(); count() > before+runSends || runs > len(all) {
			t.Fatalf("run %d told %d", runs, count()-before)
		}
	}
	if told > runSends || count() != len(all) {
		t.Errorf("%d were told in the first run, %d in all", told, count())
	}
	for _, s := range all {
		if got := sent[s.conn]; !strings.Contains(textOf(got[0]), "online") {
			t.Fatalf("a watcher was told %s", textOf(got[0]))
		}
	}
}

// G6: a user who comes and goes more often than loops get round to telling makes
// no more notes than there are watchers. They are told the newest, once, and nothing where it is what
// they know.
func TestNotesOfWatchersAreBounded(t *testing.T) {
	const changes = 300
	a, sent, all, _, star := watched(t, 4*turnSends) // the last turn takes the last of them, exactly
	sh := a.hub.shards[0]
	flap := func() {
		before := liveHeap()
		for range changes {
			a.signIn(star, sh, "star", nil)
			a.signOut(star, "star", nil)
		}
		if more := liveHeap() - before; more > 64<<10 { // a note for each change would be 7 MB
			t.Errorf("%d changes take %d bytes more for %d watchers", changes, more, len(all))
		}
	}
	settle := func(want ...string) {
		t.Helper()
		for sh.posted {
			sh.run()
		}
		for _, s := range all {
			var got []string
			for _, p := range sent[s.conn] {
				got = append(got, strings.Split(textOf(p), `\"`)[5]) // the name of the first event
			}
			if !slices.Equal(got, want) {
				t.Fatalf("a watcher was told %d times %.60q, want %q", len(got), got[:min(2, len(got))], want)
			}
		}
		clear(sent)
	}
	flap()
	settle()
	flap()
	a.signIn(star, sh, "star", nil)
	settle("online")
	a.signOut(star, "star", nil)
	flap()
	// Whoever leaves is not told, and stays nowhere.
	gone := all[:2]
	all = all[2:]
	for i, s := range gone {
		a.signOut(s, fmt.Sprint("w", i), []string{"star"})
	}
	settle("offline")
	for _, s := range gone {
		if len(sent[s.conn]) > 0 {
			t.Error("who left was told")
		}
	}
	if n := a.users.notes[0]; n.first != nil || n.last != nil || n.posted || sh.notes.len() > 0 {
		t.Error("a line of notes is left when all are told")
	}
	for i, s := range all {
		a.signOut(s, fmt.Sprint("w", i+2), []string{"star"})
	}
	if len(a.users.byID) > 0 {
		t.Errorf("%d users are remembered", len(a.users.byID))
	}
}

// Users sign in and out on several loops while others watch; what a watcher was
// told, put together, is always what was true when its loop had delivered all.
func TestWatchlistsAgainstModel(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		a, sent := stage(t, 3)
		type tab struct {
			session   *session
			id        string
			watchlist []string
			start     map[string]bool // who was online when it signed in
		}
		var tabs []*tab
		online := map[string]int{}
		check := func(b *tab) {
			state := b.start
			for _, p := range sent[b.session.conn] {
				var frame struct{ Data string }
				var data struct {
					Events []struct {
						Name    string
						UserIDs []string `json:"user_ids"`
					}
				}
				if json.Unmarshal([]byte(textOf(p)), &frame) != nil || json.Unmarshal([]byte(frame.Data), &data) != nil || len(data.Events) != 1 || len(data.Events[0].UserIDs) != 1 {
					t.Fatalf("seed %d: %s", seed, textOf(p))
				}
				id, on := data.Events[0].UserIDs[0], data.Events[0].Name == "online"
				if state[id] == on || !slices.Contains(b.watchlist, id) {
					t.Fatalf("seed %d: %s became %s, which it was, or is not watched", seed, id, data.Events[0].Name)
				}
				state[id] = on
			}
			delete(sent, b.session.conn)
			for _, id := range b.watchlist {
				if state[id] != (online[id] > 0) {
					t.Fatalf("seed %d: a watcher thinks that %s is online: %v", seed, id, state[id])
				}
			}
		}
		for range 300 {
			switch op := rnd.IntN(5); {
			case op < 2:
				b := &tab{session: &session{app: a, conn: &server.Conn{}}, id: fmt.Sprint(rnd.IntN(5)), start: map[string]bool{}}
				for id := range 5 {
					if rnd.IntN(2) == 0 {
						b.watchlist = append(b.watchlist, fmt.Sprint(id))
					}
				}
				online[b.id]++
				on, off := a.signIn(b.session, a.hub.shards[rnd.IntN(3)], b.id, b.watchlist)
				for _, id := range on {
					b.start[id] = true
				}
				if len(on)+len(off) != len(b.watchlist) {
					t.Fatalf("seed %d: %v and %v of %v", seed, on, off, b.watchlist)
				}
				tabs = append(tabs, b)
			case op < 4 && len(tabs) > 0:
				i := rnd.IntN(len(tabs))
				b := tabs[i]
				tabs = slices.Delete(tabs, i, i+1)
				a.signOut(b.session, b.id, b.watchlist)
				online[b.id]--
			default:
				for _, s := range a.hub.shards {
					s.run()
				}
				for _, b := range tabs {
					check(b)
				}
			}
		}
	}
}
