package deflate

import (
	"encoding/binary"
	"sync"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/wire"
)

// What ends a connection.
var (
	ErrCorrupt       = &wire.Error{Code: ws.StatusInvalidFramePayloadData, Reason: "compressed message is corrupt"}
	ErrTooManyBlocks = &wire.Error{Code: ws.StatusPolicyViolation, Reason: "compressed message has too many blocks"}
)

// The tables of a block with codes of its own cost about as much as a hundred
// bytes of output, and such a block can take ten bytes and hold nothing. A message may
// have tablesMin of them, and one for every tablesPer bytes of output beside: the
// shortest that zlib makes, with the least memory, hold 127.
const (
	tablesMin = 64
	tablesPer = 64
)

// tail is what the sender took away. "Append 4 octets of 0x00 0x00 0xff 0xff to
// the tail end of the payload of the message." RFC 7692, 7.2.2.
const tail = "\x00\x00\xff\xff"

// Inflate appends the message that the payload src carries to dst, limit bytes
// at most: beyond them it stops. src is the payload of all fragments, without the
// tail. On an error what was appended means nothing.
func Inflate(dst, src []byte, limit int) ([]byte, error) {
	// An empty message is one byte, 0x00 (7.2.3.6), but some senders have none.
	if len(src) == 0 {
		return dst, nil
	}
	z := inflaters.Get().(*inflater)
	z.in, z.end, z.at, z.last = src, len(src), 0, false
	z.bits, z.nbits, z.tables = 0, 0, tablesMin
	z.out, z.start, z.limit = dst, len(dst), limit
	err := z.stream()
	dst = z.out
	z.in, z.out = nil, nil
	inflaters.Put(z)
	return dst, err
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// pad is how many bytes the fast loop wants in front of it: it loads words, two
// in a step. The end of the input is moved to where there are as many behind it.
const pad = 16

// inflater is the state of one Inflate, and its tables. Nothing in it outlives
// the call.
type inflater struct {
	in    []byte // the payload, then its end, with the tail and pad zeros behind it
	end   int    // of the input in in
	at    int    // bytes of in that are in bits or gone
	last  bool   // in is the end of the payload
	bits  uint64 // the next bits, the first one lowest; those above nbits will come again
	nbits uint

	out    []byte
	start  int // where the message begins in out
	limit  int // of its bytes
	tables int // blocks with codes of their own that it may still have, output aside

	lit     [litTable]entry
	dist    [distTable]entry
	pre     [preTable]entry
	lengths [symbolsLit + symbolsDist]uint8
	ending  [pad + len(tail) + pad]byte
}

// stream inflates blocks until the input ends with one.
func (z *inflater) stream() error {
	for !z.last || z.at < z.end || z.nbits > 0 {
		if !z.need(3) {
			return ErrCorrupt
		}
		header := z.take(3)
		var err error
		switch header >> 1 {
		case 0:
			err = z.stored()
		case 1:
			err = z.block(&fixed.lit, &fixed.dist)
		case 2:
			if err = z.readTables(); err == nil {
				err = z.block(&z.lit, &z.dist)
			}
		default:
			err = ErrCorrupt
		}
		if err != nil {
			return err
		}
		// A sender may end a block with "BFINAL" (7.2.3.4): what follows begins
		// at the next byte. It ought to be one more block, without anything in it,
		// but senders that leave it out are understood, too.
		if header&1 != 0 {
			z.take(z.nbits & 7)
			if z.left() == len(tail) {
				return nil
			}
		}
	}
	return nil
}

// left is how many bytes of the input were not used, the tail included.
func (z *inflater) left() int {
	n := z.end - z.at + int(z.nbits/8)
	if !z.last {
		n += len(tail)
	}
	return n
}

// advance moves on to the end of the payload when it is near.
func (z *inflater) advance() {
	if z.last || z.end-z.at >= pad {
		return
	}
	n := copy(z.ending[:], z.in[z.at:])
	n += copy(z.ending[n:], tail)
	clear(z.ending[n:])
	z.in, z.end, z.at, z.last = z.ending[:n+pad], n, 0, true
}

// fill takes in bytes until there are at least 56 bits, or the input is at its end.
func (z *inflater) fill() {
	z.advance()
	for z.nbits < 56 && z.at < z.end {
		z.bits |= uint64(z.in[z.at]) << z.nbits
		z.at++
		z.nbits += 8
	}
}

// need reports whether there are n bits.
func (z *inflater) need(n uint) bool {
	if z.nbits < n {
		z.fill()
	}
	return z.nbits >= n
}

// take removes n bits, which must be there.
func (z *inflater) take(n uint) uint {
	b := uint(z.bits & (1<<n - 1))
	z.bits >>= n
	z.nbits -= n
	return b
}

// stored copies a block that is not compressed. RFC 1951, 3.2.4.
func (z *inflater) stored() error {
	z.take(z.nbits & 7)
	if !z.need(32) {
		return ErrCorrupt
	}
	n, inverse := int(z.take(16)), int(z.take(16))
	if n != inverse^0xffff {
		return ErrCorrupt
	}
	if n > z.left() {
		return ErrCorrupt
	}
	if n > z.limit-(len(z.out)-z.start) {
		return wire.ErrMessageTooBig
	}
	if n > cap(z.out)-len(z.out) {
		z.grow(n)
	}
	for ; n > 0 && z.nbits > 0; n-- {
		z.out = append(z.out, byte(z.take(8)))
	}
	if n == 0 {
		return nil
	}
	z.bits = 0 // what would come again is passed over
	for n > 0 {
		z.advance()
		m := min(n, z.end-z.at)
		z.out = append(z.out, z.in[z.at:z.at+m]...)
		z.at += m
		n -= m
	}
	return nil
}

// preOrder is the order in which the lengths of the code for lengths come.
var preOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readTables reads the codes of a block. RFC 1951, 3.2.7.
func (z *inflater) readTables() error {
	if z.tables+(len(z.out)-z.start)/tablesPer <= 0 {
		return ErrTooManyBlocks
	}
	z.tables--
	if !z.need(14) {
		return ErrCorrupt
	}
	nlit, ndist, npre := int(z.take(5))+257, int(z.take(5))+1, int(z.take(4))+4
	if nlit > 286 || ndist > 30 {
		return ErrCorrupt
	}
	var pre [19]uint8
	for _, symbol := range preOrder[:npre] {
		if !z.need(3) {
			return ErrCorrupt
		}
		pre[symbol] = uint8(z.take(3))
	}
	if !build(z.pre[:], 7, pre[:], preEntries[:]) {
		return ErrCorrupt
	}
	if !z.readLengths(z.lengths[:nlit+ndist]) {
		return ErrCorrupt
	}
	if !build(z.lit[:], litBits, z.lengths[:nlit], litEntries[:]) ||
		!build(z.dist[:], distBits, z.lengths[nlit:nlit+ndist], distEntries[:]) {
		return ErrCorrupt
	}
	return nil
}

// readLengths reads the lengths of the codes, which are themselves compressed.
func (z *inflater) readLengths(lengths []uint8) bool {
	for i := 0; i < len(lengths); {
		z.need(7 + 7) // fewer may do
		e := z.pre[z.bits&(1<<7-1)]
		if e.length() == 0 || e.length() > z.nbits {
			return false
		}
		z.take(e.length())
		symbol := e.value()
		if symbol < 16 {
			lengths[i] = uint8(symbol)
			i++
			continue
		}
		var extra uint
		var value uint8
		n := 3
		switch symbol {
		case 16: // the last one again
			if i == 0 {
				return false
			}
			extra, value = 2, lengths[i-1]
		case 17:
			extra = 3
		case 18:
			extra, n = 7, 11
		}
		if z.nbits < extra {
			return false
		}
		n += int(z.take(extra))
		if n > len(lengths)-i {
			return false
		}
		for range n {
			lengths[i] = value
			i++
		}
	}
	return true
}

// matchMax is the longest copy that one code stands for.
const matchMax = 258

// slack is the room that a step of the fast loop wants: for two literals and a
// match, which it copies eight bytes at a time.
const slack = 2 + matchMax + 8

// block inflates what the codes of a block stand for, to its end.
func (z *inflater) block(lit *[litTable]entry, dist *[distTable]entry) error {
	for {
		z.advance()
		if end, err := z.fast(lit, dist); end || err != nil {
			return err
		}
		if cap(z.out)-len(z.out) < slack {
			z.grow(0)
			continue
		}
		// Near the end of the input or of the limit, one code at a time.
		if end, err := z.step(lit, dist); end || err != nil {
			return err
		}
	}
}

// grow makes room for n bytes more of output, or as much again as there is, and
// for no more than the limit leaves and a step. It is exact, unlike append: what a
// largest message is inflated into is kept for the next one only if it is not larger.
func (z *inflater) grow(n int) {
	have := len(z.out) - z.start
	room := min(max(n, have, 2<<10), z.limit-have) + slack
	z.out = append(make([]byte, 0, len(z.out)+room), z.out...)
}

// lookup finds the entry for the next bits, and how many of them it takes.
func lookup(table []entry, rootBits uint, bits uint64) (e entry, used uint) {
	e = table[bits&(1<<rootBits-1)]
	if e&kindSub != 0 {
		e = table[e.value()+int(bits>>rootBits&(1<<e.extra()-1))]
		return e, rootBits + e.length()
	}
	return e, e.length()
}

// step inflates one code, with care. There is slack behind the output.
func (z *inflater) step(lit *[litTable]entry, dist *[distTable]entry) (end bool, err error) {
	z.fill()
	e, n := lookup(lit[:], litBits, z.bits)
	if e.length() == 0 || n+e.extra() > z.nbits {
		return false, ErrCorrupt
	}
	z.take(n)
	room := z.limit - (len(z.out) - z.start)
	switch e & kinds {
	case kindLiteral:
		if room < 1 {
			return false, wire.ErrMessageTooBig
		}
		z.out = append(z.out, byte(e.value()))
		return false, nil
	case kindEnd:
		return true, nil
	case kindBad:
		return false, ErrCorrupt
	}
	length := e.value() + int(z.take(e.extra()))
	z.fill()
	d, n := lookup(dist[:], distBits, z.bits)
	if d.length() == 0 || d&kindBad != 0 || n+d.extra() > z.nbits {
		return false, ErrCorrupt
	}
	z.take(n)
	distance := d.value() + int(z.take(d.extra()))
	if distance > len(z.out) {
		return false, ErrCorrupt
	}
	if length > room {
		return false, wire.ErrMessageTooBig
	}
	have := len(z.out)
	z.out = z.out[:have+length]
	repeat(z.out, have, distance)
	return false, nil
}

// repeat fills out from at on with what lies distance bytes before.
func repeat(out []byte, at, distance int) {
	for from := at - distance; at < len(out); {
		at += copy(out[at:], out[from:at])
	}
}

// fast inflates while a step can go wrong neither for want of input nor of room,
// so that it need not look in between. It reports whether the block ended.
func (z *inflater) fast(lit *[litTable]entry, dist *[distTable]entry) (end bool, err error) {
	in, at, bits, nbits := z.in, z.at, z.bits, z.nbits
	out, have := z.out[:cap(z.out)], len(z.out)
	full := min(len(out)-slack, z.start+z.limit)
loop:
	for at+pad <= len(in) && have <= full {
		// 56 bits or more. What does not fit whole comes again with the next word.
		bits |= binary.LittleEndian.Uint64(in[at:]) << (nbits & 63)
		at += int((63 - nbits) >> 3)
		nbits |= 56
		e := lit[bits&(1<<litBits-1)]
		if e&kindLiteral != 0 {
			bits, nbits = bits>>e.length(), nbits-e.length()
			out[have] = byte(e >> 16)
			have++
			if e = lit[bits&(1<<litBits-1)]; e&kindLiteral != 0 {
				bits, nbits = bits>>e.length(), nbits-e.length()
				out[have] = byte(e >> 16)
				have++
				e = lit[bits&(1<<litBits-1)]
			}
			// 48 bits for a length, a distance and what they have extra.
			bits |= binary.LittleEndian.Uint64(in[at:]) << (nbits & 63)
			at += int((63 - nbits) >> 3)
			nbits |= 56
		}
		if e&kindSub != 0 {
			bits, nbits = bits>>litBits, nbits-litBits
			e = lit[e.value()+int(bits&(1<<e.extra()-1))]
		}
		bits, nbits = bits>>e.length(), nbits-e.length()
		if e&(kindLiteral|kindEnd|kindBad) != 0 || e.length() == 0 {
			switch {
			case e&kindLiteral != 0:
				out[have] = byte(e >> 16)
				have++
				continue
			case e&kindEnd != 0:
				end = true
			default:
				err = ErrCorrupt
			}
			break loop
		}
		length := e.value() + int(bits&(1<<e.extra()-1))
		bits, nbits = bits>>e.extra(), nbits-e.extra()

		d := dist[bits&(1<<distBits-1)]
		if d&kindSub != 0 {
			bits, nbits = bits>>distBits, nbits-distBits
			d = dist[d.value()+int(bits&(1<<d.extra()-1))]
		}
		bits, nbits = bits>>d.length(), nbits-d.length()
		distance := d.value() + int(bits&(1<<d.extra()-1))
		bits, nbits = bits>>d.extra(), nbits-d.extra()
		if d.length() == 0 || d&kindBad != 0 || distance > have {
			err = ErrCorrupt
			break
		}
		if distance < 8 || length > 64 {
			repeat(out[:have+length], have, distance)
			have += length
			continue
		}
		for to, from := have, have-distance; to < have+length; to, from = to+8, from+8 {
			binary.LittleEndian.PutUint64(out[to:], binary.LittleEndian.Uint64(out[from:]))
		}
		have += length
	}
	if over := uint(max(0, at-z.end)) * 8; over > nbits { // it went on into the zeros
		err = ErrCorrupt
	} else {
		nbits -= over
	}
	if have > z.start+z.limit && err == nil {
		err = wire.ErrMessageTooBig
	}
	z.at, z.bits, z.nbits, z.out = min(at, z.end), bits, nbits, out[:have]
	return end, err
}
