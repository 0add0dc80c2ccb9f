package poller

import (
	"errors"
	"testing"
	"time"
)

// What the contract leaves open and a kqueue must get right.

func modelPoller(t *testing.T) (*model, *Poller) {
	m := newModel()
	p := &Poller{backend: m.backend(t)}
	t.Cleanup(func() { p.Close() })
	return m, p
}

// Bytes and room are two kevents; in one batch they are one Event, and each
// descriptor has its own whatever the order of the kevents.
func TestKqueueMergesFilters(t *testing.T) {
	m, p := modelPoller(t)
	a, b := m.socketpair(t)
	add(t, p, a, 1)
	add(t, p, b, 2)
	m.write(b, 1)
	m.write(a, 1)
	expect(t, p,
		Event{Token: 1, Readable: true, Writable: true},
		Event{Token: 2, Readable: true, Writable: true})
	remove(t, p, a)
	remove(t, p, b)
	if len(m.notes) != 0 {
		t.Fatalf("after the removal the kernel still has %v", m.notes)
	}
}

// Two kevents of one descriptor in two batches are two Events, and the second
// does not land on the place of the first.
func TestKqueueFiltersInTwoBatches(t *testing.T) {
	m, p := modelPoller(t)
	a, b := m.socketpair(t)
	c, d := m.socketpair(t)
	add(t, p, a, 1)
	add(t, p, c, 2)
	m.write(b, 1)
	m.write(d, 1)
	events := make([]Event, 3) // of four kevents
	var got []Event
	for range 3 {
		got = append(got, wait(t, p, events, 0)...)
	}
	want := []Event{{Token: 1, Writable: true, Readable: true}, {Token: 2, Writable: true}, {Token: 2, Readable: true}}
	if len(got) != len(want) {
		t.Fatalf("reported %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("reported %+v, want %+v", got, want)
		}
	}
}

// A descriptor of which the kernel takes only one filter is not registered at
// all, and its number is free for another try.
func TestKqueueHalfRegistrationIsUndone(t *testing.T) {
	for _, refused := range []filter{filterRead, filterWrite} {
		m, p := modelPoller(t)
		a, b := m.socketpair(t)
		m.deny, m.refuse = true, refused
		if err := p.Add(a, 1); !errors.Is(err, errMemory) {
			t.Fatalf("Add returned %v", err)
		}
		if len(m.notes) != 0 {
			t.Fatalf("the kernel still has %v", m.notes)
		}
		m.deny = false
		m.write(b, 1)
		expectNone(t, p)
		add(t, p, a, 2)
		expect(t, p, Event{Token: 2, Readable: true, Writable: true})
	}
}

// hookedQueue calls taken when a batch has left the kernel.
type hookedQueue struct {
	modelQueue
	taken func()
}

func (q *hookedQueue) wait(out []kevent, timeout time.Duration) (int, error) {
	n, err := q.modelQueue.wait(out, timeout)
	q.taken()
	return n, err
}

// A kevent of a descriptor that was removed while the batch was on its way
// has no token any more and is dropped; one that was added again since is
// reported with the token of the new registration, never with the old one.
func TestKqueueRemovedWhileReported(t *testing.T) {
	m := newModel()
	a, _ := m.socketpair(t)
	c, _ := m.socketpair(t)
	hooked := &hookedQueue{modelQueue: modelQueue{m}}
	m.backend(t) // opens the model's queue
	p := &Poller{backend: newKqueue(hooked)}
	defer p.Close()
	add(t, p, a, 1)
	add(t, p, c, 2)
	hooked.taken = func() {
		remove(t, p, a)
		remove(t, p, c)
		add(t, p, c, 3)
		hooked.taken = func() {}
	}
	got := wait(t, p, make([]Event, 8), 0)
	if len(got) != 1 || got[0].Token != 3 {
		t.Fatalf("reported %+v, want only the token 3", got)
	}
}
