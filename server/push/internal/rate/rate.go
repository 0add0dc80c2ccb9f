// Package rate bounds how often something may happen, in eight bytes and
// without a timer. It does not know what it bounds.
package rate

import "time"

// Rate allows a number of events at once, and as many again in each second that
// follows, evenly. Its zero value has allowed none. It is not safe for
// concurrent use.
type Rate struct {
	// paid is the time, in Unix nanoseconds, up to which the allowance is used up.
	paid int64
}

// Take reports whether one more event is allowed at the time now, and if so
// counts it. perSecond must be at least 1.
func (r *Rate) Take(now time.Time, perSecond int) bool { return r.TakeOf(now, perSecond, perSecond) }

// TakeOf is Take with another number at once than in each second that follows.
func (r *Rate) TakeOf(now time.Time, perSecond, atOnce int) bool {
	each := int64(time.Second) / int64(perSecond)
	at := now.UnixNano()
	// More than all of it is used up only when the clock was set back.
	r.paid = min(max(r.paid, at), at+each*int64(atOnce))
	if r.paid-at > each*int64(atOnce-1) {
		return false
	}
	r.paid += each
	return true
}
