package torture

import (
	"fmt"
	"sync"
	"time"
)

// streamCases: what TCP adds: half-closes, resets, full windows, and the end of
// a connection that was failed. Rows F20, F22, F28, T1, T2, T3, T11, T23.
func streamCases(o *Options) (all []Case) {
	all = append(all, halfCloseCases(o)...)
	all = append(all, lingerCases(o)...)
	all = append(all, resetCases(o)...)
	urgent := runDrill("T23/urgent", "RFC 9293, 3.8.5", "an urgent byte between two messages", "both echoes, or, when the byte is taken for a frame, Close 1002", urgentByte)
	urgent.plain = true
	return append(all, urgent,
		runDrill("F21/crossing", "7.1.2, 7.1.7", "bad bytes, and a Close 1000 that crosses the server's, 40 times", "one Close 1002, then FIN", crossing),
		runDrill("T13/small-unread", "5.5", "30,000 messages of 0 to 99 bytes from a client that does not read until they are sent", "every echo, in order", smallUnread).byItself(),
		runDrill("T11/bursts", "5.5", "12 MiB echoed to a client that reads in bursts", "every byte, in order", burst),
		runDrill("F28/pings-interleaved", "5.5.2", "40 connections that ping with payloads of their own", "every pong bit-exact on its connection", interleaved),
	)
}

// halfCloseCases: the client sends FIN and goes on reading. Whole messages
// before it are answered; a partial one is dropped.
func halfCloseCases(o *Options) []Case {
	get := o.request()
	whole := wireOf(text("before FIN")).Bytes
	partial := wireOf(text("complete"), Raw(wireOf(text("never finished")).Bytes[:12])).Bytes
	fragment := wireOf(text("complete"), more(text("never finished"))).Bytes
	var many []part
	var wants []expect
	for i := range 256 {
		p := fmt.Sprintf("%04d %s", i, filled(1019))
		many, wants = append(many, text(p)), append(wants, wantText(p))
	}
	half := func(id, name string, send []byte, want ...expect) Case {
		return runDrill("T2/"+id, "RFC 9293, 3.6", name+", then FIN", halfWant(want), func(b *Bench) error {
			c, err := b.open()
			if err != nil {
				return err
			}
			return halfClose(b, c, send, want)
		})
	}
	all := []Case{
		half("idle", "nothing", nil),
		half("message", "a text", whole, wantText("before FIN")),
		half("partial", "a text and half a frame", partial, wantText("complete")),
		half("fragment", "a text and a first fragment", fragment, wantText("complete")),
		half("header", "one byte of a frame", []byte{0x81}),
		half("close", "Close 1000", wireOf(closing(1000, "")).Bytes, wantClose(1000)),
		half("bad", "a text and a reserved opcode", wireOf(text("good"), data(3, "")).Bytes, wantText("good"), wantClose(1002)),
		runDrill("T2/early", "RFC 9293, 3.6", "the handshake, a text and FIN in a row", "101, the echo, FIN", func(b *Bench) error {
			return halfEarly(b, get.then(Raw(whole)).bytes(), wantText("before FIN"))
		}),
		runDrill("T2/mid-handshake", "RFC 9293, 3.6", "half a handshake, then FIN", "FIN, after a refusal at most", func(b *Bench) error {
			c, err := b.dial()
			if err != nil {
				return err
			}
			c.listen(false)
			c.write(get.bytes()[:40])
			c.shutdown()
			return b.quietEnd(c, Response)
		}),
	}
	c := half("256k", "256 texts of 1 KiB", wireOf(many...).Bytes, wants...)
	c.ID = "T3/256k"
	return append(all, c)
}

func halfWant(want []expect) string {
	s := ""
	for i, w := range want {
		if i == 3 {
			s += fmt.Sprintf("... (%d events), ", len(want))
			break
		}
		s += w.String() + ", "
	}
	return s + "then FIN, after a Close at most"
}

func halfClose(b *Bench, c *Client, send []byte, want []expect) error {
	c.write(send)
	c.shutdown()
	if err := b.expect(c, want...); err != nil {
		return err
	}
	return b.quietEnd(c, Close)
}

func halfEarly(b *Bench, send []byte, want expect) error {
	c, err := b.dial()
	if err != nil {
		return err
	}
	c.listen(false)
	c.write(send)
	c.shutdown()
	if e := c.next(b.o.Timeout); e.Kind != Response || e.Status != 101 {
		return &mismatch{e.String(), "response 101"}
	}
	if err := b.expect(c, want); err != nil {
		return err
	}
	return b.quietEnd(c, Close)
}

// quietEnd wants FIN, after one event of the kind at most.
func (b *Bench) quietEnd(c *Client, last Kind) error {
	e := c.next(b.o.Timeout)
	if e.Kind == last {
		e = c.next(b.o.Timeout)
	}
	if !e.proper() {
		return &mismatch{e.String(), "FIN, after a " + last.String() + " at most"}
	}
	return nil
}

// lingerCases: a Close frame must be readable whatever the client still has in
// flight, and the socket must not outlive the client's silence. RFC 6455, 7.1.1;
// RFC 9112, 9.6.
func lingerCases(o *Options) (all []Case) {
	bad := map[string]struct {
		code uint16
		send []part
	}{
		"reserved-bits": {1002, []part{reserved(text("x"), 0x40)}},
		"no-mask":       {1002, []part{bare(text("x"))}},
		"utf8":          {1007, []part{text("\xff")}},
		"close-code":    {1002, []part{closing(1005, "")}},
		"close":         {1000, []part{closing(1000, "")}},
	}
	if o.MaxMessage > 0 {
		bad["too-big"] = struct {
			code uint16
			send []part
		}{1009, []part{header(announce(text(""), uint64(o.MaxMessage)+1))}}
	}
	for name, v := range bad {
		w := wireOf(v.send...).Bytes
		all = append(all,
			runDrill("F20/junk-"+name, "7.1.1; RFC 9112, 9.6", "bad bytes ("+name+") and a little less than 1 MiB of junk in one write, 20 times",
				fmt.Sprintf("close %d, readable every time, then FIN", v.code), func(b *Bench) error { return junk(b, w, v.code) }),
			runDrill("F20/linger-"+name, "7.1.1; RFC 9112, 9.6", "bad bytes ("+name+"), and more bytes after the server's FIN",
				fmt.Sprintf("close %d, FIN, and no reset while the client still writes", v.code), func(b *Bench) error { return linger(b, w, v.code) }))
		if o.CloseTimeout > 0 {
			c := runDrill("F22/silent-"+name, "7.1.1", "bad bytes ("+name+"), and a client that never closes",
				fmt.Sprintf("close %d, FIN, and the socket gone after %v, give or take 1 s", v.code, o.CloseTimeout), func(b *Bench) error { return outlive(b, w, v.code) })
			c.slow = true
			all = append(all, c)
		}
	}
	return all
}

func junk(b *Bench, bad []byte, code uint16) error {
	send := append(append([]byte(nil), bad...), noise(1<<20-1<<14)...)
	for i := range 20 {
		b.forget()
		c, err := b.open()
		if err != nil {
			return err
		}
		c.write(send)
		if err := b.finish(c, ending{closed, []uint16{code}}); err != nil {
			return fmt.Errorf("run %d: %w", i+1, err)
		}
	}
	return nil
}

// failOn opens a connection, sends bad bytes and takes the Close and the FIN.
func failOn(b *Bench, bad []byte, code uint16) (*Client, error) {
	c, err := b.open()
	if err != nil {
		return nil, err
	}
	c.write(bad)
	return c, b.finish(c, ending{closed, []uint16{code}})
}

func linger(b *Bench, bad []byte, code uint16) error {
	c, err := failOn(b, bad, code)
	if err != nil {
		return err
	}
	for range 5 {
		// The first write to a closed socket succeeds and is answered with RST; the next one meets it.
		time.Sleep(20 * time.Millisecond)
		if err := c.write(noise(1000)); err != nil {
			return &mismatch{err.Error() + " after the server's FIN", "a server that reads and discards"}
		}
	}
	return nil
}

// outlive wants the socket gone by the closing deadline though the client keeps still.
func outlive(b *Bench, bad []byte, code uint16) error {
	c, err := failOn(b, bad, code)
	if err != nil {
		return err
	}
	time.Sleep(b.o.CloseTimeout + time.Second)
	for range 5 {
		if c.write([]byte{0}) != nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return &mismatch{"a socket that is still open", "it gone after " + b.o.CloseTimeout.String()}
}

// resetCases: RST in every state; afterwards the server serves as before. What
// it forgets to release shows in U3.
func resetCases(o *Options) (all []Case) {
	get := o.request().bytes()
	big := wireOf(dataFrame(opBinary, noise(1<<20))).Bytes
	for _, s := range []struct {
		name    string
		upgrade bool
		send    []byte
		unread  bool
		wait    time.Duration
	}{
		{name: "accept"},
		{name: "handshake", send: get[:len(get)/2]},
		{name: "response", send: get, unread: true},
		{name: "open", upgrade: true},
		{name: "frame-header", upgrade: true, send: []byte{0x81, 0xfe}},
		{name: "frame", upgrade: true, send: big[:1000]},
		{name: "fragments", upgrade: true, send: wireOf(more(text("a"))).Bytes},
		{name: "echo", upgrade: true, send: big, unread: true},
		{name: "echo-in-flight", upgrade: true, send: big, unread: true, wait: 5 * time.Millisecond},
		{name: "closing", upgrade: true, send: wireOf(closing(1000, "")).Bytes, unread: true},
		{name: "failed", upgrade: true, send: wireOf(bare(text("x"))).Bytes, unread: true, wait: 5 * time.Millisecond},
	} {
		all = append(all, runDrill("T1/reset-"+s.name, "RFC 9293, 3.5.3", "RST in the state "+s.name+", 25 times", "an honest client is served as before",
			func(b *Bench) error {
				for range 25 {
					b.forget()
					c, err := b.dial()
					if err != nil {
						return err
					}
					if s.upgrade {
						c.listen(false)
						c.write(get)
						if e := c.next(b.o.Timeout); e.Kind != Response || e.Status != 101 {
							return &mismatch{e.String(), "response 101"}
						}
						if s.unread {
							c.pause()
							defer c.resume()
						}
					}
					c.write(s.send)
					time.Sleep(s.wait)
					c.abort()
				}
				c, err := b.open()
				if err != nil {
					return err
				}
				return b.finish(c, ending{how: alive})
			}))
	}
	return all
}

// smallBuffer is a receive buffer that fills soon; one smaller than a segment of
// the loopback device makes the kernel wait for timers.
const smallBuffer = 256 << 10

// burst keeps a window of messages in flight and reads in bursts.
func burst(b *Bench) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	c.tcp.SetReadBuffer(smallBuffer)
	p := noise(48 << 10)
	w := wireOf(dataFrame(opBinary, p)).Bytes
	for round := range 32 {
		c.pause()
		for range 8 {
			if err := c.write(w); err != nil {
				return &mismatch{err.Error(), "384 KiB accepted"}
			}
		}
		time.Sleep(time.Duration(round%5) * 2 * time.Millisecond)
		c.resume()
		for range 8 {
			if err := b.expect(c, wantData(opBinary, p)); err != nil {
				return fmt.Errorf("round %d: %w", round+1, err)
			}
		}
	}
	return b.finish(c, ending{how: alive})
}

// urgentByte: the kernel takes an urgent byte out of the stream unless the
// server asked for it in line; either is consistent.
func urgentByte(b *Bench) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	c.write(wireOf(text("one")).Bytes)
	if err := b.expect(c, wantText("one")); err != nil {
		return err
	}
	if err := c.urgent(0x83); err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond)
	c.write(wireOf(text("two")).Bytes)
	e := c.next(b.o.Timeout)
	if (expect{kind: Text, payload: []byte("two")}).meets(e) {
		return b.finish(c, ending{how: alive})
	}
	if wantClose(1002).meets(e) {
		return b.fin(c)
	}
	return &mismatch{e.String(), `text "two" or close 1002`}
}

func interleaved(b *Bench) error {
	const conns, rounds = 40, 25
	clients := make([]*Client, conns)
	for i := range clients {
		var err error
		if clients[i], err = b.open(); err != nil {
			return err
		}
	}
	errs := make([]error, conns)
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			var sends []part
			var wants []expect
			for r := range rounds {
				p := (fmt.Sprintf("%03d.%03d ", i, r) + string(filled(125)))[:125-r%3]
				sends, wants = append(sends, ping(p)), append(wants, wantPong(p))
			}
			c.write(wireOf(sends...).Bytes)
			if errs[i] = b.expect(c, wants...); errs[i] == nil {
				errs[i] = b.finish(c, ending{how: alive})
			}
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			b.clients = []*Client{clients[i]}
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return nil
}

// crossing: the client's Close is sent before it has read the server's, and may be
// read behind it. "If an endpoint receives a Close frame and did not previously
// send a Close frame, the endpoint MUST send a Close frame in response": it did.
func crossing(b *Bench) error {
	for i := range 40 {
		b.forget()
		c, err := b.open()
		if err != nil {
			return err
		}
		c.write(wireOf(bare(text("x"))).Bytes)
		time.Sleep(time.Duration(i%8) * 50 * time.Microsecond)
		c.write(wireOf(closing(1000, "")).Bytes)
		if err := b.finish(c, ending{closed, []uint16{1002}}); err != nil {
			return fmt.Errorf("run %d: %w", i+1, err)
		}
	}
	return nil
}

// smallUnread has very many frames wait: more than one system call takes, and
// less than it is asked to take.
func smallUnread(b *Bench) error {
	const count = 30_000
	c, err := b.open()
	if err != nil {
		return err
	}
	c.tcp.SetReadBuffer(smallBuffer)
	c.pause()
	message := func(i int) string { return fmt.Sprintf("%05d %s", i, filled(94))[:i%95+5] }
	var w Wire
	for i := range count {
		text(message(i)).appendPart(&w)
	}
	sent := make(chan error, 1)
	go func() { sent <- c.write(w.Bytes) }()
	select {
	case err = <-sent:
	case <-time.After(time.Second): // back-pressure: both sides wait, until we read
		c.resume()
		err = <-sent
	}
	c.resume()
	if err != nil {
		return &mismatch{err.Error(), "messages that are taken once the client reads"}
	}
	for i := range count {
		if err := b.expect(c, wantText(message(i))); err != nil {
			return fmt.Errorf("message %d of %d: %w", i+1, count, err)
		}
	}
	return b.finish(c, ending{how: alive})
}
