package push

import "sync/atomic"

// SubscriptionBytes is the most memory that a subscription takes which has a
// channel of its own, with the longest name. On a presence channel its member comes
// on top, whom Config.VouchedBytes counts.
const SubscriptionBytes = 512

// DefaultSubscriptions is Config.Subscriptions by default, about 5 GB.
const DefaultSubscriptions = 10_000_000

// further counts the subscriptions that connections have beyond their first. The
// first is a part of what a connection costs, and the number of connections has a
// limit; of the others every connection may have many, and all together not that many.
type further struct {
	limit   int64
	taken   atomic.Int64
	refused atomic.Uint64
}

// take reports whether there may be one more. Whoever has it gives it back.
func (f *further) take() bool {
	if f.taken.Add(1) > f.limit {
		f.taken.Add(-1)
		f.refused.Add(1)
		return false
	}
	return true
}

func (f *further) give() { f.taken.Add(-1) }

// has reports whether there may be n more, for who would rather not begin.
func (f *further) has(n int) bool {
	if f.taken.Load()+int64(n) > f.limit {
		f.refused.Add(1)
		return false
	}
	return true
}

// overSubscribed is what a client is told beyond the limit.
const overSubscribed = "The server is over its number of subscriptions"
