package torture

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"time"
)

// tlsVersions are those that records can be made for by hand.
var tlsVersions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// forged is a case on a connection of which the records are made by hand, once a
// message was echoed on it.
func forged(id, rfc, name, want string, version uint16, f func(b *Bench, c *Client, r *records) error) Case {
	return runDrill(id, rfc, name, want, func(b *Bench) error {
		c, r, err := b.openForged(version)
		if err != nil {
			return err
		}
		return f(b, c, r)
	})
}

// brokenOff wants an alert of the codes, of any when there are none, and the end.
func (b *Bench) brokenOff(c *Client, codes ...uint16) error {
	if err := b.expect(c, expect{kind: Alert, codes: codes}); err != nil {
		return err
	}
	if e := c.next(b.o.finWithin()); e.Kind != EOF && e.Kind != Reset {
		return &mismatch{e.String() + " after the alert", "FIN"}
	}
	return nil
}

const brokenOffWant = "an alert, then FIN"

// rekeyCases: what is left of handshakes when they are over: new keys and new
// handshakes. Rows L4, L5.
func rekeyCases() []Case {
	return []Case{
		forged("L4/key-updates-5", "RFC 8446, 4.6.3", "five times new keys, asking for the server's, and a text", "a KeyUpdate and an echo each time", tls.VersionTLS13, keyUpdates),
		forged("L4/key-updates-unread", "RFC 8446, 4.6.3", "3,000 times new keys and a ping, from a client that does not read until they are sent",
			"all pongs in order", tls.VersionTLS13, unreadUpdates),
		forged("L4/flood", "RFC 8446, 4.6.3", "20,000 times new keys, asking for the server's, without a word between and without reading", "the end, after an alert at most", tls.VersionTLS13, updateFlood),
		forged("L5/hello-1.2", "RFC 5746, 5", "a ClientHello that asks to renegotiate, as it should be, on a connection of TLS 1.2", "an alert, and no handshake", tls.VersionTLS12, renegotiates),
		forged("L5/hello-1.3", "RFC 8446, 4.1.2", "a ClientHello on a connection of TLS 1.3", brokenOffWant, tls.VersionTLS13, func(b *Bench, c *Client, r *records) error {
			c.raw(r.out.seal(typeHandshake, helloOf(b.o.honest())[5:], 0))
			return b.brokenOff(c)
		}),
	}
}

func keyUpdates(b *Bench, c *Client, r *records) error {
	for i := range 5 {
		p := fmt.Sprintf("with keys %d", i+1)
		c.raw(r.update(true))
		c.write(wireOf(text(p)).Bytes)
		if err := b.expect(c, expect{kind: TLSRecord, codes: []uint16{typeHandshake}}, wantText(p)); err != nil {
			return err
		}
	}
	return b.finish(c, ending{how: alive})
}

// unreadUpdates asks for answers and does not take them: the server may stop
// reading, too, and may answer several with one. RFC 8446, 4.6.3.
func unreadUpdates(b *Bench, c *Client, r *records) error {
	const n = 3000
	c.tcp.SetReadBuffer(smallBuffer)
	c.pause()
	var all []byte
	for i := range n {
		all = append(all, r.update(true)...)
		all = append(all, r.out.seal(typeData, wireOf(dataFrame(opPing, numbered(i))).Bytes, 0)...)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.raw(all)
	}()
	select {
	case <-sent:
	case <-time.After(time.Second): // both sides wait, until we read
	}
	c.resume()
	for i := 0; i < n; {
		e := c.next(b.o.Timeout)
		if e.Kind == TLSRecord && e.Code == typeHandshake {
			continue
		}
		if want := wantPong(string(numbered(i))); !want.meets(e) {
			return &mismatch{e.String(), want.String()}
		}
		i++
	}
	<-sent
	for e := c.next(b.o.Gap); e.Kind == TLSRecord; e = c.next(b.o.Gap) { // an answer may come last
		continue
	}
	return b.finish(c, ending{how: alive})
}

// updateFlood costs the server two derivations of keys for each 27 bytes.
func updateFlood(b *Bench, c *Client, r *records) error {
	c.pause()
	c.limit = 2 * time.Second
	for range 20 {
		var some []byte
		for range 1000 {
			some = append(some, r.update(true)...)
		}
		if c.raw(some) != nil {
			break
		}
	}
	c.resume()
	return b.over(c)
}

// over wants the end, whatever of a TLS stream that means nothing comes before it.
func (b *Bench) over(c *Client) error {
	for {
		switch e := c.next(b.o.Timeout); e.Kind {
		case TLSRecord, Alert:
		case EOF, Reset:
			return nil
		default:
			return &mismatch{e.String(), "the end"}
		}
	}
}

// renegotiates asks for a second handshake as RFC 5746 has it, so that only a
// server that does not want one refuses it.
func renegotiates(b *Bench, c *Client, r *records) error {
	hello := withExtensions(helloOf(b.o.version(tls.VersionTLS12)), func(all []byte) []byte {
		proof := append([]byte{byte(len(r.old.finish))}, r.old.finish...)
		return bytes.Replace(all, helloExtension(renegotiationInfo, []byte{0}), helloExtension(renegotiationInfo, proof), 1)
	})
	c.raw(r.out.seal(typeHandshake, hello[5:], 0))
	e := c.next(b.o.Timeout)
	switch {
	case e.Kind == Alert:
		return b.over(c)
	case e.Kind == TLSRecord && e.Code == typeAlert: // no_renegotiation is a warning: it may go on
		return b.finish(c, ending{how: alive})
	}
	return &mismatch{e.String(), "an alert"}
}

// endCases: how streams end. Row L7.
func endCases() (all []Case) {
	half := wireOf(text("never finished")).Bytes[:9]
	const dropped = "FIN, after a Close at most, and nothing of what was not whole"
	for _, v := range tlsVersions {
		in := ", TLS " + versionName(v)
		end := func(id, name, want string, f func(b *Bench, c *Client, r *records) error) {
			all = append(all, forged("L7/"+id+"-"+versionName(v), "RFC 8446, 6.1", name+in, want, v, f))
		}
		end("fin-in-frame", "half a frame, then FIN without close_notify", dropped, func(b *Bench, c *Client, r *records) error {
			c.write(half)
			c.tcp.CloseWrite()
			return b.quietEnd(c, Close)
		})
		end("fin-in-record", "half a record, then FIN", dropped, func(b *Bench, c *Client, r *records) error {
			sealed := r.out.seal(typeData, wireOf(text("never finished")).Bytes, 0)
			c.raw(sealed[:len(sealed)/2])
			c.tcp.CloseWrite()
			return b.quietEnd(c, Close)
		})
		end("fin-behind-message", "a text, then FIN without close_notify", "the echo, then FIN, after a Close at most", func(b *Bench, c *Client, r *records) error {
			c.write(wireOf(text("whole")).Bytes)
			c.tcp.CloseWrite()
			if err := b.expect(c, wantText("whole")); err != nil {
				return err
			}
			return b.quietEnd(c, Close)
		})
		end("notify-in-frame", "half a frame, then close_notify, and no FIN", dropped, func(b *Bench, c *Client, r *records) error {
			c.write(half)
			c.raw(r.notify())
			return b.quietEnd(c, Close)
		})
		end("data-behind-notify", "a text, close_notify and another text, in one segment", "the echo of the first, then FIN, after a Close at most", func(b *Bench, c *Client, r *records) error {
			first := r.out.seal(typeData, wireOf(text("before")).Bytes, 0)
			c.raw(slices.Concat(first, r.notify(), r.out.seal(typeData, wireOf(text("behind")).Bytes, 0)))
			if err := b.expect(c, wantText("before")); err != nil {
				return err
			}
			return b.quietEnd(c, Close)
		})
		end("server-notifies", "Close 1000", "Close 1000, close_notify, FIN, in this order", func(b *Bench, c *Client, r *records) error {
			c.write(wireOf(closing(1000, "")).Bytes)
			return b.finish(c, ending{closed, []uint16{1000}})
		})
		end("alert", "a fatal alert", "the end", func(b *Bench, c *Client, r *records) error {
			c.raw(r.out.seal(typeAlert, []byte{2, internalError}, 0))
			return b.over(c)
		})
	}
	return append(all, runDrill("L7/fin-in-hello", "RFC 8446, 6.1", "half a ClientHello, then FIN", "the end, after an alert at most", func(b *Bench) error {
		if err := b.served(); err != nil {
			return err
		}
		c, err := b.greet()
		if err != nil {
			return err
		}
		c.write(helloOf(b.o.honest())[:50])
		c.shutdown()
		return b.over(c)
	}))
}

// readerCases: the kernel takes what it has room for, and a record that has
// begun must go on where it was. Row L8.
func readerCases() (all []Case) {
	for _, v := range tlsVersions {
		all = append(all, runDrill("L8/bursts-"+versionName(v), "RFC 8446, 5.1", "8 MiB in messages of odd sizes, echoed to a client that reads in bursts, TLS "+versionName(v), "every byte, in order",
			func(b *Bench) error {
				c, err := b.dialTLS(b.o.version(v), nil)
				if err != nil {
					return err
				}
				if err := b.upgrade(c, ""); err != nil {
					return err
				}
				return oddBursts(b, c)
			}))
	}
	unread := runDrill("L8/unread", "RFC 6455, 10.4", "up to 256 MiB of messages from a client that does not read",
		"the server stops reading, or ends the connection; once the client reads, whole messages in order", unreadEchoes).byItself()
	return append(all, unread)
}

// oddBursts lets about a megabyte of echoes wait, and takes it at once: the
// kernel cuts records wherever its buffer is full.
func oddBursts(b *Bench, c *Client) error {
	c.tcp.SetReadBuffer(smallBuffer)
	size := 7919
	for round := range 8 {
		c.pause()
		var wants []expect
		for range 24 {
			size = (size*5 + 12289) % 87_000
			p := noise(size)
			wants = append(wants, wantData(opBinary, p))
			if err := c.write(wireOf(dataFrame(opBinary, p)).Bytes); err != nil {
				return &mismatch{err.Error(), "a megabyte accepted"}
			}
		}
		time.Sleep(5 * time.Millisecond)
		c.resume()
		if err := b.expect(c, wants...); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	return b.finish(c, ending{how: alive})
}

// recordCases: records of every size, many in one read and one in many, and
// those that must not be. Rows L3, L9.
func recordCases() (all []Case) {
	for _, v := range tlsVersions {
		all = append(all, cutRecords(v)...)
		all = append(all, wrongRecords(v)...)
	}
	frame := wireOf(text("padded")).Bytes
	return append(all, echoes("L9/padded", "RFC 8446, 5.4", "a text with 16,000 zeros behind it in its record", tls.VersionTLS13, wantText("padded"), func(r *records) []byte {
		return r.out.seal(typeData, frame, 16_000)
	}))
}

// echoes sends bytes of TLS in one write and wants events; then the connection goes on.
func echoes(id, rfc, name string, version uint16, want expect, send func(r *records) []byte) Case {
	return forged(id, rfc, name+", TLS "+versionName(version), want.String()+"; the connection goes on", version, func(b *Bench, c *Client, r *records) error {
		c.raw(send(r))
		if err := b.expect(c, want); err != nil {
			return err
		}
		return b.finish(c, ending{how: alive})
	})
}

func cutRecords(v uint16) []Case {
	id := func(s string) string { return "L9/" + s + "-" + versionName(v) }
	long := filled(3000)
	return []Case{
		echoes(id("records-of-1-byte"), "RFC 8446, 5.1", "a text of 3,000 bytes in records of one byte, in one write", v, wantData(opText, long), func(r *records) (all []byte) {
			for _, x := range wireOf(dataFrame(opText, long)).Bytes {
				all = append(all, r.out.seal(typeData, []byte{x}, 0)...)
			}
			return all
		}),
		echoes(id("empty-records"), "RFC 8446, 5.1", "a text with ten records between its bytes that have no content", v, wantText("Hello"), func(r *records) (all []byte) {
			for _, x := range wireOf(text("Hello")).Bytes[:10] {
				all = append(all, r.out.seal(typeData, []byte{x}, 0)...)
				all = append(all, r.out.seal(typeData, nil, 0)...)
			}
			return append(all, r.out.seal(typeData, wireOf(text("Hello")).Bytes[10:], 0)...)
		}),
		forged(id("many-records"), "RFC 8446, 5.1", "2,000 texts, each in a record of its own, in one write, TLS "+versionName(v), "2,000 echoes in order", v, func(b *Bench, c *Client, r *records) error {
			var all []byte
			var wants []expect
			for i := range 2000 {
				p := fmt.Sprintf("record %d", i)
				all, wants = append(all, r.out.seal(typeData, wireOf(text(p)).Bytes, 0)...), append(wants, wantText(p))
			}
			c.raw(all)
			if err := b.expect(c, wants...); err != nil {
				return err
			}
			return b.finish(c, ending{how: alive})
		}),
		forged(id("full-records"), "RFC 8446, 5.1", "a binary message of 1 MiB in records of 16,384 bytes, TLS "+versionName(v), "its echo", v, func(b *Bench, c *Client, r *records) error {
			p := noise(1 << 20)
			c.write(wireOf(dataFrame(opBinary, p)).Bytes)
			if err := b.expect(c, wantData(opBinary, p)); err != nil {
				return err
			}
			return b.finish(c, ending{how: alive})
		}),
		forged(id("cut-everywhere"), "RFC 8446, 5.1", "a text in a record that comes in two segments, cut at every byte, TLS "+versionName(v), "its echo each time", v, func(b *Bench, c *Client, r *records) error {
			frame := wireOf(text("Hello")).Bytes
			for at := 1; ; at++ {
				sealed := r.out.seal(typeData, frame, 0)
				if at == len(sealed) {
					c.raw(sealed)
					if err := b.expect(c, wantText("Hello")); err != nil {
						return err
					}
					return b.finish(c, ending{how: alive})
				}
				c.raw(sealed[:at])
				time.Sleep(b.o.Gap)
				c.raw(sealed[at:])
				if err := b.expect(c, wantText("Hello")); err != nil {
					return fmt.Errorf("cut at %d: %w", at, err)
				}
			}
		}),
		forged(id("empty-flood"), "RFC 8446, 5.1", "20,000 records without content, then a text, TLS "+versionName(v), "the end, after an alert at most; or the echo", v, emptyFlood),
	}
}

// emptyFlood sends what means nothing: bounded work is all that can be asked.
func emptyFlood(b *Bench, c *Client, r *records) error {
	c.limit = 2 * time.Second
	for range 20 {
		var some []byte
		for range 1000 {
			some = append(some, r.out.seal(typeData, nil, 0)...)
		}
		if c.over() || c.raw(some) != nil {
			return b.over(c)
		}
	}
	c.write(wireOf(text("behind")).Bytes)
	e := c.next(b.o.Timeout)
	switch {
	case wantText("behind").meets(e):
		return b.finish(c, ending{how: alive})
	case e.Kind == Alert:
		return b.over(c)
	case e.Kind == EOF, e.Kind == Reset:
		return nil
	}
	return &mismatch{e.String(), "the end, or the echo"}
}

// wrongRecords: the connection ends with an alert, and nothing of them is read.
func wrongRecords(v uint16) (all []Case) {
	wrong := func(id, rfc, name string, alerts []uint16, send func(r *records) []byte) {
		want := expect{kind: Alert, codes: alerts}
		all = append(all, forged(id+"-"+versionName(v), rfc, name+", TLS "+versionName(v), want.String()+", then FIN", v, func(b *Bench, c *Client, r *records) error {
			c.raw(send(r))
			return b.brokenOff(c, alerts...)
		}))
	}
	frame := wireOf(text("behind")).Bytes
	wrong("L3/sealed-16385", "RFC 8446, 5.2", "a record with 16,385 bytes of data", []uint16{recordOverflow}, func(r *records) []byte {
		return r.out.seal(typeData, wireOf(dataFrame(opBinary, noise(plainMax+1-8))).Bytes, 0)
	})
	wrong("L3/sealed-longest", "RFC 8446, 5.2", "the head of a record of 65,535 bytes", []uint16{recordOverflow}, func(r *records) []byte {
		return []byte{typeData, 3, 3, 0xff, 0xff}
	})
	wrong("L9/flipped", "RFC 8446, 5.2", "a record in which a bit was changed", []uint16{badRecordMAC}, func(r *records) []byte {
		sealed := r.out.seal(typeData, frame, 0)
		sealed[len(sealed)-20] ^= 1
		return sealed
	})
	wrong("L9/again", "RFC 8446, 5.3", "a record that is sent twice", []uint16{badRecordMAC}, func(r *records) []byte {
		sealed := r.out.seal(typeData, wireOf(more(text(""))).Bytes, 0)
		return append(sealed, sealed...)
	})
	wrong("L9/not-sealed", "RFC 8446, 5.2", "a record of data that is not sealed", []uint16{badRecordMAC}, func(r *records) []byte {
		return sealedAs(record(typeData, append(make([]byte, 32), frame...)))
	})
	wrong("L9/unknown-type", "RFC 8446, 5", "a record of type 99", []uint16{unexpectedMessage}, func(r *records) []byte {
		return r.out.seal(99, frame, 0)
	})
	return all
}
