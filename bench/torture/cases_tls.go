package torture

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"time"
)

// tlsCases: what TLS adds, of a server that speaks it. RFC 8446, and RFC 5246
// where it is TLS 1.2. Rows L1 to L11.
func tlsCases(o *Options) []Case {
	if !o.secure {
		return nil
	}
	return slices.Concat(slowHelloCases(o), handshakeFloodCases(o), helloCases(o), nameCases(), sessionCases(), rekeyCases(), endCases(), readerCases(), recordCases())
}

// served is the positive control of a case about handshakes: somebody else is served.
func (b *Bench) served() error {
	c, err := b.open()
	if err != nil {
		return err
	}
	return b.finish(c, ending{how: alive})
}

// slowHelloCases: the time from accept to the end of the TLS handshake is
// bounded, wherever it stops. Row L1.
func slowHelloCases(o *Options) (all []Case) {
	for _, v := range tlsVersions {
		all = append(all, runDrill("L1/bytewise-"+versionName(v), "RFC 8446, 5.1", "everything byte by byte, TLS "+versionName(v), "a handshake and an echo",
			func(b *Bench) error { return shaped(b, b.o.version(v), bytewise) }))
	}
	limit := o.TLSTimeout
	if limit < 0 {
		return all
	}
	late := fmt.Sprintf("FIN, after an alert at most, within %v of the connection, give or take 2 s", limit)
	hello := helloOf(o.honest())
	slow := func(id, name string, first, rest []byte) {
		all = append(all, runDrill("L1/"+id, "RFC 6455, 10.4", name, late, func(b *Bench) error { return stalls(b, first, rest) }))
		all[len(all)-1].slow = true
	}
	slow("silent", "a connection on which nothing is sent", nil, nil)
	slow("one-byte", "the first byte of a ClientHello, then nothing", hello[:1], nil)
	slow("byte-a-second", "a ClientHello byte by byte, one a second", nil, hello)
	slow("half-a-hello", "half a ClientHello, then nothing", hello[:len(hello)/2], nil)
	slow("after-the-flight", "a ClientHello, and nothing after the server's answer", hello, nil)
	slow("record-dripping", "a ClientHello, then a record byte by byte, one a second", hello, sealedAs(record(typeData, make([]byte, 100))))
	for _, v := range tlsVersions {
		c := runDrill("L1/flight-dripping-"+versionName(v), "RFC 6455, 10.4", "the client's last flight byte by byte, TLS "+versionName(v), late,
			func(b *Bench) error { return dripping(b, v) })
		c.slow = true
		all = append(all, c)
	}
	return all
}

// bytewise writes single bytes.
func bytewise(_ int, b []byte) cut { return cut{pieces: slices.Collect(slices.Chunk(b, 1))} }

// shaped does everything on a connection whose writes are cut.
func shaped(b *Bench, cfg *tls.Config, shape shape) error {
	c, err := b.dialTLS(cfg, shape)
	if err != nil {
		return &mismatch{err.Error(), "a handshake"}
	}
	if err := b.upgrade(c, ""); err != nil {
		return err
	}
	return b.finish(c, ending{how: alive})
}

// stalls sends first, then a byte of rest a second, and wants the connection
// ended by the absolute deadline and not before it.
func stalls(b *Bench, first, rest []byte) error {
	if err := b.served(); err != nil {
		return err
	}
	c, err := b.greet()
	if err != nil {
		return err
	}
	start := time.Now()
	c.write(first)
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		for i := range rest {
			if c.over() || time.Since(start) > b.o.TLSTimeout+lateBy || c.write(rest[i:i+1]) != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	for {
		e := c.next(time.Until(start.Add(b.o.TLSTimeout + lateBy)))
		switch e.Kind {
		case TLSRecord, Alert:
			continue // the server's flight; a word about the deadline
		case EOF, Reset:
			return inTime(time.Since(start), b.o.TLSTimeout)
		}
		return &mismatch{e.String(), "FIN"}
	}
}

// lateBy is how late, or early, a deadline may be.
const lateBy = 2 * time.Second

func inTime(took, limit time.Duration) error {
	if took < limit-lateBy || took > limit+lateBy {
		return &mismatch{fmt.Sprintf("the end after %v", took.Round(time.Millisecond)), fmt.Sprintf("%v of patience", limit)}
	}
	return nil
}

// dripping takes longer than the deadline for what the client answers to the
// server's flight: 80 bytes and more, of which fifty come in time.
func dripping(b *Bench, version uint16) error {
	if err := b.served(); err != nil {
		return err
	}
	c, err := b.keep(connect(b.o))
	if err != nil {
		return err
	}
	start := time.Now()
	err = c.encrypt(b.o.version(version), b.o.TLSTimeout+2*lateBy, func(n int, p []byte) cut {
		if n == 0 {
			return cut{pieces: [][]byte{p}}
		}
		return cut{slices.Collect(slices.Chunk(p, 1)), b.o.TLSTimeout / 50}
	})
	if err == nil {
		return &mismatch{"a TLS handshake that was done", "it cut"}
	}
	return inTime(time.Since(start), b.o.TLSTimeout)
}

// handshakeFloodCases: handshakes cost a server much more than a client; they
// may cost it nothing that others wait for. What the honest client says to it
// shows in U1. Row L2.
func handshakeFloodCases(o *Options) []Case {
	hello := helloOf(o.honest())
	all := []Case{
		runDrill("L2/burst", "RFC 8446, 2", "200 clients that come in one moment, with a full handshake each, while one is there that speaks", "200 handshakes and echoes, and all of its own",
			func(b *Bench) error { return meanwhile(b, func() error { return crowd(b, 200) }) }),
		runDrill("L2/abandoned", "RFC 8446, 2", "300 clients that send a ClientHello and reset, and 300 that send one and wait, while one is there that speaks", "its echoes, and a handshake of another",
			func(b *Bench) error {
				return meanwhile(b, func() error { return abandoned(b, hello, 300) })
			}),
	}
	for i := range all {
		all[i] = all[i].byItself()
	}
	return all
}

// meanwhile has a client speak for as long as something takes.
func meanwhile(b *Bench, do func() error) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	for n := 0; ; n++ {
		p := fmt.Sprintf("meanwhile %d", n)
		c.write(wireOf(text(p)).Bytes)
		if err := b.expect(c, wantText(p)); err != nil {
			<-done
			return err
		}
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			return b.finish(c, ending{how: alive})
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// abandoned begins handshakes that nobody goes on with, and then does one.
func abandoned(b *Bench, hello []byte, n int) error {
	own := &Bench{o: b.o}
	defer own.hangUp()
	for i := range 2 * n {
		c, err := own.keep(connect(b.o))
		if err != nil {
			return err
		}
		c.write(hello)
		if i%2 == 0 {
			c.abort()
		}
	}
	return own.served()
}

// helloCases: what is no ClientHello, or none that can be served, gets an alert
// and the end; at a price that grows with its bytes (U7). Row L3.
func helloCases(o *Options) (all []Case) {
	hello := helloOf(o.honest())
	for _, size := range []int{1, 7, 100} {
		all = append(all, runDrill(fmt.Sprintf("L3/hello-in-records-of-%d", size), "RFC 8446, 5.1", fmt.Sprintf("a ClientHello in records of %d bytes", size), "a handshake and an echo",
			func(b *Bench) error {
				return shaped(b, b.o.honest(), func(n int, p []byte) cut {
					if n == 0 {
						p = recordsOf(p, size)
					}
					return cut{pieces: [][]byte{p}}
				})
			}))
	}
	old := o.honest()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	big := message(clientHello, make([]byte, 65531))
	var cutBig []byte
	for piece := range slices.Chunk(big, plainMax) {
		cutBig = append(cutBig, record(typeHandshake, piece)...)
	}
	for _, c := range []struct {
		id, rfc, name string
		send          []byte
		alerts        []uint16
	}{
		{"hello-64k", "RFC 8446, 5.1", "65,535 bytes that begin as a ClientHello", cutBig, nil},
		{"hello-16m", "RFC 8446, 4", "a ClientHello that announces 16 MiB", record(typeHandshake, append([]byte{clientHello, 0xff, 0xff, 0xff}, make([]byte, plainMax-4)...)), nil},
		{"records-of-1-byte", "RFC 8446, 5.1", "16,384 bytes that begin as a ClientHello, in records of one byte", recordsOf(record(typeHandshake, message(clientHello, make([]byte, plainMax-4))), 1), nil},
		{"record-16385", "RFC 8446, 5.1", "a record of 16,385 bytes", record(typeHandshake, message(clientHello, make([]byte, plainMax-3))), []uint16{recordOverflow}},
		{"record-empty", "RFC 8446, 5.1", "a record without content", record(typeHandshake, nil), nil},
		{"data-first", "RFC 8446, 5.1", "a record of data", record(typeData, make([]byte, 256)), nil},
		{"finished-first", "RFC 8446, 4", "a message that is no ClientHello", record(typeHandshake, message(20, make([]byte, 32))), nil},
		{"hello-cut", "RFC 8446, 4.1.2", "a ClientHello that ends inside of its fields", record(typeHandshake, message(clientHello, hello[9:60])), nil},
		{"extensions-cut", "RFC 8446, 4.2", "a ClientHello that ends inside of its extensions", record(typeHandshake, message(clientHello, hello[9:len(hello)-3])), nil},
		{"only-1.1", "RFC 8996, 5", "a client that knows TLS 1.0 and 1.1 only", helloOf(old), nil},
		{"random", "RFC 8446, 5.1", "4,096 random bytes", append([]byte{0x9c}, noise(4095)...), nil},
		{"http", "RFC 8446, 5.1", "plain HTTP", o.request().bytes(), nil},
	} {
		want := expect{kind: Alert, codes: c.alerts}
		all = append(all, runDrill("L3/"+c.id, c.rfc, c.name, want.String()+", then FIN", func(b *Bench) error { return refusesHello(b, c.send, want) }))
	}
	return all
}

// refusesHello wants an alert, or a word in HTTP, and the end.
func refusesHello(b *Bench, send []byte, want expect) error {
	if err := b.served(); err != nil {
		return err
	}
	c, err := b.greet()
	if err != nil {
		return err
	}
	c.write(send)
	if err := b.expect(c, want); err != nil {
		return err
	}
	if e := c.next(b.o.finWithin()); e.Kind != EOF && e.Kind != Reset {
		return &mismatch{e.String() + " after the alert", "FIN"}
	}
	return nil
}

// nameCases: names that the server does not have, and protocols that it does not
// speak. It may refuse a name, or leave that to the client. Row L11.
func nameCases() (all []Case) {
	name := func(id, what, name string, alerts ...uint16) {
		all = append(all, runDrill("L11/"+id, "RFC 6066, 3", what, expect{kind: Alert, codes: alerts}.String()+", or a handshake and an echo", func(b *Bench) error {
			return offers(b, alerts, func(cfg *tls.Config) { cfg.ServerName, cfg.InsecureSkipVerify = name, true })
		}))
	}
	name("name-unknown", "the name of somebody else", "unknown.invalid", unrecognizedName)
	name("name-none", "no name", "", unrecognizedName)
	name("name-odd", "a name that a terminal would obey", "a\r\nb\x1b[31m.invalid")
	name("name-long", "a name of 9,000 bytes", string(bytes.Repeat([]byte("long-name."), 900))+"invalid")
	protocol := func(id, what string, protocols ...string) {
		all = append(all, runDrill("L11/"+id, "RFC 7301, 3.2", what, "alert 120, or a handshake that agrees on none of another's, and on HTTP/1.1 an echo", func(b *Bench) error {
			return offers(b, []uint16{noApplicationProtocol}, func(cfg *tls.Config) { cfg.NextProtos = protocols })
		}))
	}
	protocol("alpn-h2", "HTTP/2 alone", "h2")
	protocol("alpn-unknown", "a protocol that nobody speaks", "roost-torture")
	protocol("alpn-both", "HTTP/2 and HTTP/1.1", "h2", "http/1.1")
	protocol("alpn-none", "no protocol")
	return all
}

// offers connects with what a change makes of an honest client.
func offers(b *Bench, alerts []uint16, change func(cfg *tls.Config)) error {
	if err := b.served(); err != nil {
		return err
	}
	cfg := b.o.honest()
	change(cfg)
	c, err := b.dialTLS(cfg, nil)
	if alert, ok := refusal(err); ok && (len(alerts) == 0 || slices.Contains(alerts, alert)) {
		return nil
	}
	if err != nil {
		return &mismatch{err.Error(), fmt.Sprintf("one of the alerts %v, or a handshake", alerts)}
	}
	if c.conn.(secured).ConnectionState().NegotiatedProtocol == "h2" {
		return nil // and this suite does not speak it
	}
	if err := b.upgrade(c, ""); err != nil {
		return err
	}
	return b.finish(c, ending{how: alive})
}
