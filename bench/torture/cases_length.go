package torture

import (
	"fmt"
	"math"
)

// lengthCases: lengths that lie, overflow or are written in too many bytes.
// RFC 6455, 5.2: the top bit of a 64-bit length is 0, and "the minimal number of
// bytes MUST be used". Rows F1, F2, F3, F5.
func lengthCases(o *Options) (all []Case) {
	for _, op := range []byte{opText, opBinary} {
		for _, n := range []uint64{1 << 63, 1<<63 + 1, 1<<63 + 125, 0xffff_ffff_0000_0000, math.MaxUint64} {
			id := fmt.Sprintf("F1/%s-%x", opName(op), n)
			name := fmt.Sprintf("a %s frame that announces %x bytes", opName(op), n)
			f := announce(data(op, "x"), n)
			all = append(all,
				rejects(id, "5.2", name, 1002, f),
				rejectsAtOnce(id+"-ten-bytes", "5.2", "the first ten bytes of "+name, 1002, header(f)[:10]))
		}
	}
	all = append(all,
		rejects("F1/continuation", "5.2", "a continuation that announces 2^64-1 bytes", 1002, more(text("a")), announce(cont(""), math.MaxUint64)),
		rejects("F1/first-fragment", "5.2", "a first fragment that announces 2^63 bytes", 1002, announce(more(text("")), 1<<63)),
	)
	all = append(all, tooManyBytesCases()...)
	if o.MaxMessage < 0 {
		return all
	}
	limit := uint64(o.MaxMessage)
	for _, n := range []uint64{limit + 1, limit + 2, 1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1 << 62, math.MaxInt64 - 1, math.MaxInt64} {
		if n <= limit {
			continue
		}
		for _, op := range []byte{opText, opBinary} {
			all = append(all, rejectsAtOnce(fmt.Sprintf("F2/%s-%x", opName(op), n), "7.4.1, 10.4",
				fmt.Sprintf("the header of a %s frame that announces %d bytes", opName(op), n), 1009, header(announce(data(op, ""), n))))
		}
	}
	for _, n := range []uint64{limit, math.MaxInt64 - 1, math.MaxInt64} {
		all = append(all,
			rejectsAtOnce(fmt.Sprintf("F3/one-and-%x", n), "10.4",
				fmt.Sprintf("a fragment of one byte, then one that announces %d", n), 1009,
				more(masked(text("a"), mask0)), header(announce(cont(""), n))),
			rejectsAtOnce(fmt.Sprintf("F3/one-ping-and-%x", n), "10.4",
				fmt.Sprintf("a fragment of one byte, a pong, then a fragment that announces %d", n), 1009,
				more(text("a")), pong("between"), header(announce(more(cont("")), n))))
	}
	return all
}

// tooManyBytesCases: row F5.
func tooManyBytesCases() (all []Case) {
	for _, form := range []struct{ bytes, bits, below int }{{2, 16, 126}, {8, 64, 65536}} {
		for _, n := range []int{0, 1, 5, 124, 125, 126, 127, 65535} {
			if n >= form.below {
				continue
			}
			for _, op := range []byte{opText, opBinary} {
				f := wide(dataFrame(op, filled(n)), form.bytes)
				all = append(all, rejects(fmt.Sprintf("F5/%s-%d-in-%d-bits", opName(op), n, form.bits), "5.2",
					fmt.Sprintf("a %s frame whose length %d is written in %d bits", opName(op), n, form.bits), 1002, f))
			}
			all = append(all, rejectsAtOnce(fmt.Sprintf("F5/%d-in-%d-bits-length-only", n, form.bits), "5.2",
				fmt.Sprintf("the length %d written in %d bits, and nothing after it", n, form.bits), 1002,
				header(wide(dataFrame(opText, filled(n)), form.bytes))[:2+form.bytes]))
		}
		all = append(all, rejects(fmt.Sprintf("F5/continuation-in-%d-bits", form.bits), "5.2",
			fmt.Sprintf("a continuation whose length 5 is written in %d bits", form.bits), 1002,
			more(text("a")), wide(cont("12345"), form.bytes)))
	}
	return all
}
