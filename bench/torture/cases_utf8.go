package torture

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// quietly is how long a server must keep still when nothing is proven yet.
const quietly = 100 * time.Millisecond

// utf8Cases: text is UTF-8, and is not when the first byte proves it. RFC 6455,
// 5.6, 8.1; RFC 3629. Rows F23 and F24. Every sequence is sent in one frame, with
// every byte in a fragment, and around a ping; every bad one also up to the byte
// that proves it, inside a frame that announces more.
func utf8Cases() (all []Case) {
	for _, v := range append(validTexts(), invalidTexts()...) {
		b := []byte(v.bytes)
		shown := fmt.Sprintf("the text % x", b)
		pieces := fragmented(opText, b, 1)
		middle := len(b) / 2
		around := []part{more(text(v.bytes[:middle])), more(cont("")), ping("p"), cont(v.bytes[middle:])}
		if utf8.Valid(b) {
			all = append(all,
				keeps("F24/valid-"+v.name, "8.1", shown, []part{text(v.bytes)}, wantText(v.bytes)),
				keeps("F24/valid-"+v.name+"-fragments", "5.6, 8.1", shown+", each byte a fragment", pieces, wantText(v.bytes)),
				keeps("F24/valid-"+v.name+"-ping", "5.6, 8.1", shown+" around an empty fragment and a ping", around,
					wantPong("p"), wantText(v.bytes)))
			continue
		}
		all = append(all,
			rejects("F24/invalid-"+v.name, "8.1", shown, 1007, text(v.bytes)),
			rejects("F24/invalid-"+v.name+"-fragments", "5.6, 8.1", shown+", each byte a fragment", 1007, pieces...))
		proof := provenAt(b)
		if proof >= middle {
			all = append(all, rejects("F24/invalid-"+v.name+"-ping", "5.6, 8.1", shown+" around an empty fragment and a ping", 1007,
				around...).withEcho(wantPong("p")))
		}
		if proof < len(b) {
			all = append(all, failFast("F23/"+v.name, v.bytes[:proof], v.bytes[proof:proof+1], quietly))
		}
	}
	// κόσμε, then a code point beyond U+10FFFF: f4 alone is not wrong yet, 90 is.
	const greek = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	all = append(all,
		failFast("F23/late-byte", greek+"\xf4", "\x90", time.Second),
		failFast("F23/first-byte", "", "\xff", quietly),
		failFast("F23/after-64k", string(filled(65536)), "\xc0", quietly),
		script("F23/late-fragment", "8.1", "a fragment that ends inside a code point, then one that makes it wrong",
			ending{failed, []uint16{1007}},
			exchange{parts: []part{more(text(greek + "\xf4"))}, quiet: quietly},
			exchange{parts: []part{header(announce(masked(cont(""), mask0), 10)), Raw("\x90")}}),
		rejects("F24/vector", "8.1", "κόσμε and a surrogate, with the key of the RFC's example", 1007,
			Raw{0x81, 0x8e, 0x37, 0xfa, 0x21, 0x3d, 0xf9, 0x40, 0xc0, 0x80, 0x8e, 0x35, 0xa2, 0xf3, 0x8b, 0x34, 0x94, 0xd0, 0x97, 0x7a}),
		rejects("F24/then-valid", "8.1", "a good text, a bad one, a good one", 1007, text("good"), text("\xff"), text("good")).
			withEcho(wantText("good")),
		keeps("F24/two-messages", "8.1", "a message ends whole, the next begins anew",
			[]part{more(text("\xc3")), cont("\xa9"), more(binaryFrame("\xc3")), cont("("), text("\xc3\xa9")},
			wantText("é"), wantBinary("\xc3("), wantText("é")),
	)
	return all
}

// failFast sends the good beginning of a text frame that announces more, keeps
// still, then sends the byte that proves it wrong and no more.
func failFast(id, good, proof string, still time.Duration) Case {
	head := header(announce(masked(text(""), mask0), uint64(len(good)+20)))
	return script(id, "8.1", fmt.Sprintf("a text frame up to %s, a pause, then %x", brief([]byte(good)), proof),
		ending{failed, []uint16{1007}},
		exchange{parts: []part{head, Raw(good)}, quiet: still},
		exchange{parts: []part{Raw(proof)}})
}
