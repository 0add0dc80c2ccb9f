package push

// fifo is a queue that reuses its memory. Its zero value is empty.
type fifo[T any] struct {
	items []T
	head  int // items before it have left
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

// front is the item that leaves next. The queue must not be empty.
func (q *fifo[T]) front() T { return q.items[q.head] }

func (q *fifo[T]) push(item T) {
	// Room at the front is used before the memory grows, and only when it is
	// half of it, so that an item is moved at most twice.
	if len(q.items) == cap(q.items) && q.head >= len(q.items)/2 && q.head > 0 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, item)
}

func (q *fifo[T]) pop() T {
	var none T
	item := q.items[q.head]
	q.items[q.head] = none
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return item
}

// all is what is in the queue, in order. It is valid until the queue changes.
func (q *fifo[T]) all() []T { return q.items[q.head:] }
