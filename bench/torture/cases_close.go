package torture

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// either is the answer to a Close without a code: nothing to echo, so an empty
// Close or a normal one (RFC 6455, 5.5.1).
var either = []uint16{noCode, 1000}

// closeCases: the closing handshake. RFC 6455, 5.5.1, 7. Rows F16, F18, F19.
func closeCases() (all []Case) {
	normal := []uint16{1000}
	all = append(all,
		closes("F19/close", "5.5.1, 7.1.2", "Close 1000", normal, []part{closing(1000, "")}),
		closes("F19/close-empty", "5.5.1, 7.1.5", "an empty Close", either, []part{data(opClose, "")}),
		closes("F19/message-and-close", "7.1.2", "a message, then Close 1000", normal,
			[]part{text("Hello"), closing(1000, "")}, wantText("Hello")),
		closes("F19/two-closes", "1.4, 7.1.2", "Close 1000 twice", normal, []part{closing(1000, ""), closing(1000, "")}),
		closes("F19/other-close-after", "1.4", "Close 1000, then Close 3000", normal, []part{closing(1000, ""), closing(3000, "late")}),
		closes("F19/ping-after", "1.4, 5.5.1", "Close 1000, then a ping", normal, []part{closing(1000, ""), ping("late")}),
		closes("F19/text-after", "1.4, 5.5.1", "Close 1000, then a text", normal, []part{closing(1000, ""), text("Hello")}),
		closes("F19/bad-frame-after", "1.4, 5.5.1", "Close 1000, then a reserved opcode", normal, []part{closing(1000, ""), data(0xb, "late")}),
		closes("F19/garbage-after", "1.4, 5.5.1", "Close 1000, then a text, another Close and garbage", normal,
			[]part{closing(1000, ""), text("Hello"), closing(1002, ""), Raw(noise(300))}),
		closes("F19/junk-64k-after", "1.4, 5.5.1", "Close 1000, then 64 KiB of garbage", normal,
			[]part{closing(1000, ""), Raw(noise(64 << 10))}),
		closes("F19/in-message", "5.4, 5.5.1", "a fragment, Close 1000, the other fragment", normal,
			[]part{more(text("a")), closing(1000, ""), cont("b")}),
		closes("F19/256k-and-close", "7.1.2", "256 KiB of text, a text, Close 1000 and a ping", normal,
			[]part{dataFrame(opText, filled(256<<10)), text("Hello"), closing(1000, ""), ping("late")},
			wantData(opText, filled(256<<10)), wantText("Hello")),
		closes("F19/ping-and-close", "5.5.2, 7.1.2", "a ping, then Close 1000", normal,
			[]part{ping("first"), closing(1000, "")}, wantPong("first")),
		rejects("F16/one-byte", "5.5.1", "a Close frame with a payload of one byte", 1002, data(opClose, "\x03")),
		rejects("F16/one-byte-zero", "5.5.1", "a Close frame with the payload 00", 1002, masked(data(opClose, "\x00"), mask0)),
		rejects("F16/one-byte-in-message", "5.5.1", "a fragment, then a Close frame with a payload of one byte", 1002,
			more(text("a")), data(opClose, "\x03")),
	)
	for _, n := range []int{1, 2, 5, 64, 122, 123} {
		all = append(all, closes(fmt.Sprintf("F18/reason-%d", n), "5.5.1, 7.1.6", fmt.Sprintf("Close 1000 with a reason of %d bytes", n),
			normal, []part{closing(1000, string(filled(n)))}))
	}
	all = append(all,
		closes("F18/reason-utf8", "7.1.6", "Close 1000 with a reason of several scripts", normal, []part{closing(1000, "Hello-µ@ßöäüàá κόσμε 😀")}),
		rejects("F10/close-reason-124", "5.5", "Close 1000 with a reason of 124 bytes", 1002, closing(1000, strings.Repeat("*", 124))),
		rejects("F18/bad-vector", "7.1.6", "Close 1000 with the reason ff, with the key of the RFC's example", 1007,
			Raw{0x88, 0x83, 0x37, 0xfa, 0x21, 0x3d, 0x34, 0x12, 0xde}),
	)
	for _, v := range invalidTexts() {
		if len(v.bytes) > 60 {
			continue
		}
		all = append(all, rejects("F18/bad-"+v.name, "7.1.6, 8.1", fmt.Sprintf("Close 1000 with the reason % x", v.bytes), 1007,
			closing(1000, v.bytes)).only(Whole|Bytes))
	}
	return all
}

// codeCases: which status codes may be sent. RFC 6455, 7.4. Row F17.
func codeCases(o *Options) (all []Case) {
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		all = append(all,
			closes(fmt.Sprintf("F17/good-%d", code), "7.4", fmt.Sprintf("Close %d", code), []uint16{code}, []part{closing(code, "")}),
			closes(fmt.Sprintf("F17/good-%d-reason", code), "7.4", fmt.Sprintf("Close %d with a reason", code), []uint16{code},
				[]part{closing(code, "reason")}))
	}
	for _, code := range []uint16{0, 1, 125, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32768, 65535} {
		all = append(all,
			rejects(fmt.Sprintf("F17/bad-%d", code), "7.4", fmt.Sprintf("Close %d", code), 1002, closing(code, "")),
			rejects(fmt.Sprintf("F17/bad-%d-reason", code), "7.4", fmt.Sprintf("Close %d with a reason", code), 1002, closing(code, "reason")))
	}
	step := 61
	if o.Exhaustive {
		step = 1
	}
	// Every value below 5120, where the rules are; beyond it a sample, or all.
	for from := 0; from < 1<<16; from += 5120 {
		to := min(from+5120, 1<<16)
		each := step
		if from == 0 {
			each = 5
			if o.Exhaustive {
				each = 1
			}
		}
		c := runDrill(fmt.Sprintf("F17/sweep-%d-%d", from, to-1), "7.4", fmt.Sprintf("Close with every code from %d to %d (step %d)", from, to-1, each),
			"the same code in answer to a legal one, 1002 to any other", func(b *Bench) error { return sweepCodes(b, from, to, each) })
		all = append(all, c)
	}
	return all
}

// sweepCodes closes a connection with every code, in the handshake's own segment.
func sweepCodes(b *Bench, from, to, step int) error {
	for code := from; code < to; code += step {
		b.forget()
		c, err := b.dial()
		if err != nil {
			return err
		}
		c.listen(false)
		c.write(b.o.request().then(closing(uint16(code), "")).bytes())
		if e := c.next(b.o.Timeout); e.Kind != Response || e.Status != 101 {
			return fmt.Errorf("code %d: %w", code, &mismatch{e.String(), "response 101"})
		}
		want := uint16(1002)
		if legalCode(uint16(code)) {
			want = uint16(code)
		}
		if err := b.expect(c, wantClose(want)); err != nil {
			return fmt.Errorf("code %d [%x]: %w", code, binary.BigEndian.AppendUint16(nil, uint16(code)), err)
		}
		if err := b.fin(c); err != nil {
			return fmt.Errorf("code %d: %w", code, err)
		}
	}
	return nil
}
