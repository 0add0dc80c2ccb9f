package engine

import "testing"

// What a turn pays for ownership when nobody else signals.
func BenchmarkSignalRelease(b *testing.B) {
	var w word
	for b.Loop() {
		if !w.signal(sigReadable) {
			b.Fatal("an unowned word was not given")
		}
		w.take()
		if done, _ := w.release(0); !done {
			b.Fatal("a quiet word was not released")
		}
	}
}

// What a sender pays who finds an owner at work.
func BenchmarkSignalOwned(b *testing.B) {
	var w word
	w.signal(sigReadable)
	for b.Loop() {
		w.signal(sigFlush)
	}
}

// The way through the run queue, without the goroutines.
func BenchmarkQueue(b *testing.B) {
	q := &runQueue{e: &Engine{}}
	c := new(Conn)
	q.loop = &Loop{} // its own: nobody is hired, and it is awake
	for b.Loop() {
		c.word.signal(sigReadable)
		c.word.take()
		if _, push := c.word.release(sigReadable); push {
			q.push(c)
		}
		if q.pop() != c || !c.word.unqueue() {
			b.Fatal("the connection was lost")
		}
		c.word.take()
		c.word.release(0)
	}
}
