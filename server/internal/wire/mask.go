package wire

import (
	"encoding/binary"
	"math/bits"

	"github.com/gobwas/ws"
)

// unmaskWide is the payload length in bytes from which gobwas's vectorised
// cipher is faster than our loop, although text is then read a second time.
const unmaskWide = 512

// highBits has the top bit of every byte set: a word without any of them is
// eight bytes of ASCII.
const highBits = 0x8080808080808080

// unmask applies the mask to b in place. key is the four mask bytes, read
// little endian, turned so that its lowest byte belongs to b[0]. seen is the
// OR of everything unmasked: seen&highBits == 0 says that b is all ASCII and
// that text needs no other look. Nothing is said of long payloads.
func unmask(b []byte, key uint32) (seen uint64) {
	switch {
	case len(b) < 8:
		return unmaskShort(b, key)
	case len(b) >= unmaskWide:
		var mask [maskSize]byte
		binary.LittleEndian.PutUint32(mask[:], key)
		ws.Cipher(b, mask, 0)
		return highBits
	}
	k := uint64(key)<<32 | uint64(key)
	// The last eight bytes are taken before the loop changes some of them and
	// put back after it: no loop over the odd bytes is needed.
	b = b[:len(b):len(b)]
	last := b[len(b)-8:]
	tail := binary.LittleEndian.Uint64(last) ^ bits.RotateLeft64(k, -8*(len(b)&3))
	// "Longer than" rather than "at least": the slices then never point past
	// their end, which spares the compiler a guard; and last is done anyway.
	for len(b) > 32 {
		w0 := binary.LittleEndian.Uint64(b) ^ k
		w1 := binary.LittleEndian.Uint64(b[8:]) ^ k
		w2 := binary.LittleEndian.Uint64(b[16:]) ^ k
		w3 := binary.LittleEndian.Uint64(b[24:]) ^ k
		binary.LittleEndian.PutUint64(b, w0)
		binary.LittleEndian.PutUint64(b[8:], w1)
		binary.LittleEndian.PutUint64(b[16:], w2)
		binary.LittleEndian.PutUint64(b[24:], w3)
		seen |= w0 | w1 | w2 | w3
		b = b[32:]
	}
	for len(b) > 8 {
		w := binary.LittleEndian.Uint64(b) ^ k
		binary.LittleEndian.PutUint64(b, w)
		seen |= w
		b = b[8:]
	}
	binary.LittleEndian.PutUint64(last, tail)
	return seen | tail
}

func unmaskShort(b []byte, key uint32) (seen uint64) {
	for i := range b {
		b[i] ^= byte(key)
		seen |= uint64(b[i])
		key = bits.RotateLeft32(key, -8)
	}
	return seen
}

// turn moves the key on by n bytes of payload.
func turn(key uint32, n int) uint32 { return bits.RotateLeft32(key, -8*(n&3)) }
