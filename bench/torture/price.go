package torture

import (
	"bytes"
	"fmt"
	"os"
	"time"
	"unicode/utf8"
)

// price is what honest clients cost the server: a connection with its
// handshakes, a message that comes alone, a byte of messages that come in bulk;
// a call over HTTP, and an event that reaches a subscriber, where there are such.
type price struct{ conn, write, byte, call, event time.Duration }

// swell is how many bytes compressed ones may become in a server that does no
// more than it must: before it knows that they are too many, or for its echo,
// which it compresses again.
type swell struct{ inflated, echoed int64 }

// price is what that many bytes may cost: with memory that is new each time, a
// gigabyte of zeros in a second, and a tenth of it compressed.
func (s swell) price() time.Duration {
	return time.Duration(s.inflated)*time.Nanosecond + time.Duration(s.echoed)*10*time.Nanosecond
}

// amplification is how many times as much a hostile client may cost as an honest
// one that opens as many connections, and sends as often and as much (U7).
const amplification = 4

const (
	costSlack   = 300 * time.Millisecond // of CPU in a round: timers, collections, other people's noise
	memorySlack = 96 << 20               // of resident memory: buffers in pools, a collection that comes late
)

// of is the price of a load.
func (p price) of(l load) time.Duration {
	return time.Duration(l.conns)*p.conn + time.Duration(l.writes)*p.write + time.Duration(l.bytes)*p.byte +
		time.Duration(l.calls)*p.call + time.Duration(l.events)*p.event
}

// appraise measures the prices.
func (w *watch) appraise() error {
	b := &Bench{o: w.o}
	defer b.hangUp()
	spend := func(n int, do func() error) (time.Duration, error) {
		before, err := w.process.cpu()
		if err != nil {
			return 0, err
		}
		if err := do(); err != nil {
			return 0, err
		}
		time.Sleep(20 * time.Millisecond) // what is left of it
		after, err := w.process.cpu()
		return max(1, (after-before)/time.Duration(n)), err
	}
	var err error
	const conns, writes, small = 100, 300, 20_000
	if w.price.conn, err = spend(conns, func() error {
		for range conns {
			c, err := b.open()
			if err != nil {
				return err
			}
			if err := b.finish(c, ending{how: alive}); err != nil {
				return err
			}
			b.forget()
		}
		return nil
	}); err != nil {
		return err
	}
	c, err := b.open()
	if err != nil {
		return err
	}
	beat, answer := w.o.dialect.beat()
	one := wireOf(beat).Bytes
	if w.price.write, err = spend(writes, func() error {
		for range writes {
			c.write(one)
			if err := b.expect(c, answer); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if w.price.byte, err = spend(small*len(one), func() error {
		go c.write(bytes.Repeat(one, small))
		for range small {
			if err := b.expect(c, answer); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return w.o.dialect.appraise(b, &w.price, spend)
}

// checkCost: work grows with what is sent, no faster than for honest clients.
func (w *watch) checkCost() *broken {
	if w.process == nil || w.noPrice {
		return nil
	}
	now, err := w.process.cpu()
	if err != nil {
		return nil // the process has ended, which is another's to say
	}
	sent := w.o.tally.load().sub(w.last.load)
	spent, may := now-w.last.cpu, amplification*w.price.of(sent)+w.swells.price()+costSlack
	if spent <= may {
		return nil
	}
	return &broken{id: "U7/cpu", got: fmt.Sprintf("%v of CPU for %d connections, %d writes, %d bytes", spent, sent.conns, sent.writes, sent.bytes),
		want: fmt.Sprintf("at most %v, %d times the price of honest clients", may, amplification)}
}

// checkPeak: memory grows with what is sent, and not by more than a multiple.
func (w *watch) checkPeak() *broken {
	peak, err := w.process.peak()
	if err != nil || w.noPeak {
		return nil
	}
	sent := w.o.tally.load().sub(w.last.load).bytes
	grown, may := peak-w.last.memory, amplification*sent+memorySlack+w.swells.inflated+w.swells.echoed
	if grown <= may {
		return nil
	}
	return &broken{id: "U7/memory", got: fmt.Sprintf("%d MiB more at its peak, for %d KiB received", grown>>20, sent>>10),
		want: fmt.Sprintf("at most %d MiB", may>>20)}
}

// logLinesPerSecond is what a server may log of what clients do; a burst of as
// many is free.
const logLinesPerSecond = 10

// checkLog: U5. The log grows by few lines, and no byte of a client's gets into
// it that a terminal would obey.
func (w *watch) checkLog() *broken {
	f, err := os.Open(w.o.Log)
	if err != nil {
		return &broken{id: "U5/log", got: err.Error(), want: "a log"}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() <= w.last.logged {
		return nil
	}
	const most = 1 << 20
	b := make([]byte, min(info.Size()-w.last.logged, most))
	n, _ := f.ReadAt(b, w.last.logged)
	b = b[:n]
	lines := bytes.Count(b, []byte("\n"))
	may := int(time.Since(w.last.at).Seconds()*logLinesPerSecond) + logLinesPerSecond
	switch {
	case lines > may || n == most:
		return &broken{id: "U5/log", got: fmt.Sprintf("%d lines, %d bytes, beginning with %q", lines, n, b[:min(n, 200)]), want: fmt.Sprintf("at most %d lines", may)}
	case !utf8.Valid(b) || bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }):
		return &broken{id: "U5/log", got: fmt.Sprintf("%q", b[:min(n, 200)]), want: "no control characters"}
	}
	return nil
}
