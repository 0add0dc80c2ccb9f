package engine

import "testing"

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
