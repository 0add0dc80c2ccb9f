package torture

import (
	"fmt"
	"strings"
	"time"
)

// fragmentCases: messages in fragments, and what may come between them.
// RFC 6455, 5.4. Rows F11 and F12.
func fragmentCases() (all []Case) {
	all = append(all,
		keeps("F12/two", "5.4", "a text in two fragments", []part{more(text("frag1 ")), cont("frag2")}, wantText("frag1 frag2")),
		keeps("F12/binary-two", "5.4", "a binary message in two fragments",
			[]part{more(binaryFrame("\x00\xff")), cont("\xfe\x01")}, wantBinary("\x00\xff\xfe\x01")),
		keeps("F12/five", "5.4", "a text in five fragments",
			[]part{more(text("1")), more(cont("2")), more(cont("3")), more(cont("4")), cont("5")}, wantText("12345")),
		keeps("F12/ping-between", "5.4, 5.5.2", "a text in two fragments with a ping between",
			[]part{more(text("he")), ping("p"), cont("llo")}, wantPong("p"), wantText("hello")),
		keeps("F12/pong-between", "5.4", "a text in two fragments with a pong between",
			[]part{more(text("he")), pong("p"), cont("llo")}, wantText("hello")),
		keeps("F12/pings-between-five", "5.4", "a text in five fragments with two pings between",
			[]part{more(text("1")), more(cont("2")), ping("first"), more(cont("3")), more(cont("4")), ping("second"), cont("5")},
			wantPong("first"), wantPong("second"), wantText("12345")),
		keeps("F12/mixed", "5.4, 5.5.2", "abc, a ping, an empty fragment, a pong, def",
			[]part{more(masked(text("abc"), mask0)), ping("hi"), more(masked(cont(""), mask0)), pong(""), masked(cont("def"), mask0)},
			wantPong("hi"), wantText("abcdef")),
		keeps("F12/other-key-each", "5.3, 5.4", "a text in three fragments masked with three keys",
			[]part{more(masked(text("abc"), [4]byte{1, 2, 3, 4})), more(masked(cont("defgh"), mask0)), masked(cont("i"), maskK)},
			wantText("abcdefghi")),
		keeps("F12/ping-125-between", "5.4", "a fragmented text with a ping of 125 bytes after every fragment",
			[]part{more(text("a")), ping(string(filled(125))), more(cont("b")), ping(string(noise(125))), cont("c")},
			wantPong(string(filled(125))), wantPong(string(noise(125))), wantText("abc")),
		keeps("F12/message-after", "5.4", "a fragmented text, a whole one, a fragmented binary",
			[]part{more(text("a")), cont("b"), text("whole"), more(binaryFrame("c")), cont("d")},
			wantText("ab"), wantText("whole"), wantBinary("cd")),
		keeps("F13/empty-two", "5.4", "a text in two empty fragments", []part{more(text("")), cont("")}, wantText("")),
		keeps("F13/empty-three", "5.4", "a text in three empty fragments", []part{more(text("")), more(cont("")), cont("")}, wantText("")),
		keeps("F13/empty-binary", "5.4", "a binary message in three empty fragments",
			[]part{more(binaryFrame("")), more(cont("")), cont("")}, wantBinary("")),
		keeps("F13/middle", "5.4", "a text whose middle fragment is the only one with bytes",
			[]part{more(text("")), more(cont("middle")), cont("")}, wantText("middle")),
		keeps("F13/empty-between", "5.4", "a text with empty fragments between",
			[]part{more(text("a")), more(cont("")), more(cont("")), cont("b")}, wantText("ab")),
		keeps("F13/empty-500", "5.4", "a text of 500 empty fragments and one byte",
			append(append([]part{more(text(""))}, repeated(more(masked(cont(""), mask0)), 500)...), cont("x")), wantText("x")),
	)
	for name, f := range map[string]Frame{
		"fin": cont("lone"), "fin-empty": cont(""), "more": more(cont("lone")), "more-empty": more(cont("")),
	} {
		all = append(all,
			rejects("F11/lone-continuation-"+name, "5.4", "a continuation without a message", 1002, f),
			rejects("F11/continuation-after-message-"+name, "5.4", "a continuation after a whole message's fragments", 1002,
				more(text("")), cont(""), f).withEcho(wantText("")))
	}
	for _, op := range []byte{opText, opBinary} {
		for _, first := range []byte{opText, opBinary} {
			n := opName(op) + "-in-" + opName(first)
			all = append(all,
				rejects("F11/"+n, "5.4", "a "+opName(op)+" frame inside a fragmented "+opName(first)+" message", 1002, more(data(first, "a")), data(op, "b")),
				rejects("F11/"+n+"-fragment", "5.4", "a "+opName(op)+" fragment inside a fragmented "+opName(first)+" message", 1002,
					more(data(first, "a")), more(data(op, "b")), cont("c")),
				rejectsAtOnce("F11/"+n+"-two-bytes", "5.4", "the first two bytes of a "+opName(op)+" frame inside a "+opName(first)+" message", 1002,
					more(data(first, "a")), Raw{0x80 | op, 0x81}))
		}
	}
	all = append(all,
		rejectsAtOnce("F11/lone-continuation-two-bytes", "5.4", "the first two bytes of a continuation without a message", 1002, Raw{0x80, 0x81}),
		script("F12/unfinished", "5.4", "two fragments, a ping, a pause, the last fragment", ending{how: alive},
			exchange{parts: []part{more(text("not ")), more(cont("yet "))}},
			exchange{parts: []part{ping("still?")}, quiet: 100 * time.Millisecond, want: []expect{wantPong("still?")}},
			exchange{parts: []part{cont("done")}, want: []expect{wantText("not yet done")}}),
	)
	return append(all, cutCases()...)
}

// cutCases: one message cut into fragments in every way that matters.
func cutCases() (all []Case) {
	const message = "abcdefgh"
	for mask := 1; mask < 1<<(len(message)-1); mask += 6 { // every sixth composition of 8 bytes
		var parts []part
		from := 0
		for i := 1; i <= len(message); i++ {
			if i < len(message) && mask&(1<<(i-1)) == 0 {
				continue
			}
			f := cont(message[from:i])
			if from == 0 {
				f = text(message[:i])
			}
			f.More = i < len(message)
			f.Mask = [4]byte{byte(mask), byte(i), 0x5a, byte(from)}
			parts, from = append(parts, f), i
		}
		all = append(all, keeps(fmt.Sprintf("F12/cut-%07b", mask), "5.4", fmt.Sprintf("%q in %d fragments", message, len(parts)),
			parts, wantText(message)))
	}
	return all
}

// orderCases: every sequence of three of these frames, the outcome told by a
// model of RFC 6455, 5.4 that fits in a switch.
//
//	T whole text   t first fragment   C last fragment   c middle fragment   P ping   Q pong
func orderCases() (all []Case) {
	const kinds = "TtCcPQ"
	for n := range len(kinds) * len(kinds) * len(kinds) {
		seq := string([]byte{kinds[n/36], kinds[n/6%6], kinds[n%6]})
		all = append(all, orderCase(seq))
	}
	return all
}

func orderCase(seq string) Case {
	var sends []part
	var wants []expect
	var message strings.Builder
	inside, bad := false, false
	for i, k := range seq {
		p := fmt.Sprintf("%c%d", k, i)
		switch k {
		case 'P':
			sends, wants = append(sends, ping(p)), append(wants, wantPong(p))
			continue
		case 'Q':
			sends = append(sends, pong(p))
			continue
		}
		starts, ends := k == 'T' || k == 't', k == 'T' || k == 'C'
		f := cont(p)
		if starts {
			f = text(p)
		}
		f.More = !ends
		sends = append(sends, f)
		if bad = starts == inside; bad {
			break
		}
		message.WriteString(p)
		if inside = !ends; ends {
			wants = append(wants, wantText(message.String()))
			message.Reset()
		}
	}
	id, name := "F11/order-"+seq, fmt.Sprintf("the frames %s", strings.Join(strings.Split(seq, ""), " "))
	if bad {
		return rejects(id, "5.4", name, 1002, sends...).withEcho(wants...).only(Whole | Bytes)
	}
	if inside {
		sends, wants = append(sends, cont(".")), append(wants, wantText(message.String()+"."))
		name += " and the last fragment"
	}
	return keeps("F12/order-"+seq, "5.4", name, sends, wants...).only(Whole | Splits)
}
