package server

import (
	"sync"
	"sync/atomic"
	"testing"
)

// A panic in Origins.Check is answered with 500, like one in OnUpgrade.
func TestPanicInOriginsCheck(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, Origins: Origins{Check: func(origin, _ string) bool {
			if origin != "" {
				panic("oops")
			}
			return true
		}}})
		c := st.dial()
		c.send([]byte(upgrade("/bad", "Origin: http://page.example")))
		c.refused(500)
		c.Close()
		st.quiet()
		st.open().goodbye()
		if s := st.Stats(); s.Panics != 1 || s.Refusals["server"] != 1 || len(st.lives) != 1 {
			t.Errorf("%d panics were counted, refusals %v, and %d connections opened", s.Panics, s.Refusals, len(st.lives))
		}
	})
}

// Origins.Check may block: with all workers stuck in it loops go on, and take new connections.
func TestOriginsCheckBlocks(t *testing.T) {
	watch(t)
	var inside atomic.Int32
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	st := start(t, Handler{}, Config{Loops: 1, Workers: 1, Origins: Origins{Check: func(string, string) bool {
		inside.Add(1)
		<-release
		return true
	}}})
	t.Cleanup(free) // before the server's end, which waits for workers
	var waiting []*client
	for i := range 4 {
		c := st.dial()
		eventually(t, "the connection is taken", func() bool { return st.Stats().Conns == int64(i+1) })
		c.send([]byte(upgrade("/")))
		waiting = append(waiting, c)
		eventually(t, "the first is asked about", func() bool { return inside.Load() > 0 })
	}
	if n := inside.Load(); n != 1 {
		t.Errorf("%d checks at a time on one worker", n)
	}
	free()
	for _, c := range waiting {
		c.opened()
		c.Close()
	}
}
