package torture

// bits writes a stream of deflate by hand: fields lowest bit first, codes
// highest bit first. RFC 1951, 3.1.1.
type bits struct {
	bytes []byte
	used  uint // of the last byte
}

// put adds the n lowest bits of v, the lowest first.
func (b *bits) put(v, n uint) *bits {
	for ; n > 0; n, v = n-1, v>>1 {
		if b.used == 0 {
			b.bytes = append(b.bytes, 0)
		}
		b.bytes[len(b.bytes)-1] |= byte(v&1) << b.used
		b.used = (b.used + 1) & 7
	}
	return b
}

// code adds a code of n bits.
func (b *bits) code(v, n uint) *bits {
	for ; n > 0; n-- {
		b.put(v>>(n-1), 1)
	}
	return b
}

// fixed begins a block with the codes that are known to all. RFC 1951, 3.2.6.
func (b *bits) fixed() *bits { return b.put(0b01<<1, 3) }

// symbol adds a literal, a length or the end of the block, 256, in those codes.
func (b *bits) symbol(s uint) *bits {
	switch {
	case s < 144:
		return b.code(0x30+s, 8)
	case s < 256:
		return b.code(0x190+s-144, 9)
	case s < 280:
		return b.code(s-256, 7)
	}
	return b.code(0xc0+s-280, 8)
}

// lengthOrder is the order in which the lengths of the codes for lengths come. RFC 1951, 3.2.7.
var lengthOrder = [...]uint{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// tables begins a block with codes of its own: so many of either kind, and the
// lengths of the codes for lengths, by symbol.
func (b *bits) tables(literals, distances uint, lengths map[uint]uint) *bits {
	b.put(0b10<<1, 3).put(literals-257, 5).put(distances-1, 5).put(uint(len(lengthOrder))-4, 4)
	for _, symbol := range lengthOrder {
		b.put(lengths[symbol], 3)
	}
	return b
}

// message ends the stream as a message ends: with the header of an empty block
// of which the rest is left out. RFC 7692, 7.2.1.
func (b *bits) message() []byte { return b.put(0, 3).bytes }
