package engine

import (
	"bytes"
	"testing"
)

// A message that is sent where it lies is one whole unit with its head in the
// room in front of it; what the kernel refused of it is copied before the
// memory is used again; a second sending of it is a copy.
func TestOutboundBorrow(t *testing.T) {
	whole := []byte("......message")
	o := &outbound{corked: true, lent: whole, at: 6}
	o.add([]byte("1>"), []byte("first"), 1)
	if !o.borrow([]byte("2>"), whole[6:], 1) {
		t.Fatal("the message that was lent was not borrowed")
	}
	if o.borrow([]byte("3>"), whole[6:], 1) {
		t.Fatal("the room in front of the message was used twice")
	}
	o.add([]byte("3>"), whole[6:], 1)
	if o.borrow([]byte("4>"), []byte("other"), 1) {
		t.Fatal("something else than the message was borrowed")
	}
	const want = "1>first2>message3>message"
	if got := string(bytes.Join(o.view(8), nil)); got != want {
		t.Fatalf("queued %q, want %q", got, want)
	}
	for cut := range len(want) {
		o := &outbound{corked: true, lent: []byte("......message"), at: 6}
		mem := o.lent
		o.add([]byte("1>"), []byte("first"), 1)
		o.borrow([]byte("2>"), mem[6:], 1)
		o.add([]byte("3>"), []byte("message"), 1)
		o.view(8)
		o.advance(cut)
		if borrowed := cut < len("1>first2>message"); borrowed != (o.debts == 1) {
			t.Fatalf("%d bytes sent, %d debts", cut, o.debts)
		}
		o.repay()
		copy(mem, "XXXXXXXXXXXXX") // the session uses its memory again
		if got := string(bytes.Join(o.view(8), nil)); got != want[cut:] || o.debts != 0 {
			t.Fatalf("%d bytes sent: %q is left, want %q", cut, got, want[cut:])
		}
	}
}

// A head that does not fit the room, and a queue that is no cork, copy.
func TestOutboundBorrowsNothing(t *testing.T) {
	whole := []byte("..message")
	o := &outbound{corked: true, lent: whole, at: 2}
	if o.borrow([]byte("long>"), whole[2:], 1) {
		t.Fatal("the head was written in front of the room")
	}
	var c Conn
	c.out = new(outbound)
	c.Lend(whole, 2)
	if c.out.lent != nil {
		t.Fatal("a queue that outlives the turn was lent something")
	}
}
