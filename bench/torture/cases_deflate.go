package torture

import (
	"encoding/hex"
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
	all := slices.Concat(deflateVectors(), corruptCases(o), extensionBitCases(), bombCases(o), blockCases(o), takeoverCases(), mixUpCases())
	for i := range all {
		if all[i].talk != nil && all[i].talk.offer == "" {
			all[i] = all[i].offering(deflateOffer)
		}
	}
	return slices.Concat(all, deflateTable(), deflateOffers(o))
}

// offering sets what the case offers. One that is to be refused has a good
// compressed message before it: a server that refuses them all is not correct.
func (c Case) offering(offer string) Case {
	c.talk.offer = offer
	if c.talk.end.how == failed {
		x := &c.talk.exchanges[0]
		x.parts = append([]part{compressed(opText, hello)}, x.parts...)
		x.want = append([]expect{wantText("Hello")}, x.want...)
		c.Want = c.talk.String()
	}
	return c
}

// hello is the first example of RFC 7692, 7.2.3.1, and again that of 7.2.3.2:
// the same with a reference to the message before it.
var hello, again = payload("f248cdc9c90700"), payload("f200110000")

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
	)
}

// openDeflating opens a connection that compresses, and has a plain and a
// compressed message echoed: the good ones before a bad one.
func (b *Bench) openDeflating(offer string) (*Client, *squeezer, error) {
	c, err := b.openWith(offer)
	if err != nil {
		return nil, nil, err
	}
	z := &squeezer{agreed: c.frames.deflate}
	plain, message := b.control("plain"), b.control("compressed")
	c.write(wireOf(text(plain), compressed(opText, z.alone([]byte(message), 6))).Bytes)
	return c, z, b.expect(c, wantText(plain), wantText(message))
}

// emptyOr is a drill with more than one right answer: an empty message, or a
// Close with one of the codes.
func emptyOr(id, rfc, name string, send func() []part, codes ...uint16) Case {
	return runDrill(id, rfc, name, wantDataOr(nil, codes), func(b *Bench) error {
		c, _, err := b.openDeflating(deflateOffer)
		if err != nil {
			return err
		}
		return b.eitherOf(c, wireOf(send()...).Bytes, nil, codes)
	})
}

func wantDataOr(message []byte, codes []uint16) string {
	return wantData(opBinary, message).String() + ", or " + ending{failed, codes}.String()
}

// eitherOf sends a binary message and takes either of its answers, each with its ending.
func (b *Bench) eitherOf(c *Client, send, message []byte, codes []uint16) error {
	c.write(send)
	e := c.next(b.o.Timeout)
	switch {
	case wantData(opBinary, message).meets(e):
		return b.finish(c, ending{how: alive})
	case wantClose(codes...).meets(e):
		return b.fin(c)
	}
	return &mismatch{e.String(), wantDataOr(message, codes)}
}
