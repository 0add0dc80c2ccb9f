package engine

import (
	"sync"
	"testing"
)

// The owner of a connection may leave its TLS to the kernel while the loop's
// leader lists all sessions. The race detector is what sees it.
func TestSessionsWhileKernelTakesOver(t *testing.T) {
	l := &Loop{table: newTable(1)}
	e := &Engine{loops: []*Loop{l}}
	l.e = e
	g := new(giver)
	g.pipe.loop = l
	s := secureSession(g, nil, nil)
	g.pipe.session = s
	l.table.put(&g.pipe)
	var owner sync.WaitGroup
	owner.Go(s.(*secured).leaveToKernel)
	for range 2 {
		for session := range e.Sessions(0) {
			if session != g {
				t.Errorf("the session is %T", session)
			}
		}
	}
	owner.Wait()
	if g.pipe.session != g || g.pipe.Stream() != nil {
		t.Error("there is still TLS")
	}
}
