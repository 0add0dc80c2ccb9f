package push

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/roost-ws/roost/server"
	"github.com/roost-ws/roost/server/push/internal/pushtest"
)

// G6: what backends say of members and users has a limit over all of them, met to the byte.
// Who meets it is told, and counted; who is there stays; and what was given back
// can be had again.
func TestVouchedBytesAreBounded(t *testing.T) {
	const who, full = `{"user_id":"1","user_info":{"n":"x"}}`, `"type":"LimitReached","error":"The server is over its memory for members and users","status":4100`
	member := int64(seatBytes + memberBytes + len("1") + len(`{"n":"x"}`))
	user := int64(signedInBytes+len("u")+watchBytes+len("x")) + userMemory("u") + userMemory("x")
	h, addr := start(t, Config{Apps: []App{testApp}, VouchedBytes: int(member + seatBytes + user)})
	list := func(count string) string {
		return `{"presence":{"ids":["1"],"hash":{"1":{"n":"x"}},"count":` + count + `}}`
	}

	c, id := pushtest.Connect(t, addr, "key")
	c.SubscribeAs("key", "secret", id, "presence-a", who)
	c.Expect(succeeded("presence-a", list("1")))
	tab, tabID := pushtest.Connect(t, addr, "key")
	tab.SubscribeAs("key", "secret", tabID, "presence-a", who)
	tab.Expect(succeeded("presence-a", list("1")))
	signed, signedID := pushtest.Connect(t, addr, "key")
	signInAs(t, signed, signedID, `{"id":"u","watchlist":["x"]}`)
	signed.Next() // who is online
	if got := h.Stats().VouchedBytes; got != member+seatBytes+user {
		t.Fatalf("%d bytes are taken, want %d", got, member+seatBytes+user)
	}

	// It is full: for another member, for another channel, which then is not there, and for another user.
	other, otherID := pushtest.Connect(t, addr, "key")
	for _, name := range []string{"presence-a", "presence-b"} {
		other.SubscribeAs("key", "secret", otherID, name, who)
		other.Expect(`{"event":"pusher:subscription_error","channel":"` + name + `","data":{` + full + `}}`)
	}
	other.Subscribe("news") // nobody vouches for that
	if channels, _ := h.Channels("1", ""); len(channels) != 2 {
		t.Errorf("there are %v", channels)
	}
	other.SignIn("key", "secret", otherID, `{"id":"v"}`)
	other.Expect(`{"event":"pusher:error","data":{"code":4100,"message":"The server is over its memory for members and users"}}`)
	other.ExpectClose(4100)
	other.Drop()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "v", "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Get("http://" + addr.String() + "/app/key/sse?channels=news&auth=jwt:" + token)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the stream of a user gets %d", r.StatusCode)
	}
	if s := h.Stats(); s.MembersRefused != 2 || s.UsersRefused != 2 {
		t.Errorf("%d members and %d users are counted as refused, want 2 and 2", s.MembersRefused, s.UsersRefused)
	}

	// A seat that is given up is enough for a tab, and not for a member.
	tab.Send(`{"event":"pusher:unsubscribe","data":{"channel":"presence-a"}}`)
	tab.SubscribeAs("key", "secret", tabID, "presence-b", who)
	tab.Expect(`{"event":"pusher:subscription_error","channel":"presence-b","data":{` + full + `}}`)
	tab.SubscribeAs("key", "secret", tabID, "presence-a", who)
	tab.Expect(succeeded("presence-a", list("1")))
	signed.Drop()
	eventually(t, "the user has left", func() bool { return h.Stats().VouchedBytes == member+seatBytes })
	tab.SubscribeAs("key", "secret", tabID, "presence-b", who)
	tab.Expect(succeeded("presence-b", list("1")))
	tab.Drop()
	c.Drop()
	eventually(t, "all is given back", func() bool { return h.Stats().VouchedBytes == 0 })
}

// A user counts once, whoever watches them and however they signed in, and for as long as
// anybody knows them: friends who all watch each other are not as many users as there are entries.
func TestVouchedUsersCountOnce(t *testing.T) {
	h, addr := start(t, Config{Apps: []App{testApp}})
	const entry, connection = watchBytes + 1, signedInBytes + 1
	user := userMemory("a")
	clients := make(map[string]*pushtest.Client)
	for _, step := range []struct {
		signIn, as string // or it leaves
		want       int64
	}{
		{"a", `{"id":"a","watchlist":["b","x"]}`, connection + 2*entry + 3*user},
		{"b", `{"id":"b","watchlist":["a","x"]}`, 2*connection + 4*entry + 3*user},
		{"tab", `{"id":"a"}`, 3*connection + 4*entry + 3*user},
		{"a", "", 2*connection + 2*entry + 3*user},
		{"tab", "", connection + 2*entry + 3*user}, // b still watches a and x
		{"b", "", 0},
	} {
		if step.as == "" {
			clients[step.signIn].Drop()
		} else {
			c, id := pushtest.Connect(t, addr, "key")
			signInAs(t, c, id, step.as)
			clients[step.signIn] = c
		}
		eventually(t, fmt.Sprintf("%d bytes are taken after %s %s", step.want, step.signIn, step.as), func() bool { return h.Stats().VouchedBytes == step.want })
	}
}

// What backends say takes no more memory than it is counted as, and not far less than that:
// members on channels of their own, on one large one, tabs of one member, users, and users who watch.
func TestVouchedMemory(t *testing.T) {
	const n = 3000
	name := func(i int) string {
		name := fmt.Sprintf("presence-%d-", i)
		return name + strings.Repeat("x", MaxChannelName-len(name))
	}
	info := []byte(`{"name":"` + strings.Repeat("i", 100) + `"}`)
	who := func(i int) *identity {
		return &identity{id: fmt.Sprint("user", i), info: Quote(string(info))}
	}
	signIn := func(a *app, s *session, u *signedIn) {
		s.rarely().user = u
		a.hub.vouched.take(u.most(), &a.hub.vouched.users)
		a.signIn(s, a.hub.shards[0], u.id, u.watchlist)
	}
	for what, do := range map[string]takes{
		"members": func(a *app, s *session, i int) int {
			s.join(a.hub.shards[0], name(i), who(i), catchUp{})
			return 1
		},
		"of one channel": func(a *app, s *session, i int) int {
			s.join(a.hub.shards[0], name(0), who(i), catchUp{})
			return 1
		},
		"tabs": func(a *app, s *session, i int) int {
			s.join(a.hub.shards[0], name(0), who(0), catchUp{})
			return 1
		},
		"of many channels": func(a *app, s *session, i int) int {
			for j := range 20 {
				s.join(a.hub.shards[0], name(20*i+j), who(i), catchUp{})
			}
			return 20
		},
		"users": func(a *app, s *session, i int) int {
			signIn(a, s, &signedIn{identity: *who(i)})
			return 0
		},
		"of one user": func(a *app, s *session, i int) int {
			signIn(a, s, &signedIn{identity: *who(0)})
			return 0
		},
		"watchers": func(a *app, s *session, i int) int {
			u := &signedIn{identity: *who(i)}
			for j := range 20 {
				u.watchlist = append(u.watchlist, fmt.Sprint("watched", i, "-", j))
			}
			signIn(a, s, u)
			return 0
		},
		"watchers of each other": func(a *app, s *session, i int) int {
			u := &signedIn{identity: *who(i)}
			for j := range 20 {
				u.watchlist = append(u.watchlist, strings.Clone(who((i+j)%n).id))
			}
			signIn(a, s, u)
			return 0
		},
	} {
		took, counted := vouchedMemory(t, n, do)
		t.Logf("%s: %d bytes each, counted as %d", what, took/n, counted/n)
		if took > counted || took < counted/7 {
			t.Errorf("%s take %d bytes each, and are counted as %d", what, took/n, counted/n)
		}
	}
}

// takes has the ith session of an app take something that is counted.
type takes func(a *app, s *session, i int) (subscriptions int)

// vouchedMemory has n sessions take something, and returns the memory and what it is
// counted as.
func vouchedMemory(t *testing.T, n int, do takes) (took, counted int64) {
	a, _ := stage(t, 1, App{ID: "1", Key: "key", Secret: "s", Limits: AppLimits{PresenceMembers: n}})
	a.hub.vouched.limit = 1 << 40
	sh := a.hub.shards[0]
	sh.send = func(*server.Conn, *server.Prepared) error { return nil } // who is new is told of, and forgotten
	sessions := make([]*session, n)
	for i := range sessions {
		sessions[i] = &session{app: a, conn: &server.Conn{}}
		sessions[i].conn.SetValue(sessions[i])
	}
	before := liveHeap()
	subscriptions := 0
	for i, s := range sessions {
		subscriptions += do(a, s, i)
		for sh.posted {
			sh.run()
		}
	}
	took = liveHeap() - before
	counted = a.hub.vouched.taken.Load() + int64(subscriptions*SubscriptionBytes)
	runtime.KeepAlive(sessions)
	return took, counted
}
