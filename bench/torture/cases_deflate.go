package torture

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// deflateOffer is what browsers offer.
const deflateOffer = "permessage-deflate; client_max_window_bits"

// deflateCases: permessage-deflate, of a server that has it. RFC 7692. Rows C1
// to C16.
func deflateCases(o *Options) []Case {
	if !o.Deflate {
		return nil
	}
	all := slices.Concat(deflateVectors(), deflateFaults(), deflateBombs(o), deflateTable(), deflateDrills())
	for i := range all {
		if all[i].talk != nil && all[i].talk.offer == "" {
			all[i].talk.offer = deflateOffer
		}
	}
	return append(all, deflateOffers(o)...)
}

// offering sets what the case offers.
func (c Case) offering(offer string) Case {
	c.talk.offer = offer
	return c
}

// payload is a compressed payload in hexadecimal.
func payload(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err) // a slip in a table of this file
	}
	return b
}

// deflateVectors: the examples of RFC 7692, 7.2.3, and their neighbours. Rows C5, C7, C11.
func deflateVectors() (all []Case) {
	for _, v := range []struct{ id, rfc, name, hex, want string }{
		{"C11/hello", "RFC 7692, 7.2.3.1", "Hello in one block", "f248cdc9c90700", "Hello"},
		{"C11/stored", "RFC 7692, 7.2.3.3", "Hello in a block that is not compressed", "000500faff48656c6c6f00", "Hello"},
		{"C11/two-blocks", "RFC 7692, 7.2.3.5", "Hello in two blocks", "f24805000000ffffcac9c90700", "Hello"},
		{"C5/final", "RFC 7692, 7.2.3.4", "Hello in a block with BFINAL", "f348cdc9c9070000", "Hello"},
		{"C5/final-twice", "RFC 7692, 7.2.3.4", "Hello twice in blocks with BFINAL", "f348cdc9c90700f348cdc9c9070000", "HelloHello"},
		{"C7/empty", "RFC 7692, 7.2.3.6", "nothing, compressed", "00", ""},
	} {
		for _, op := range []byte{opText, opBinary} {
			// The next message shows that nothing is left of this one.
			all = append(all, keeps(v.id+"-"+opName(op), v.rfc, v.name+", as "+opName(op),
				[]part{compressed(op, payload(v.hex)), deflated(op, filled(700)), data(op, "plain")},
				wantData(op, []byte(v.want)), wantData(op, filled(700)), wantData(op, []byte("plain"))))
		}
	}
	hello := payload("f248cdc9c90700")
	return append(all,
		keeps("C11/fragments", "RFC 7692, 7.2.3.1", "Hello, compressed, in fragments of one byte",
			inPieces(opText, hello, 1), wantText("Hello")),
		keeps("C11/ping-between", "RFC 7692, 6.1", "a ping between the fragments of a compressed message",
			[]part{more(compressed(opText, hello[:3])), ping("p"), cont(string(hello[3:]))}, wantPong("p"), wantText("Hello")),
		keeps("C11/empty-fragments", "RFC 7692, 6.1", "a compressed message between empty fragments",
			[]part{more(compressed(opText, nil)), more(cont(string(hello))), cont("")}, wantText("Hello")),
		keeps("C11/code-point-cut", "RFC 7692, 7.2.2", "a code point that a fragment ends in",
			inPieces(opText, squeeze([]byte("grüße 👋 grüße 👋"), 0), 7), wantText("grüße 👋 grüße 👋")),
		keeps("C11/plain-between", "RFC 7692, 6", "messages with and without compression in turn",
			[]part{deflated(opText, filled(300)), text("a"), deflated(opText, filled(300)), more(text("b")), cont("c")},
			wantData(opText, filled(300)), wantText("a"), wantData(opText, filled(300)), wantText("bc")),
		lazily(func() Case {
			return keeps("C3/incompressible", "RFC 7692, 6", "nearly a megabyte that does not compress, with RSV1",
				[]part{deflated(opBinary, noise(1<<20-1000))}, wantData(opBinary, noise(1<<20-1000))).offering(deflateOffer).only(Whole)
		}),
	)
}

// deflateFaults: what the connection must be failed for. Rows C4, C6, C8.
func deflateFaults() (all []Case) {
	long := squeeze(filled(900), 6)
	for _, f := range []struct {
		id, name string
		payload  []byte
	}{
		{"C4/block-type-3", "block type 3", payload("06")},
		{"C4/block-type-3-final", "block type 3 with BFINAL", payload("07")},
		{"C4/distance", "a distance that reaches before the message", payload("f207000211000000")},
		{"C4/distance-code", "a distance code that there is not", payload("02ff")},
		{"C4/lengths", "a stored block whose lengths do not agree", payload("000500fbff48656c6c6f00")},
		{"C4/codes", "codes that are more than there are", payload("fdff")},
		{"C4/cut-header", "the end after a block, where a header should be", payload("f248cdc9c907")},
		{"C4/cut", "the end inside a block", long[:len(long)/2]},
		{"C4/flipped", "a block type that was changed", append(payload("06"), long...)},
		{"C6/garbage", "garbage behind BFINAL and what should follow it", payload("f348cdc9c9070000ffff")},
		{"C6/garbage-at-once", "garbage behind BFINAL", payload("f348cdc9c90700ffff")},
	} {
		all = append(all,
			rejects(f.id, "RFC 7692, 7.2.2", f.name, 1007, compressed(opText, f.payload)),
			rejects(f.id+"-fragments", "RFC 7692, 7.2.2", f.name+", in fragments", 1007, inPieces(opBinary, f.payload, 2)...))
	}
	for _, f := range []struct {
		id, name string
		text     string
	}{
		{"C4/utf8", "text that is not UTF-8 once it is inflated", "gr\xfc\xdfe"},
		{"C4/utf8-end", "text that ends inside a code point once it is inflated", "gr\xc3"},
	} {
		all = append(all, rejects(f.id, "RFC 6455, 8.1; RFC 7692, 7.2.2", f.name, 1007, deflated(opText, []byte(f.text))),
			keeps(f.id+"-binary", "RFC 7692, 7.2.2", f.name+", as binary", []part{deflated(opBinary, []byte(f.text))}, wantBinary(f.text)))
	}
	hello := payload("f248cdc9c90700")
	for _, op := range []byte{opClose, opPing, opPong} {
		all = append(all, rejects("C8/"+opName(op), "RFC 7692, 6.1", "a "+opName(op)+" frame with RSV1", 1002, compressed(op, nil)))
	}
	return append(all,
		rejects("C8/continuation", "RFC 7692, 6.1", "a compressed message whose last fragment has RSV1 as well", 1002,
			more(compressed(opText, hello[:3])), reserved(cont(string(hello[3:])), rsv1)),
		rejects("C8/continuation-of-plain", "RFC 7692, 6.1", "a message that is not compressed, but its last fragment has RSV1", 1002,
			more(text("Hel")), reserved(cont("lo"), rsv1)),
		rejects("C8/rsv2", "5.2", "RSV1 and RSV2", 1002, reserved(data(opText, string(hello)), rsv1|0x20)),
		rejects("C8/rsv3", "5.2", "RSV3 alone", 1002, reserved(text("Hello"), 0x10)),
		rejectsAtOnce("C8/header-only", "RFC 7692, 6.1", "the header of a ping with RSV1", 1002, header(compressed(opPing, []byte("12345")))),
	)
}

// deflateBombs: the limit of a message holds before and after inflating. Rows C1, C2.
func deflateBombs(o *Options) (all []Case) {
	n := o.MaxMessage
	if n <= 0 || n > frameMax {
		return nil
	}
	add := func(build func() Case) {
		all = append(all, lazily(func() Case { return build().offering(deflateOffer).byItself() }))
	}
	bomb := func(size int) []byte { return squeeze(make([]byte, size), 9) }
	add(func() Case {
		return keeps("C1/limit", "RFC 7692, 8", fmt.Sprintf("%d zeros, the limit, compressed", n),
			[]part{compressed(opBinary, bomb(n))}, wantData(opBinary, make([]byte, n)))
	})
	add(func() Case {
		return rejects("C1/limit-and-1", "RFC 7692, 8", fmt.Sprintf("%d zeros, one more than the limit, compressed", n+1), 1009,
			compressed(opBinary, bomb(n+1)))
	})
	add(func() Case {
		return rejects("C1/bomb", "RFC 7692, 8", fmt.Sprintf("%d zeros, compressed", 4*n), 1009, compressed(opBinary, bomb(4*n)))
	})
	add(func() Case {
		b := bomb(4 * n)
		return rejects("C2/bomb-fragments", "RFC 7692, 8", fmt.Sprintf("%d zeros, compressed, in fragments", 4*n), 1009,
			inPieces(opBinary, b, len(b)/900+1)...)
	})
	add(func() Case {
		b := compressed(opBinary, bomb(n/10*9))
		want := wantData(opBinary, make([]byte, n/10*9))
		return keeps("C2/limit-is-per-message", "RFC 7692, 8", "four messages that exceed the limit only together, compressed",
			[]part{b, b, b, b}, want, want, want, want)
	})
	return all
}

// deflateTable: every parameter, with sizes of messages from 16 bytes to 128 KiB,
// whole and in fragments, several in a row. Rows C10, C11.
func deflateTable() (all []Case) {
	const fallback = ", permessage-deflate"
	offers := []string{
		"permessage-deflate",
		"permessage-deflate; client_max_window_bits",
		"permessage-deflate; server_no_context_takeover",
		"permessage-deflate; client_no_context_takeover",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		"permessage-deflate; client_max_window_bits=9; server_max_window_bits=9; server_no_context_takeover; client_no_context_takeover" + fallback,
	}
	for bits := 8; bits <= 15; bits++ {
		offers = append(offers, fmt.Sprintf("permessage-deflate; server_max_window_bits=%d%s", bits, fallback),
			fmt.Sprintf("permessage-deflate; client_max_window_bits=%d; server_max_window_bits=%d%s", bits, bits, fallback))
	}
	for i, offer := range offers {
		for _, size := range []int{16, 64, 256, 1 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10} {
			for _, pieces := range []int{1, 16} {
				all = append(all, tableCase(i, offer, size, pieces))
			}
		}
	}
	return all
}

// tableCase sends messages of a size: text and binary, what repeats and what does not.
func tableCase(i int, offer string, size, pieces int) Case {
	const messages = 5
	name := fmt.Sprintf("%d messages of %d bytes in %d frames each, compressed", messages, size, pieces)
	c := lazily(func() Case {
		var parts []part
		var want []expect
		for j := range messages {
			op, message := byte(opText), bytes.Clone(filled(size + j)[j:])
			switch j {
			case 1:
				op, message = opBinary, noise(size)
			case 2: // repeated from far away
				op, message = opBinary, append(noise(size/2), noise(size/2)...)
			}
			squeezed := squeeze(message, []int{6, 1, 9, 0, -2}[j])
			parts = append(parts, inPieces(op, squeezed, len(squeezed)/pieces+1)...)
			want = append(want, wantData(op, message))
		}
		return keeps(fmt.Sprintf("C11/table-%d-%d-in-%d", i, size, pieces), "RFC 7692, 7", offer+": "+name, parts, want...).
			offering(offer).only(Whole)
	})
	c.heavy = size > 8<<10
	return c
}

// deflateOffers: what may be accepted, and what must be declined. Row C10.
func deflateOffers(o *Options) (all []Case) {
	offered := func(offer string) request { return o.request().with("Sec-WebSocket-Extensions: " + offer) }
	for _, bad := range []string{
		"server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=015", "server_max_window_bits=\"\"", "server_max_window_bits",
		"server_max_window_bits=-9", "server_max_window_bits=9; server_max_window_bits=9", "server_max_window_bits=1e1",
		"client_max_window_bits=7", "client_max_window_bits=16", "client_max_window_bits=08", "client_max_window_bits; client_max_window_bits",
		"server_no_context_takeover=1", "client_no_context_takeover=\"true\"", "server_no_context_takeover; server_no_context_takeover", "unknown", "unknown=1",
	} {
		// The answer must be to the second offer, if any: judge101 sees to that.
		for id, offer := range map[string]string{"bad": "permessage-deflate; " + bad, "bad-then-good": "permessage-deflate; " + bad + ", permessage-deflate"} {
			all = append(all, mayAccept("C10/"+id+"-"+short(bad), "RFC 7692, 7.1", "the offer "+offer, offered(offer), 400).
				with(func(k *knock) { k.extensions = offer }).only(Whole))
		}
	}
	for _, good := range []string{
		"server_max_window_bits=10", "server_max_window_bits=\"10\"", "client_max_window_bits=15; server_no_context_takeover", "client_no_context_takeover",
	} {
		offer := "permessage-deflate; " + good
		all = append(all, accepts("C10/good-"+short(good), "RFC 7692, 7.1", "the offer "+offer, offered(offer)).
			with(func(k *knock) { k.extensions = offer }).only(Whole))
	}
	return all
}

// emptyBlocks is n blocks with codes of their own and nothing in them, each with
// an empty stored block behind it that ends at a byte.
func emptyBlocks(n int) []byte {
	return append(bytes.Repeat(payload("04c081000000000090ff6b000000ffff"), n), 0)
}

// deflateDrills: what has more than one right answer. Rows C7, C16.
func deflateDrills() []Case {
	either := func(id, name, want string, frame Frame, codes ...uint16) Case {
		return runDrill(id, "RFC 7692, 7.2", name, want, func(b *Bench) error {
			c, err := b.openWith(deflateOffer)
			if err != nil {
				return err
			}
			c.write(wireOf(frame).Bytes)
			e := c.next(b.o.Timeout)
			switch {
			case wantData(frame.Op, nil).meets(e):
				return b.finish(c, ending{how: alive})
			case wantClose(codes...).meets(e):
				return b.fin(c)
			}
			return &mismatch{e.String(), want}
		})
	}
	stored := bytes.Repeat(payload("000000ffff"), 200_000)
	return []Case{
		either("C7/no-payload", "a compressed message without any payload", "an empty message, or Close 1007", compressed(opText, nil), 1007),
		either("C16/stored-blocks", "200,000 stored blocks with nothing in them", "an empty message, or Close 1007, 1008 or 1009",
			compressed(opBinary, append(stored, 0)), 1007, 1008, 1009).byItself(),
		either("C16/dynamic-blocks", "100,000 blocks with codes of their own and nothing in them", "an empty message, or Close 1007, 1008 or 1009",
			compressed(opBinary, emptyBlocks(100_000)), 1007, 1008, 1009).byItself(),
	}
}
