package push

import (
	"fmt"
	"testing"

	"github.com/roost-ws/roost/server"
)

// The largest channels come first, users' own are not among them, and all count.
func TestTopChannels(t *testing.T) {
	a, _ := stage(t, 2)
	h := a.hub
	join := func(name string, n int) {
		for i := range n {
			s := &session{app: a, conn: new(server.Conn)}
			s.conn.SetValue(s)
			if _, no := s.join(h.shards[i%2], name, nil, catchUp{}); no != nil {
				t.Fatal(no)
			}
		}
	}
	for i := range 30 {
		join(fmt.Sprintf("c%02d", i), 1+i%10)
	}
	join("#server-to-user-1", 20)
	for _, n := range []int{0, 1, 5, 30, 100} {
		top, all, err := h.TopChannels("1", n)
		if err != nil || all != 31 || len(top) != min(n, 30) {
			t.Fatalf("%d asked for: %d of %d, %v", n, len(top), all, err)
		}
		for i, info := range top {
			if want := 10 - i/3; info.Subscriptions != want {
				t.Errorf("%d asked for: number %d is %+v, want %d subscriptions", n, i, info, want)
			}
		}
	}
	if _, _, err := h.TopChannels("2", 1); err != ErrNoApp {
		t.Errorf("an app that is not there: %v", err)
	}
}
