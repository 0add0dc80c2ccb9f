package push

import "sync/atomic"

// What the memory of what backends say of users is counted as, beside the bytes of
// ids and user_info themselves.
const (
	// seatBytes is a connection's place on a presence channel.
	seatBytes = 192
	// memberBytes is a user on one.
	memberBytes = 320
	// signedInBytes is a connection that is signed in.
	signedInBytes = 288
	// watchBytes is an entry of its watchlist.
	watchBytes = 160
	// userBytes is a user who is signed in or watched, by however many.
	userBytes = 256
)

// DefaultVouchedBytes is Config.VouchedBytes by default.
const DefaultVouchedBytes = 1 << 30

// vouched counts the memory of what customers' backends vouch for: members of
// presence channels, users who signed in, and whom these watch. Of one there is little, but
// a client may be a member of many channels, and how many clients come a backend does not know.
type vouched struct {
	limit   int64
	taken   atomic.Int64
	members atomic.Uint64 // refused
	users   atomic.Uint64 // refused
}

// take reports whether there may be so many bytes more. Whoever has them gives them back.
func (v *vouched) take(n int64, refused *atomic.Uint64) bool {
	if v.taken.Add(n) > v.limit {
		v.taken.Add(-n)
		refused.Add(1)
		return false
	}
	return true
}

// has is take without taking, for who would rather not begin.
func (v *vouched) has(n int64, refused *atomic.Uint64) bool {
	if v.taken.Load()+n > v.limit {
		refused.Add(1)
		return false
	}
	return true
}

func (v *vouched) give(n int64) { v.taken.Add(-n) }

// memory is what the backend said.
func (who *identity) memory() int64 { return int64(len(who.id) + len(who.info.Raw())) }

// memory is what having a connection signed in as u takes, without the users.
func (u *signedIn) memory() int64 {
	n := signedInBytes + u.identity.memory()
	for _, id := range u.watchlist {
		n += watchBytes + int64(len(id))
	}
	return n
}

// most is memory with the users, as if nothing was known of any of them.
func (u *signedIn) most() int64 {
	n := u.memory() + userMemory(u.id)
	for _, id := range u.watchlist {
		n += userMemory(id)
	}
	return n
}

// userMemory is what a user takes of whom anything is known.
func userMemory(id string) int64 { return userBytes + int64(len(id)) }

// seatMemory is what one more connection of a user on a presence channel takes. ch is locked.
func (ch *channel) seatMemory(who *identity) int64 {
	if ch.special.members[who.id] != nil {
		return seatBytes
	}
	return seatBytes + ch.special.memberMemory(who)
}

// memberMemory is what a member takes.
func (sp *special) memberMemory(who *identity) int64 {
	if sp.countOnly {
		return memberBytes + int64(len(who.id)) // nobody is told the rest
	}
	return memberBytes + who.memory()
}

// overVouched is what a client is told beyond the limit.
const overVouched = "The server is over its memory for members and users"
