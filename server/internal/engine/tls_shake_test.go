package engine

import (
	"bytes"
	"crypto/tls"
	"net"
	"testing"
)

// When the last handshake of a burst is over, nothing is kept of any, in
// whatever order they end.
func TestShakingForgets(t *testing.T) {
	for _, end := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		q := &shaking{most: 3}
		var all []*secured
		for range 3 {
			q.waiting.push(&secured{c: &Conn{loop: new(Loop)}, shake: new(shake)})
			all = append(all, q.next())
		}
		for _, i := range end {
			q.release(all[i].shake)
		}
		if n := q.order.len(); n != 0 || q.order.items != nil || q.begun != 0 {
			t.Errorf("ended in the order %v: %d are kept, %d count", end, n, q.begun)
		}
	}
}

// What comes behind a ClientHello, or behind what one step of a handshake takes,
// is input like any other: it counts as held, the handshake keeps no more than
// Config.ClientHello, and nothing of it is lost.
func TestShakeLeavesSurplus(t *testing.T) {
	hello := clientHello(t)
	const most = 16 << 10
	sent := append(bytes.Clone(hello), make([]byte, 200_000)...)
	for _, cut := range []int{1, len(hello) - 1, len(hello) + 100_000} {
		e := &Engine{Config: Config{Submit: func(func()) error { return nil }}}
		e.shaking = shaking{e: e, hello: most, most: 1, runners: 1}
		g := new(giver)
		g.pipe.loop = &Loop{e: e}
		s := secureSession(g, nil, nil).(*secured)
		g.pipe.session = s
		came := 0
		receive := func(n int) {
			g.pipe.give(append(g.pipe.take(), sent[came:n]...), true)
			came = n
		}
		check := func(want []byte, taken int) {
			t.Helper()
			if !bytes.Equal(s.shake.raw, want) || g.pipe.flags&flagPaused == 0 {
				t.Errorf("cut at %d: a step has %d bytes, want %d", cut, len(s.shake.raw), len(want))
			}
			if n := g.pipe.Stowed(); n != came-taken || !bytes.Equal(g.pipe.in.b, sent[taken:came]) {
				t.Errorf("cut at %d: %d bytes are left for later, want %d", cut, n, came-taken)
			}
			if n := e.held.Load(); n != int64(came-taken) {
				t.Errorf("cut at %d: %d bytes are held, want %d", cut, n, came-taken)
			}
		}
		if receive(cut); cut < len(hello) {
			receive(len(hello) + 50_000)
		}
		check(hello, len(hello))
		// The handshake has begun, and wants more.
		s.shake.begun, s.shake.raw = true, nil
		s.shake.holder.Store(withOwner)
		g.pipe.flags &^= flagPaused
		receive(len(sent))
		check(sent[len(hello):][:most], len(hello)+most)
	}
}

func clientHello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	go tls.Client(far, simTLS().client).Handshake()
	b := make([]byte, 16<<10)
	n, err := near.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}
