package torture

import "fmt"

// extensionBitCases: RSV1 where it must not be, though compression was agreed
// on, and where it was not. Rows C8, C9.
func extensionBitCases() (all []Case) {
	for _, op := range []byte{opClose, opPing, opPong} {
		name := opName(op)
		all = append(all,
			rejects("C8/"+name, "RFC 7692, 6.1", "a "+name+" frame with RSV1", 1002, compressed(op, nil)),
			rejects("C8/"+name+"-payload", "RFC 7692, 6.1", "a "+name+" frame with RSV1 and a compressed payload", 1002, compressed(op, hello)),
			rejects("C8/"+name+"-between", "RFC 7692, 6.1", "a "+name+" frame with RSV1 between the fragments of a compressed message", 1002,
				more(compressed(opText, hello[:3])), compressed(op, nil), cont(string(hello[3:]))))
	}
	return append(all,
		rejects("C8/continuation", "RFC 7692, 6.1", "a compressed message whose last fragment has RSV1 as well", 1002,
			more(compressed(opText, hello[:3])), reserved(cont(string(hello[3:])), rsv1)),
		rejects("C8/continuation-empty", "RFC 7692, 6.1", "a compressed message whose last fragment is empty and has RSV1", 1002,
			more(compressed(opText, hello)), reserved(cont(""), rsv1)),
		rejects("C8/continuation-middle", "RFC 7692, 6.1", "a compressed message with RSV1 on a fragment in the middle", 1002,
			more(compressed(opText, hello[:3])), more(reserved(cont(string(hello[3:5])), rsv1)), cont(string(hello[5:]))),
		rejects("C8/continuation-of-plain", "RFC 7692, 6.1", "a message that is not compressed, but its last fragment has RSV1", 1002,
			more(text("Hel")), reserved(cont("lo"), rsv1)),
		rejects("C8/continuation-alone", "RFC 7692, 6.1", "a fragment with RSV1 that continues nothing", 1002, compressed(opCont, hello)),
		rejects("C8/rsv2", "5.2", "RSV1 and RSV2", 1002, reserved(data(opText, string(hello)), rsv1|0x20)),
		rejects("C8/rsv3", "5.2", "RSV3 alone", 1002, reserved(text("Hello"), 0x10)),
		rejectsAtOnce("C8/header-only", "RFC 7692, 6.1", "the header of a ping with RSV1", 1002, header(compressed(opPing, []byte("12345")))),
		runDrill("C8/others", "RFC 7692, 6.1", "40 connections that set RSV1 where it must not be, and after each of them plain messages on two others",
			"Close 1002 for each of the 40; the others' messages as they are", bitsOfOthers),
		declined("C9/declined-bits", "permessage-deflate; server_max_window_bits=7"),
		declined("C9/declined-unknown", "permessage-deflate; unknown"),
		declined("C9/declined-other", "x-webkit-deflate-frame"),
		declined("C9/not-offered", ""),
	)
}

// bitsOfOthers: "compressed" is a state of one message of one connection. What
// others send looks as if it were compressed, and is not.
func bitsOfOthers(b *Bench) error {
	without, err := (&Bench{o: b.o}).open()
	if err != nil {
		return err
	}
	defer without.close()
	with, _, err := (&Bench{o: b.o}).openDeflating(deflateOffer)
	if err != nil {
		return err
	}
	defer with.close()
	bad := [][]part{
		{compressed(opPing, nil)},
		{compressed(opPong, hello)},
		{more(compressed(opText, hello[:3])), reserved(cont(string(hello[3:])), rsv1)},
		{more(text("Hel")), reserved(cont("lo"), rsv1)},
	}
	for i := range 40 {
		c, _, err := b.openDeflating(deflateOffer)
		if err != nil {
			return err
		}
		c.write(wireOf(bad[i%len(bad)]...).Bytes)
		if err := b.finish(c, ending{failed, []uint16{1002}}); err != nil {
			return err
		}
		for _, other := range []*Client{without, with} {
			other.write(wireOf(more(data(opBinary, string(hello[:4]))), cont(string(hello[4:])), data(opBinary, string(hello))).Bytes)
			if err := b.expect(other, wantBinary(string(hello)), wantBinary(string(hello))); err != nil {
				return fmt.Errorf("another connection, after %d: %w", i+1, err)
			}
		}
		b.forget()
	}
	for _, other := range []*Client{without, with} {
		if err := b.finish(other, ending{how: alive}); err != nil {
			return err
		}
	}
	return nil
}

// declined is a case of an offer that must not be accepted, after which RSV1 is
// a reserved bit like the others.
func declined(id, offer string) Case {
	name := "RSV1 after a handshake without the offer of it"
	if offer != "" {
		name = "RSV1 after the offer " + offer
	}
	return runDrill(id, "5.2; RFC 7692, 7.1", name, "no extension in the response; an echo; then "+ending{failed, []uint16{1002}}.String(), func(b *Bench) error {
		c, err := b.dial()
		if err != nil {
			return err
		}
		c.listen(false)
		get := b.o.request()
		if offer != "" {
			get = get.with("Sec-WebSocket-Extensions: " + offer)
		}
		control := b.control(id)
		c.write(get.then(text(control)).bytes())
		e := c.next(b.o.Timeout)
		if e.Kind != Response {
			return &mismatch{e.String(), "response 101"}
		}
		if wrong := judge101(e, exampleKey, nil, offer); wrong != "" {
			return &mismatch{wrong, "a correct response 101"}
		}
		if err := b.expect(c, wantText(control)); err != nil {
			return err
		}
		c.write(wireOf(compressed(opText, hello), text("after")).Bytes)
		return b.finish(c, ending{failed, []uint16{1002}})
	})
}
