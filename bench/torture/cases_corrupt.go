package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
)

// corruptStreams are payloads that no message has.
func corruptStreams() []corruptStream {
	long := squeeze(filled(900), 6)
	end := map[uint]uint{18: 1, 1: 1} // codes for lengths: 138 zeros and fewer, and the length 1
	all := []corruptStream{
		{"C4/block-type-3", "block type 3", payload("06")},
		{"C4/block-type-3-final", "block type 3 with BFINAL", payload("07")},
		{"C4/distance", "a distance that reaches before the message", new(bits).fixed().symbol('r').symbol(257).code(29, 5).put(1<<13-1, 13).symbol(256).message()},
		{"C4/distance-first", "a distance at the very beginning", new(bits).fixed().symbol(257).code(29, 5).put(1<<13-1, 13).symbol(256).message()},
		{"C4/distance-code", "a distance code that there is not", payload("02ff")},
		{"C4/distance-code-30", "the distance code 30", new(bits).fixed().symbol('r').symbol(257).code(30, 5).symbol(256).message()},
		{"C4/distance-code-31", "the distance code 31", new(bits).fixed().symbol('r').symbol(257).code(31, 5).symbol(256).message()},
		{"C4/length-code-286", "the length code 286", new(bits).fixed().symbol('r').symbol(286).code(0, 5).symbol(256).message()},
		{"C4/length-code-287", "the length code 287", new(bits).fixed().symbol('r').symbol(287).code(0, 5).symbol(256).message()},
		{"C4/lengths", "a stored block whose lengths do not agree", payload("000500fbff48656c6c6f00")},
		{"C4/lengths-long", "a stored block that is longer than what comes", payload("000a00f5ff48656c6c6f")},
		{"C4/lengths-cut", "a stored block that ends in its lengths", payload("000500fa")},
		{"C4/codes", "codes that are more than there are", payload("fdff")},
		{"C4/codes-287", "287 codes for literals and lengths", new(bits).tables(287, 1, end).message()},
		{"C4/codes-288", "288 codes for literals and lengths", new(bits).tables(288, 1, end).message()},
		{"C4/distances-31", "31 codes for distances", new(bits).tables(257, 31, end).message()},
		{"C4/distances-32", "32 codes for distances", new(bits).tables(257, 32, end).message()},
		{"C4/lengths-oversubscribed", "codes for lengths that are more than their bits allow", new(bits).tables(257, 1, map[uint]uint{0: 1, 1: 1, 18: 1}).put(0, 30).message()},
		{"C4/lengths-incomplete", "codes for lengths that leave some bits without a meaning", new(bits).tables(257, 1, map[uint]uint{1: 2, 18: 2}).put(^uint(0), 30).message()},
		{"C4/repeat-nothing", "a length repeated before there is one", new(bits).tables(257, 1, map[uint]uint{16: 1, 1: 1}).code(1, 1).put(0, 2).put(0, 30).message()},
		{"C4/repeat-too-far", "zeros repeated beyond the last code", new(bits).tables(257, 1, end).code(1, 1).put(127, 7).code(1, 1).put(127, 7).put(0, 30).message()},
		{"C4/codes-oversubscribed", "three codes of one bit", literalTables(3).message()},
		{"C4/cut-header", "the end after a block, where a header should be", payload("f248cdc9c907")},
		{"C4/cut", "the end inside a block", long[:len(long)/2]},
		{"C4/cut-tables", "the end inside the tables of a block", new(bits).tables(257, 1, end).bytes},
		{"C4/flipped", "a block type that was changed", append(payload("06"), long...)},
		{"C4/tail", "the tail that should have been taken away", payload("f248cdc9c907000000ffff")},
		{"C4/zlib", "a stream in the format of zlib", slices.Concat(payload("789c"), hello)},
		{"C4/gzip", "a stream in the format of gzip", slices.Concat(payload("1f8b0800000000000003"), hello)},
		{"C4/plain", "a text that was not compressed", []byte("not compressed")},
		{"C6/garbage", "garbage behind BFINAL and what should follow it", payload("f348cdc9c9070000ffff")},
		{"C6/garbage-at-once", "garbage behind BFINAL", payload("f348cdc9c90700ffff")},
		{"C6/garbage-type-3", "BFINAL, then block type 3", payload("f348cdc9c9070006")},
	}
	return all
}

type corruptStream struct {
	id, name string
	payload  []byte
}

// literalTables begins a block in which n literals have codes of one bit, and
// so does the end of the block.
func literalTables(n uint) *bits {
	b := new(bits).tables(257, 1, map[uint]uint{18: 1, 1: 1})
	zeros := func(n uint) { b.code(1, 1).put(n-11, 7) }
	for range n - 1 {
		b.code(0, 1)
	}
	zeros(128)
	zeros(256 - 128 - n + 1)
	return b.code(0, 1).code(0, 1)
}

// corruptCases: what the connection must be failed for, with the code for data
// that is not what it says it is. Rows C4, C6.
func corruptCases(o *Options) (all []Case) {
	for _, f := range corruptStreams() {
		all = append(all,
			rejects(f.id, "RFC 7692, 7.2.2", f.name, 1007, compressed(opText, f.payload)),
			rejects(f.id+"-fragments", "RFC 7692, 7.2.2", f.name+", in fragments", 1007, inPieces(opBinary, f.payload, 2)...))
	}
	for _, f := range []struct{ id, name, text string }{
		{"C4/utf8", "text that is not UTF-8 once it is inflated", "gr\xfc\xdfe"},
		{"C4/utf8-end", "text that ends inside a code point once it is inflated", "gr\xc3"},
	} {
		all = append(all, rejects(f.id, "RFC 6455, 8.1; RFC 7692, 7.2.2", f.name, 1007, deflated(opText, []byte(f.text))),
			keeps(f.id+"-binary", "RFC 7692, 7.2.2", f.name+", as binary", []part{deflated(opBinary, []byte(f.text))}, wantBinary(f.text)))
	}
	if o.MaxMessage >= 0 && o.MaxMessage < frameMax/1024 {
		return all // what a stream happens to hold might be too big
	}
	message := []byte("Hello, hello, hello! 0123456789 0123456789")
	return append(all,
		judged("C4/cut-everywhere", "streams that end too early, by every number of bytes", func() (all [][]byte) {
			for _, level := range []int{-2, 0, 6} {
				whole := squeeze(message, level)
				for n := 1; n < len(whole); n++ {
					all = append(all, whole[:n])
				}
			}
			return all
		}),
		judged("C4/bit-flips", "a stream with each of its bits changed", func() (all [][]byte) {
			whole := squeeze(message, 6)
			for i := range 8 * len(whole) {
				flipped := clone(whole)
				flipped[i/8] ^= 1 << (i % 8)
				all = append(all, flipped)
			}
			return all
		}),
		judged("C4/random", "300 streams of random bytes", func() (all [][]byte) {
			r := rand.New(rand.NewPCG(4, 4))
			for i := range 300 {
				b := noise(1 + r.IntN(60))
				for j := range b {
					b[j] = byte(r.Uint32())
				}
				b[0] = b[0]&^7 | []byte{0b100, 0b010, 0b000, 0b101}[i%4] // the types of blocks that there are
				all = append(all, b)
			}
			return all
		}),
	)
}

// judged is a drill of streams, each on a connection of its own, of which most
// are corrupt. Those that happen to be good are echoed. Beside them somebody
// else's messages are inflated: what a broken stream left must not be in them.
func judged(id, name string, streams func() [][]byte) Case {
	return runDrill(id, "RFC 7692, 7.2.2", name, "Close 1007 for each that is corrupt, the echo of any other; and every echo of another connection",
		func(b *Bench) error {
			other, z, err := (&Bench{o: b.o}).openDeflating(deflateOffer)
			if err != nil {
				return err
			}
			defer other.close()
			for i, stream := range streams() {
				if err := b.judge(stream); err != nil {
					return fmt.Errorf("stream %d [% x]: %w", i, stream, err)
				}
				message := bytes.Repeat(fmt.Appendf(nil, "message %d behind it, ", i), 1+i%40)
				other.write(wireOf(compressed(opText, z.alone(message, 6))).Bytes)
				if err := b.expect(other, wantText(string(message))); err != nil {
					return fmt.Errorf("another connection, after stream %d [% x]: %w", i, stream, err)
				}
				b.forget()
			}
			return b.finish(other, ending{how: alive})
		})
}

// judge sends a stream and wants what it deserves.
func (b *Bench) judge(stream []byte) error {
	c, z, err := b.openDeflating(deflateOffer)
	if err != nil {
		return err
	}
	message, corrupt := verdict(stream, z.past)
	c.write(wireOf(compressed(opBinary, stream), text("after")).Bytes)
	if corrupt != nil {
		return b.finish(c, ending{failed, []uint16{1007}})
	}
	if err := b.expect(c, wantData(opBinary, message), wantText("after")); err != nil {
		return err
	}
	return nil
}
