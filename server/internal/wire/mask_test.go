package wire

import (
	"encoding/binary"
	"testing"
)

// RFC 6455, 5.3: octet i is XORed with octet i MOD 4 of the key, at every
// length around the words and the vectors, from every offset of the key.
func TestUnmask(t *testing.T) {
	var lengths []int
	for n := range 140 {
		lengths = append(lengths, n)
	}
	lengths = append(lengths, unmaskWide-1, unmaskWide, unmaskWide+1, 1023, 1025, 4099)
	for _, n := range lengths {
		for offset := range 4 {
			for align := range 8 {
				backing := make([]byte, align+n+8)
				want := make([]byte, len(backing))
				for i := range backing {
					backing[i] = byte(i * 7)
					want[i] = backing[i]
				}
				var seen byte
				for i := range n {
					want[align+i] ^= testKey[(offset+i)%4]
					seen |= want[align+i]
				}
				got := unmask(backing[align:align+n], turn(binary.LittleEndian.Uint32(testKey[:]), offset))
				if string(backing) != string(want) {
					t.Fatalf("%d bytes, key from %d, at %d: wrong bytes", n, offset, align)
				}
				if ascii := got&highBits == 0; ascii && seen >= 0x80 || !ascii && seen < 0x80 && n < unmaskWide {
					t.Fatalf("%d bytes, key from %d: ASCII %v, seen %02x", n, offset, ascii, seen)
				}
			}
		}
	}
}

// The hint that spares text a second look must see every byte.
func TestUnmaskSeesEveryByte(t *testing.T) {
	for n := 1; n < 140; n++ {
		for at := range n {
			b := make([]byte, n)
			b[at] = 0x80
			if unmask(b, 0)&highBits == 0 {
				t.Fatalf("byte %d of %d passed as ASCII", at, n)
			}
		}
	}
}
