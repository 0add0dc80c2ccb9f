package push

import (
	"fmt"
	"testing"

	"github.com/roost-ws/roost/server"
)

// What a subscriber starts from must not keep it from anything later, however
// many messages are pending, and is forgotten once these are through.
func TestLateSubscribersAreForgotten(t *testing.T) {
	a, sent := stage(t, 1)
	sh := a.hub.shards[0]
	var sessions []*session
	for i := range 10 {
		s := &session{app: a, conn: &server.Conn{}}
		s.conn.SetValue(s)
		if _, no := s.join(sh, "presence-a", &identity{id: fmt.Sprint(i)}, catchUp{}); no != nil {
			t.Fatal(no)
		}
		sessions = append(sessions, s)
	}
	r := sessions[0].subs[0].roster
	if r.late == nil {
		t.Fatal("nobody came late, so this tests nothing")
	}
	sh.run()
	if r.late != nil || r.pending.Load() != 0 {
		t.Errorf("late subscribers are remembered for ever: %v, %d pending", r.late, r.pending.Load())
	}
	for i, s := range sessions {
		if got := len(sent[s.conn]); got != 9-i {
			t.Errorf("subscriber %d heard of %d later ones, want %d", i, got, 9-i)
		}
	}
}
