package torture

import "fmt"

// reservedCases: reserved bits, reserved opcodes, frames without a mask.
// RFC 6455, 5.1, 5.2.
func reservedCases() (all []Case) {
	for rsv := byte(0x10); rsv <= 0x70; rsv += 0x10 {
		for _, op := range []byte{opText, opBinary, opClose, opPing, opPong} {
			p := "reserved"
			if op == opClose {
				p = "\x03\xe8"
			}
			all = append(all, rejects(fmt.Sprintf("F7/%02x-%s", rsv, opName(op)), "5.2",
				fmt.Sprintf("a %s frame with reserved bits %02x", opName(op), rsv), 1002, reserved(data(op, p), rsv)))
		}
		all = append(all,
			rejects(fmt.Sprintf("F7/%02x-empty-text", rsv), "5.2",
				fmt.Sprintf("an empty text frame with reserved bits %02x", rsv), 1002, reserved(masked(text(""), mask0), rsv)),
			rejects(fmt.Sprintf("F7/%02x-continuation", rsv), "5.2",
				fmt.Sprintf("a continuation frame with reserved bits %02x", rsv), 1002, more(text("a")), reserved(cont("b"), rsv)),
			rejects(fmt.Sprintf("F7/%02x-first-fragment", rsv), "5.2",
				fmt.Sprintf("a first fragment with reserved bits %02x", rsv), 1002, reserved(more(text("a")), rsv), cont("b")),
			rejectsAtOnce(fmt.Sprintf("F7/%02x-header-only", rsv), "5.2",
				fmt.Sprintf("the header of a text frame with reserved bits %02x", rsv), 1002, header(reserved(text("12345"), rsv))),
		)
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		id := fmt.Sprintf("F8/%x", op)
		name := fmt.Sprintf("a frame with opcode %x", op)
		all = append(all,
			rejects(id+"-empty", "5.2", name+", empty", 1002, masked(data(op, ""), mask0)),
			rejects(id+"-payload", "5.2", name+" and payload", 1002, data(op, "reserved")),
			rejects(id+"-fragment", "5.2", name+" and FIN = 0", 1002, more(data(op, "a")), cont("b")),
			rejects(id+"-in-message", "5.2, 5.4", name+" inside a fragmented message", 1002, more(text("a")), data(op, "x"), cont("b")),
			rejectsAtOnce(id+"-header-only", "5.2", "the header of "+name, 1002, header(data(op, "12345"))),
		)
	}
	return append(all, bareCases()...)
}

// bareCases: "a server MUST close the connection upon receiving a frame that is
// not masked", RFC 6455, 5.1. Row F6.
func bareCases() (all []Case) {
	for _, op := range []byte{opText, opBinary, opClose, opPing, opPong} {
		p := "Hello"
		if op == opClose {
			p = "\x03\xe8"
		}
		all = append(all,
			rejects("F6/"+opName(op), "5.1", "a "+opName(op)+" frame without a mask", 1002, bare(data(op, p))),
			rejects("F6/"+opName(op)+"-empty", "5.1", "an empty "+opName(op)+" frame without a mask", 1002, bare(data(op, ""))))
	}
	long := string(filled(300))
	return append(all,
		rejects("F6/text-300", "5.1", "a text frame of 300 bytes without a mask", 1002, bare(text(long))),
		rejects("F6/second-fragment", "5.1", "a second fragment without a mask", 1002, more(text("a")), bare(cont("b"))),
		rejects("F6/ping-in-message", "5.1", "a ping without a mask inside a message", 1002, more(text("a")), bare(ping("p")), cont("b")),
		rejects("F6/mixed", "5.1", "a message with a mask, then one without", 1002, bare(text("bare"))),
		rejectsAtOnce("F6/header-only", "5.1", "the header of a text frame without a mask", 1002, Raw{0x81, 0x05}),
	)
}
