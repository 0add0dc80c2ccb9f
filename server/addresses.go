package server

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
)

// addressBuckets is the number of counters that addresses share by hash. With
// a million clients from as many addresses there is one to each on average, so
// that even a small limit is not met by chance; and no address needs an entry.
const addressBuckets = 1 << 20

// addresses counts connections by client address.
type addresses struct {
	limit  int32
	seed   maphash.Seed // secret: nobody can choose an address to share a counter with
	counts []atomic.Int32
}

func newAddresses(limit int) *addresses {
	return &addresses{limit: int32(min(limit, 1<<30)), seed: maphash.MakeSeed(), counts: make([]atomic.Int32, addressBuckets)}
}

// add counts a connection, until remove, if the limit allows it. Of an IPv6
// address only the /64 counts, which is what one client is given.
func (a *addresses) add(addr netip.Addr) (bucket uint32, ok bool) {
	addr = addr.Unmap()
	if addr.Is6() {
		prefix, _ := addr.WithZone("").Prefix(64) // fails for no IPv6 address
		addr = prefix.Addr()
	}
	bucket = uint32(maphash.Comparable(a.seed, addr) % addressBuckets)
	if a.counts[bucket].Add(1) > a.limit {
		a.counts[bucket].Add(-1)
		return 0, false
	}
	return bucket, true
}

func (a *addresses) remove(bucket uint32) { a.counts[bucket].Add(-1) }
