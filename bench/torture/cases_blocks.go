package torture

import (
	"bytes"
	"fmt"
)

// blockCases: much input that holds nothing, and the message without any. Rows C7, C16.
func blockCases(o *Options) []Case {
	n := o.MaxMessage
	if n < 0 {
		n = 1 << 20
	}
	stored := max(1, min(1_000_000, n/len(emptyStored)-1))
	fixed := max(8, min(1_000_000, n/len(emptyFixed)*8-8))
	dynamic := max(1, min(100_000, n/len(emptyDynamic)-1))
	const rfc = "RFC 7692, 8; RFC 6455, 10.4"
	nothing := func(frames ...part) func() []part { return func() []part { return frames } }
	blocks := func(one []byte, n int) func() []part {
		return func() []part { return []part{compressed(opBinary, manyBlocks(one, n))} }
	}
	all := []Case{
		emptyOr("C7/no-payload", "RFC 7692, 7.2.3.6", "a compressed message without any payload", nothing(compressed(opBinary, nil)), 1007),
		emptyOr("C7/no-payload-fragments", "RFC 7692, 7.2.3.6", "a compressed message of two fragments without any payload",
			nothing(more(compressed(opBinary, nil)), cont("")), 1007),
		emptyOr("C16/stored-blocks", rfc, fmt.Sprintf("%d stored blocks with nothing in them", stored), blocks(emptyStored, stored), 1007, 1008, 1009).byItself(),
		emptyOr("C16/stored-blocks-fragments", rfc, fmt.Sprintf("%d stored blocks with nothing in them, in fragments", stored),
			func() []part { return inShares(opBinary, manyBlocks(emptyStored, stored), 1000) }, 1007, 1008, 1009).byItself(),
		emptyOr("C16/fixed-blocks", rfc, fmt.Sprintf("%d blocks with the fixed codes and nothing in them", fixed), blocks(emptyFixed, fixed/8), 1007, 1008, 1009).byItself(),
		emptyOr("C16/dynamic-blocks", rfc, fmt.Sprintf("%d blocks with codes of their own and nothing in them", dynamic), blocks(emptyDynamic, dynamic), 1007, 1008, 1009).byItself(),
	}
	for _, one := range []struct {
		id, name string
		block    []byte
		most     int
	}{{"stored", "stored blocks", emptyStored, stored}, {"dynamic", "blocks with codes of their own", emptyDynamic, dynamic}} {
		c := runDrill("C16/linear-"+one.id, rfc, fmt.Sprintf("%d and %d %s with nothing in them", one.most/8, one.most, one.name), "CPU time that grows in proportion",
			func(b *Bench) error { return linear(b, emptied(one.block), one.most/8) }).byItself()
		c.pid = true
		all = append(all, c)
	}
	return all
}

// Blocks with nothing in them.
var (
	emptyStored  = payload("000000ffff")
	emptyFixed   = eightFixed()
	emptyDynamic = payload("04c081000000000090ff6b000000ffff") // and an empty stored one, which ends at a byte
)

// eightFixed is eight blocks of ten bits.
func eightFixed() []byte {
	b := new(bits)
	for range 8 {
		b.fixed().symbol(256)
	}
	return b.bytes
}

func manyBlocks(one []byte, n int) []byte { return append(bytes.Repeat(one, n), 0) }

// emptied is a load of n blocks, however they are answered.
func emptied(one []byte) func(b *Bench, n int) error {
	return func(b *Bench, n int) error {
		c, _, err := b.openDeflating(deflateOffer)
		if err != nil {
			return err
		}
		codes := []uint16{1007, 1008, 1009}
		return b.eitherOf(c, wireOf(compressed(opBinary, manyBlocks(one, n))).Bytes, nil, codes)
	}
}
