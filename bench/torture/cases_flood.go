package torture

import (
	"bytes"
	"fmt"
	"time"
)

// floodCases: more than a client needs to send. Rows F26, F27.
func floodCases(o *Options) []Case {
	return []Case{
		runDrill("F26/pings-1000", "5.5.2, 5.5.3", "1,000 pings of 125 bytes in one write, the client reading",
			"1,000 pongs in order", func(b *Bench) error { return pingFlood(b, 1000) }),
		runDrill("F26/pings-unread", "5.5.3, 10.4", "30,000 pings of 125 bytes from a client that does not read until they are sent",
			"pongs in the order of the pings, none twice, the last one among them; or Close 1008 or 1013, then FIN",
			func(b *Bench) error { return unreadFlood(b, 30_000) }),
		runDrill("F27/pongs-100000", "5.5.3", "100,000 pongs that nobody asked for",
			"no answer; the connection goes on", func(b *Bench) error { return pongFlood(b, 100_000) }),
		runDrill("T4/unread-echoes", "10.4", "up to 256 MiB of messages from a client that does not read",
			"the server stops reading, or ends the connection; once the client reads, whole messages in order", unreadEchoes).byItself(),
	}
}

// numbered is a ping's payload of 125 bytes.
func numbered(i int) []byte { return fmt.Appendf(nil, "%0125d", i) }

func pingFlood(b *Bench, n int) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	var w Wire
	var wants []expect
	for i := range n {
		dataFrame(opPing, numbered(i)).appendPart(&w)
		wants = append(wants, wantPong(string(numbered(i))))
	}
	c.write(w.Bytes)
	if err := b.expect(c, wants...); err != nil {
		return err
	}
	return b.finish(c, ending{how: alive})
}

// unreadFlood does not read while it sends: the server may stop reading too,
// answer only the latest of the pings (RFC 6455, 5.5.3), or end the connection.
func unreadFlood(b *Bench, n int) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	c.pause()
	var w Wire
	for i := range n {
		dataFrame(opPing, numbered(i)).appendPart(&w)
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
	next := 0
	for next < n {
		e := c.next(b.o.Timeout)
		switch {
		case wantClose(1008, 1013).meets(e):
			return b.fin(c)
		case e.Kind == Reset && err != nil:
			return &mismatch{e.String(), "Close 1008 or 1013 before the end"}
		case e.Kind != Pong:
			return &mismatch{e.String(), fmt.Sprintf("a pong for ping %d or a later one", next)}
		}
		for next < n && !bytes.Equal(e.Payload, numbered(next)) {
			next++
		}
		if next == n {
			return &mismatch{e.String() + " that answers no ping still open", "pongs in order"}
		}
		next++
	}
	return b.finish(c, ending{how: alive})
}

func pongFlood(b *Bench, n int) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	c.write(bytes.Repeat(wireOf(masked(pong(""), mask0)).Bytes, n))
	return b.finish(c, ending{how: alive})
}

// unreadEchoes: row T4 with an echo server: what it cannot send it must not
// collect without end.
func unreadEchoes(b *Bench) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	c.tcp.SetReadBuffer(smallBuffer)
	c.pause()
	const size, count = 64 << 10, 4096
	before := int64(0)
	if b.process != nil {
		before, _ = b.process.resident()
	}
	sent := make(chan struct{})
	c.limit = 2 * time.Second
	go func() {
		defer close(sent)
		p := noise(size)
		for i := range count {
			p[0], p[1] = byte(i), byte(i>>8)
			if c.write(wireOf(dataFrame(opBinary, p)).Bytes) != nil {
				return
			}
		}
	}()
	<-sent
	if b.process != nil {
		if after, err := b.process.resident(); err == nil && after-before > 160<<20 {
			return &mismatch{fmt.Sprintf("%d MiB more of memory for one client that does not read", (after-before)>>20), "a bounded queue"}
		}
	}
	c.resume()
	for i := 0; ; i++ {
		e := c.next(2 * time.Second)
		if e.Kind != Binary {
			if e.Kind == Violation && e.over() || e.Kind == Text || e.Kind == Pong {
				return &mismatch{e.String(), "whole messages in order, then silence or an end"}
			}
			return nil
		}
		if len(e.Payload) != size || int(e.Payload[0])|int(e.Payload[1])<<8 != i {
			return &mismatch{fmt.Sprintf("%v for message %d", e, i), "whole messages in order"}
		}
	}
}
