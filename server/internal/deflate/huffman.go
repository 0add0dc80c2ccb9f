package deflate

// A code is looked up by the bits that come next. Codes of up to rootBits bits
// are in the root of a table, at every index that ends in them; longer ones are in
// subtables behind it, to which the root points.
//
// An entry is made of
//
//	bits 0-3    how many bits the code has, in this table; 0: no code
//	bits 4-7    how many extra bits follow it, or what a subtable is indexed by
//	bits 8-11   the kind
//	bits 16-31  the literal byte, the base of a length or distance, or where the subtable begins
type entry uint32

const (
	kindBase    = 0 << 8 // a length or a distance
	kindLiteral = 1 << 8
	kindEnd     = 2 << 8
	kindSub     = 4 << 8
	kindBad     = 8 << 8 // a code that must not be used
	kinds       = 15 << 8
)

func (e entry) length() uint { return uint(e & 15) }
func (e entry) extra() uint  { return uint(e >> 4 & 15) }
func (e entry) value() int   { return int(e >> 16) }

const (
	codeMax     = 15 // bits of the longest code
	symbolsLit  = 288
	symbolsDist = 32
	symbolEnd   = 256

	litBits  = 10 // rootBits of literals and lengths
	distBits = 8  // of distances

	// The most entries that a table can take, by zlib's enough.c.
	litTable  = 1334 // 288 symbols, root 10
	distTable = 402  // 32 symbols, root 8
	preTable  = 128  // 19 symbols of at most 7 bits
)

// The meanings of symbols. RFC 1951, 3.2.5.
var litEntries, distEntries = func() (lit [symbolsLit]entry, dist [symbolsDist]entry) {
	for i := range symbolEnd {
		lit[i] = entry(i)<<16 | kindLiteral
	}
	lit[symbolEnd] = kindEnd
	base := 3
	for i := symbolEnd + 1; i < 285; i++ {
		extra := 0
		if n := i - 257; n >= 8 {
			extra = n/4 - 1
		}
		lit[i] = entry(base)<<16 | entry(extra)<<4
		base += 1 << extra
	}
	lit[285] = 258 << 16
	lit[286], lit[287] = kindBad, kindBad // "will never actually occur" (3.2.6)
	base = 1
	for i := range 30 {
		extra := 0
		if i >= 4 {
			extra = i/2 - 1
		}
		dist[i] = entry(base)<<16 | entry(extra)<<4
		base += 1 << extra
	}
	dist[30], dist[31] = kindBad, kindBad
	return lit, dist
}()

var preEntries = func() (pre [19]entry) {
	for i := range pre {
		pre[i] = entry(i) << 16
	}
	return pre
}()

// build fills a table for the codes whose lengths are given, meaning what
// symbols says. It reports whether the lengths make sense: they must use up every
// code, but for a single code of one bit, or none at all.
func build(table []entry, rootBits uint, lengths []uint8, symbols []entry) bool {
	var count [codeMax + 1]uint16
	for _, n := range lengths {
		count[n]++
	}
	used := len(lengths) - int(count[0])
	left, longest := 1, uint(0)
	for n := 1; n <= codeMax; n++ {
		if left = left<<1 - int(count[n]); left < 0 {
			return false // more codes than there are
		}
		if count[n] > 0 {
			longest = uint(n)
		}
	}
	if left > 0 && (used > 1 || longest > 1) {
		return false
	}
	// Symbols in the order of their codes: by length, then by number.
	var at [codeMax + 2]uint16
	for n := 1; n <= codeMax; n++ {
		at[n+1] = at[n] + count[n]
	}
	var order [symbolsLit]uint16
	for symbol, n := range lengths {
		if n > 0 {
			order[at[n]] = uint16(symbol)
			at[n]++
		}
	}
	fill(table, rootBits, order[:used], &count, lengths, symbols)
	return true
}

// fill puts the codes into the table, in their order. count says how many there
// are of each length.
func fill(table []entry, rootBits uint, order []uint16, count *[codeMax + 1]uint16, lengths []uint8, symbols []entry) {
	code := uint(0) // with its first bit lowest, as it comes
	table[0] = 0    // what no code fills is no code
	at := 0
	for n := uint(1); n <= rootBits; n++ {
		// What was known of n-1 bits is true whatever the next one is.
		copy(table[1<<(n-1):1<<n], table[:1<<(n-1)])
		for range count[n] {
			symbol := order[at]
			table[code] = symbols[symbol] | entry(n)
			code = following(code, n)
			at++
		}
	}
	next, prefix := 1<<rootBits, ^uint(0)
	var sub []entry
	for _, symbol := range order[at:] {
		n := uint(lengths[symbol])
		if low := code & (1<<rootBits - 1); low != prefix {
			prefix = low
			// As many bits as the codes take that begin like this one: they come next,
			// and leave nothing out.
			bits := n - rootBits
			for room := 1<<bits - int(count[n]); room > 0; {
				bits++
				room = room<<1 - int(count[bits+rootBits])
			}
			sub = table[next : next+1<<bits]
			table[prefix] = entry(next)<<16 | kindSub | entry(bits)<<4 | entry(rootBits)
			next += 1 << bits
		}
		e := symbols[symbol] | entry(n-rootBits)
		for j := code >> rootBits; j < uint(len(sub)); j += 1 << (n - rootBits) {
			sub[j] = e
		}
		count[n]--
		code = following(code, n)
	}
}

// following is the code after one of n bits, both with the first bit lowest:
// one is added at the far end, and carries go towards the first bit.
func following(code uint, n uint) uint {
	bit := uint(1) << (n - 1)
	for bit != 0 && code&bit != 0 {
		code ^= bit
		bit >>= 1
	}
	return code | bit // 0 after the last code
}

// fixed are the tables of blocks with fixed codes. RFC 1951, 3.2.6.
var fixed = func() (t struct {
	lit  [litTable]entry
	dist [distTable]entry
}) {
	var lengths [symbolsLit]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	build(t.lit[:], litBits, lengths[:], litEntries[:])
	for i := range symbolsDist {
		lengths[i] = 5
	}
	build(t.dist[:], distBits, lengths[:symbolsDist], distEntries[:])
	return t
}()
