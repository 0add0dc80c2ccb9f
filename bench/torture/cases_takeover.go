package torture

import "fmt"

// takeoverCases: whether messages may refer to those before is agreed on for
// either direction, and kept to. Row C11.
func takeoverCases() (all []Case) {
	for i, offer := range []string{
		"permessage-deflate",
		deflateOffer,
		"permessage-deflate; client_no_context_takeover",
		"permessage-deflate; server_no_context_takeover",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
	} {
		all = append(all, runDrill(fmt.Sprintf("C11/second-hello-%d", i), "RFC 7692, 7.1.1, 7.2.3.2", offer+": Hello, and Hello as a reference to the one before",
			"both; or Close 1007 for the second, where the server said that it keeps nothing",
			func(b *Bench) error { return secondHello(b, offer) }))
		all = append(all, runDrill(fmt.Sprintf("C11/resembling-%d", i), "RFC 7692, 7.1.1", offer+": 40 messages that resemble each other, which refer to those before where they may",
			"every echo, which refers to nothing where that was agreed on", func(b *Bench) error { return resembling(b, offer) }))
	}
	return append(all, runDrill("C11/window-of-others", "RFC 7692, 7.2.3.2", "40 connections whose first compressed message refers to what somebody else sent",
		"Close 1007 for each, and nothing of the other's", windowOfOthers))
}

// secondHello holds the server to its answer: the parser inflates what comes
// back with a window that is as empty as was agreed on.
func secondHello(b *Bench, offer string) error {
	c, err := b.openWith(offer)
	if err != nil {
		return err
	}
	for range 2 {
		c.write(wireOf(compressed(opText, hello)).Bytes)
		if err := b.expect(c, wantText("Hello")); err != nil {
			return err
		}
	}
	c.write(wireOf(compressed(opText, again)).Bytes)
	e := c.next(b.o.Timeout)
	switch {
	case wantText("Hello").meets(e): // who said that it forgets may still remember
		return b.finish(c, ending{how: alive})
	case !c.frames.deflate.remembers && wantClose(1007).meets(e):
		return b.fin(c)
	}
	return &mismatch{e.String(), wantText("Hello").String()}
}

// windowOfOthers looks for an inflater that was handed on with what it inflated before.
func windowOfOthers(b *Bench) error {
	other, z, err := (&Bench{o: b.o}).openDeflating(deflateOffer)
	if err != nil {
		return err
	}
	defer other.close()
	for i := range 40 {
		c, err := b.openWith(deflateOffer)
		if err != nil {
			return err
		}
		control := b.control("window")
		c.write(wireOf(text(control)).Bytes)
		if err := b.expect(c, wantText(control)); err != nil {
			return err
		}
		secret := fmt.Appendf(nil, "secret %d of another %s", i, filled(500+20*i))
		other.write(wireOf(compressed(opText, z.alone(secret, 6))).Bytes)
		if err := b.expect(other, wantText(string(secret))); err != nil {
			return err
		}
		// Ten bytes, from one byte before the message on, or from five.
		back := []uint{0, 4}[i%2]
		refers := new(bits).fixed().symbol(264).code(back, 5).put(0, max(1, back/2)-1).symbol(256).message()
		c.write(wireOf(compressed(opBinary, refers), text("after")).Bytes)
		if err := b.finish(c, ending{failed, []uint16{1007}}); err != nil {
			return err
		}
		b.forget()
	}
	return b.finish(other, ending{how: alive})
}

// resembling sends messages of which the next repeats most of the last, so that
// a compressor that remembers too much could not hide it.
func resembling(b *Bench, offer string) error {
	c, z, err := b.openDeflating(offer)
	if err != nil {
		return err
	}
	for i := range 40 {
		message := fmt.Appendf(nil, `{"number":%d,"text":"%s"}`, i, filled(300 + 20*i)[i:])
		op := []byte{opText, opBinary}[i%2]
		squeezed := z.after(message)
		switch i % 8 {
		case 3: // what is not compressed is not referred to either
			c.write(wireOf(text("between")).Bytes)
			if err := b.expect(c, wantText("between")); err != nil {
				return err
			}
		case 5:
			c.write(wireOf(inShares(op, squeezed, 7)...).Bytes)
		}
		if i%8 != 5 {
			c.write(wireOf(compressed(op, squeezed)).Bytes)
		}
		if err := b.expect(c, wantData(op, message)); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return b.finish(c, ending{how: alive})
}
