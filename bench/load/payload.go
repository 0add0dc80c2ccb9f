package load

import (
	"encoding/binary"
	"math/rand/v2"
)

// SizeMin is the smallest payload that can be checked: the lead alone.
const SizeMin = 16

// sizeMax bounds a payload, in bytes.
const sizeMax = 1 << 20

// A payload is a lead, which names the connection, the run and the message,
// and a stretch of a fixed random pattern that begins at a place the lead
// decides. A byte that is lost, doubled, changed or taken from another message
// therefore shows. Every byte is below 0x80, which makes the same payload
// valid in a text message.
type lead struct {
	conn uint32 // 28 bits
	run  uint16 // 14 bits
	seq  uint64 // 63 bits
}

func (l lead) put(b []byte) {
	b = b[:SizeMin]
	for i := range 4 {
		b[i] = byte(l.conn>>(7*i)) & 0x7f
	}
	b[4], b[5] = byte(l.run)&0x7f, byte(l.run>>7)&0x7f
	for i := range 9 {
		b[6+i] = byte(l.seq>>(7*i)) & 0x7f
	}
	b[15] = '.'
}

func parseLead(b []byte) (l lead) {
	b = b[:SizeMin]
	for i := range 4 {
		l.conn |= uint32(b[i]&0x7f) << (7 * i)
	}
	l.run = uint16(b[4]&0x7f) | uint16(b[5]&0x7f)<<7
	for i := range 9 {
		l.seq |= uint64(b[6+i]&0x7f) << (7 * i)
	}
	return l
}

// shift is where in the pattern a message's stretch begins. It is a multiple
// of four, so that a masked copy of the pattern can be cut there too.
func (l lead) shift() int { return int((l.seq+uint64(l.conn)*7)&63) * 4 }

const shiftMax = 63 * 4

// pattern holds the random bytes in clear and as the client sends them. One
// masking key serves a whole session: unpredictable keys protect proxies, of
// which there are none on a loopback, and masking once leaves the client's
// CPU to more load.
type pattern struct {
	plain, masked []byte
	key           [4]byte
	deflate       *deflater // nil: messages are not compressed
}

func newPattern(seed uint64) *pattern {
	r := rand.New(rand.NewPCG(seed, 0x526f6f7374))
	p := &pattern{plain: make([]byte, sizeMax+shiftMax), masked: make([]byte, sizeMax+shiftMax)}
	for i := 0; i+8 <= len(p.plain); i += 8 {
		binary.LittleEndian.PutUint64(p.plain[i:], r.Uint64()&0x7f7f7f7f7f7f7f7f)
	}
	binary.LittleEndian.PutUint32(p.key[:], r.Uint32()|0x01010101) // no byte is zero: unmasking must happen
	for i, b := range p.plain {
		p.masked[i] = b ^ p.key[i&3]
	}
	return p
}

// appendMessage appends the masked frame of one message.
func (p *pattern) appendMessage(dst []byte, op byte, size int, l lead) []byte {
	if p.deflate != nil {
		return p.deflate.appendMessage(dst, op, size, l)
	}
	dst = appendHeader(dst, op, size, p.key)
	var head [SizeMin]byte
	l.put(head[:])
	for i := range head {
		head[i] ^= p.key[i&3]
	}
	dst = append(dst, head[:]...)
	at := l.shift()
	return append(dst, p.masked[at:at+size-SizeMin]...)
}
