package torture

import (
	"bytes"
	"fmt"
	"sync"
)

// bombCases: the limit of a message holds before and after inflating, for each
// message by itself. Rows C1, C2, C3.
func bombCases(o *Options) (all []Case) {
	n := o.MaxMessage
	if n <= 0 || n > frameMax {
		return nil
	}
	add := func(build func() Case) {
		all = append(all, lazily(func() Case { return build().offering(deflateOffer).byItself() }))
	}
	zeros := func(id string, size int) {
		name := fmt.Sprintf("%d zeros, compressed to %d bytes", size, len(bomb(size)))
		add(func() Case {
			if size <= n {
				c := keeps(id, "RFC 7692, 8", name, []part{compressed(opBinary, bomb(size))}, wantData(opBinary, make([]byte, size)))
				c.swells.echoed = int64(size)
				return c
			}
			return rejects(id, "RFC 7692, 8", name, 1009, compressed(opBinary, bomb(size)))
		})
	}
	zeros("C1/limit", n)
	zeros("C1/limit-and-1", n+1)
	zeros("C1/bomb", 4*n)
	for _, m := range []int{1, 16, 64} {
		zeros(fmt.Sprintf("C1/bomb-%dm", m), m<<20)
	}
	crowd := runDrill("C1/bombs-at-once", "RFC 7692, 8; RFC 6455, 10.4", fmt.Sprintf("%d connections that send a bomb in one moment", bombers),
		"Close 1009 for each, and a message of somebody else echoed meanwhile", func(b *Bench) error { return bombsAtOnce(b, min(16*n, max(4*n, frameMax))) }).byItself()
	crowd.swells.inflated = int64(bombers) * int64(n) // up to the limit, and for all at once
	all = append(all, crowd)

	pieces := 1024
	if o.MaxFragments > 0 {
		pieces = min(pieces, o.MaxFragments)
	}
	add(func() Case {
		return rejects("C2/bomb-fragments", "RFC 7692, 8", fmt.Sprintf("%d zeros, compressed, in %d fragments", 4*n, pieces), 1009,
			inShares(opBinary, bomb(4*n), pieces)...)
	})
	add(func() Case {
		size := n / 10 * 9
		count := max(4, min(100, 128<<20/max(1, size)))
		c := keeps("C2/limit-is-per-message", "RFC 7692, 8", fmt.Sprintf("%d messages that exceed the limit only together, compressed, in one write", count),
			repeated(compressed(opBinary, bomb(size)), count), bytesOf(count, size)...)
		c.swells.echoed = int64(count) * int64(size)
		return c
	})
	if n < 64<<10 {
		return all
	}
	return append(all, storedCases(n)...)
}

// bytesOf is what comes back for count messages of size zeros.
func bytesOf(count, size int) (want []expect) {
	zeros := make([]byte, size)
	for range count {
		want = append(want, wantData(opBinary, zeros))
	}
	return want
}

// storedCases: what does not compress becomes longer. The limit holds for what
// is sent and for what it becomes. Row C3.
func storedCases(n int) (all []Case) {
	add := func(build func() Case) {
		all = append(all, lazily(func() Case { return build().offering(deflateOffer).byItself() }))
	}
	add(func() Case {
		message := noise(min(n, 1<<20) - 1000)
		return keeps("C3/incompressible", "RFC 7692, 6", "nearly a megabyte that does not compress, with RSV1",
			[]part{compressed(opBinary, squeeze(message, 1))}, wantData(opBinary, message))
	})
	add(func() Case {
		message := noise(storedIn(n))
		return keeps("C3/limit", "RFC 7692, 6", fmt.Sprintf("%d bytes that do not compress, which become %d, the limit", len(message), n),
			[]part{compressed(opBinary, stored(message))}, wantData(opBinary, message))
	})
	add(func() Case {
		return rejects("C3/limit-and-1", "RFC 7692, 6", fmt.Sprintf("%d bytes that do not compress, one more than the limit", n+1), 1009,
			compressed(opBinary, stored(noise(n+1))))
	})
	all = append(all, runDrill("C3/limit-grown", "RFC 7692, 6", fmt.Sprintf("%d bytes that do not compress, the limit, which become more", n),
		"the message, whole, or Close 1009, then FIN", func(b *Bench) error {
			c, _, err := b.openDeflating(deflateOffer)
			if err != nil {
				return err
			}
			message := noise(n)
			return b.eitherOf(c, wireOf(compressed(opBinary, stored(message))).Bytes, message, []uint16{1009})
		}).byItself())
	return all
}

// bombers is how many send a bomb at once: more than a server has processors.
const bombers = 200

// bombsAtOnce: what one bomb costs is bounded; what many cost together must be, too.
func bombsAtOnce(b *Bench, size int) error {
	send := wireOf(compressed(opBinary, bomb(size))).Bytes
	honest, z, err := b.openDeflating(deflateOffer)
	if err != nil {
		return err
	}
	own := make([]*Bench, bombers)
	clients := make([]*Client, bombers)
	for i := range own {
		own[i] = &Bench{o: b.o}
		defer own[i].hangUp()
		if clients[i], _, err = own[i].openDeflating(deflateOffer); err != nil {
			return err
		}
	}
	errs := make([]error, bombers)
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			c.write(send)
			errs[i] = own[i].finish(c, ending{failed, []uint16{1009}})
		})
	}
	for i := range 20 {
		message := bytes.Repeat(fmt.Appendf(nil, "message %d among bombs, ", i), 50)
		honest.write(wireOf(compressed(opText, z.alone(message, 6))).Bytes)
		if err = b.expect(honest, wantText(string(message))); err != nil {
			break
		}
	}
	all.Wait()
	if err == nil {
		err = firstOf(errs)
	}
	if err != nil {
		return err
	}
	return b.finish(honest, ending{how: alive})
}
