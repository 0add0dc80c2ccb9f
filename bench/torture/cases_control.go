package torture

import (
	"fmt"
	"strings"
)

// controlCases: pings and pongs. RFC 6455, 5.5, 5.5.2, 5.5.3.
func controlCases() (all []Case) {
	for _, n := range []int{0, 1, 2, 5, 64, 124, 125} {
		p := string(noise(n))
		all = append(all, keeps(fmt.Sprintf("F26/ping-%d", n), "5.5.2", fmt.Sprintf("a ping with %d bytes", n),
			[]part{ping(p)}, wantPong(p)))
	}
	var sends []part
	var wants []expect
	for n := range 126 {
		p := string(filled(n))
		sends, wants = append(sends, ping(p)), append(wants, wantPong(p))
	}
	all = append(all, keeps("F26/pings-of-every-size", "5.5.2", "126 pings with 0 to 125 bytes", sends, wants...).only(Whole|Splits))
	sends, wants = nil, nil
	for i := range 10 {
		p := fmt.Sprintf("ping %d", i)
		sends, wants = append(sends, ping(p)), append(wants, wantPong(p))
	}
	all = append(all,
		keeps("F26/pings-10", "5.5.2, 5.5.3", "ten pings in a row", sends, wants...),
		keeps("F26/ping-125-in-writes-of-1", "5.5.2", "a ping with 125 bytes in writes of one byte",
			[]part{ping(string(filled(125)))}, wantPong(string(filled(125)))).chopped(1),
		keeps("F26/ping-between-messages", "5.5.2", "a message, a ping, a message",
			[]part{text("one"), ping("two"), text("three")}, wantText("one"), wantPong("two"), wantText("three")),
		keeps("F27/pong-empty", "5.5.3", "a pong that nobody asked for", []part{pong("")}),
		keeps("F27/pong-payload", "5.5.3", "a pong with payload that nobody asked for", []part{pong("unasked")}),
		keeps("F27/pong-125", "5.5.3", "a pong with 125 bytes that nobody asked for", []part{pong(string(noise(125)))}),
		keeps("F27/pong-then-ping", "5.5.3", "a pong that nobody asked for, then a ping",
			[]part{pong("unasked"), ping("asked")}, wantPong("asked")),
		keeps("F27/pongs-10", "5.5.3", "ten pongs that nobody asked for, then a message",
			append(repeated(pong("x"), 10), text("after ten")), wantText("after ten")),
	)
	return append(all, brokenControlCases()...)
}

func repeated(f Frame, n int) (parts []part) {
	for range n {
		parts = append(parts, f)
	}
	return parts
}

// brokenControlCases: control frames are at most 125 bytes long and never
// fragmented. RFC 6455, 5.5. The length is proof enough: nothing after it is waited for.
func brokenControlCases() (all []Case) {
	long := strings.Repeat("a", 126)
	for _, op := range []byte{opClose, opPing, opPong} {
		name := opName(op)
		all = append(all,
			rejects("F10/"+name+"-126", "5.5", "a "+name+" frame with 126 bytes", 1002, data(op, long)),
			rejects("F10/"+name+"-65536", "5.5", "a "+name+" frame with 65,536 bytes", 1002, dataFrame(op, filled(65536))).only(Whole),
			rejectsAtOnce("F10/"+name+"-126-two-bytes", "5.5", "the first two bytes of a "+name+" frame with a 16-bit length", 1002,
				Raw{0x80 | op, 0xfe}),
			rejectsAtOnce("F10/"+name+"-127-two-bytes", "5.5", "the first two bytes of a "+name+" frame with a 64-bit length", 1002,
				Raw{0x80 | op, 0xff}),
			rejects("F10/"+name+"-5-in-16-bits", "5.5", "a "+name+" frame whose length 5 is written in sixteen bits", 1002,
				wide(data(op, "\x03\xe8abc"), 2)),
			rejects("F9/"+name+"-fragment", "5.5", "a "+name+" frame with FIN = 0", 1002, more(data(op, ""))),
			rejects("F9/"+name+"-fragment-payload", "5.5", "a "+name+" frame with FIN = 0 and payload", 1002, more(data(op, "\x03\xe8frag"))),
			rejects("F9/"+name+"-fragments", "5.5", "a "+name+" frame in two fragments", 1002, more(data(op, "\x03\xe8")), cont("b")),
			rejects("F9/"+name+"-fragment-in-message", "5.4, 5.5", "a "+name+" frame with FIN = 0 inside a message", 1002,
				more(text("a")), more(data(op, "")), cont("b")),
			rejectsAtOnce("F9/"+name+"-fragment-one-byte", "5.5", "the first two bytes of a "+name+" frame with FIN = 0", 1002, Raw{op, 0x80}),
		)
	}
	return all
}
