package torture

import (
	"fmt"
	"time"
)

// processCases are judged by the server's memory and CPU, and need its process id.
// Rows F1, F4, F13, F15.
func processCases(o *Options) []Case {
	n := o.MaxMessage
	if n < 0 {
		n = 1 << 20
	}
	all := []Case{
		runDrill("F4/announce-200", "10.4", fmt.Sprintf("200 connections that announce %d bytes and send 16", n),
			"at most 16 MiB more of memory", func(b *Bench) error { return announced(b, n, 200) }),
		runDrill("R16/idle", "-", "1,000 connections on which nothing happens", "at most 32 KiB of memory for each, and 16 MiB", idle),
	}
	if (o.MaxMessage < 0 || o.MaxMessage >= 8<<20) && (o.MaxFragments < 0 || o.MaxFragments >= 96_000) {
		all = append(all, proportionCases()...)
	}
	for i := range all {
		all[i].pid = true
		all[i] = all[i].byItself()
	}
	return all
}

// proportionCases: the work for a message grows with its size, not with its square.
func proportionCases() []Case {
	return []Case{
		runDrill("F15/bytes", "10.4", "a text in n and in 8n writes of one byte", "CPU time that grows in proportion",
			func(b *Bench) error { return linear(b, oneByteWrites, 4_000) }),
		runDrill("F15/fragments", "10.4", "a text in n and in 8n fragments of one byte", "CPU time that grows in proportion",
			func(b *Bench) error { return linear(b, oneByteFragments, 12_000) }),
		runDrill("F15/partial-frame", "10.4", "a frame of n and of 8n KiB in writes of 1 KiB", "CPU time that grows in proportion",
			func(b *Bench) error { return linear(b, smallWrites, 1<<20) }),
	}
}

// announced: memory grows with the bytes received, not with those announced.
func announced(b *Bench, size, conns int) error {
	before, err := b.process.resident()
	if err != nil {
		return err
	}
	w := wireOf(header(announce(data(opBinary, ""), uint64(size))), Raw(noise(16))).Bytes
	for range conns {
		c, err := b.open()
		if err != nil {
			return err
		}
		c.write(w)
	}
	time.Sleep(300 * time.Millisecond)
	after, err := b.process.resident()
	if err != nil {
		return err
	}
	const allowed = 16 << 20
	if after-before > allowed {
		return &mismatch{fmt.Sprintf("%d MiB more", (after-before)>>20), fmt.Sprintf("at most %d MiB", allowed>>20)}
	}
	return nil
}

// linear plays a load of n and of 8n. Work that is quadratic costs 64 times as
// much for the second; the bound of 24 leaves room for noise.
func linear(b *Bench, load func(b *Bench, n int) error, n int) error {
	var cost [2]time.Duration
	for i, size := range []int{n, 8 * n} {
		before, err := b.process.cpu()
		if err != nil {
			return err
		}
		if err := load(b, size); err != nil {
			return err
		}
		after, err := b.process.cpu()
		if err != nil {
			return err
		}
		cost[i] = after - before
	}
	// Ticks are 10 ms: a small first figure is rounded up so that noise cannot fail it.
	if first := max(cost[0], 30*time.Millisecond); cost[1] > 24*first {
		return &mismatch{fmt.Sprintf("%v for %d and %v for %d", cost[0], n, cost[1], 8*n), "proportion"}
	}
	return nil
}

func oneByteWrites(b *Bench, n int) error {
	p := filled(n)
	return echoed(b, wireOf(dataFrame(opText, p)).Bytes, 1, wantData(opText, p))
}

func oneByteFragments(b *Bench, n int) error {
	p := filled(n)
	return echoed(b, wireOf(fragmented(opText, p, 1)...).Bytes, 64<<10, wantData(opText, p))
}

func smallWrites(b *Bench, n int) error {
	p := filled(n)
	return echoed(b, wireOf(dataFrame(opText, p)).Bytes, 1024, wantData(opText, p))
}

func echoed(b *Bench, w []byte, chop int, want expect) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	c.chop(w, chop)
	if err := b.expect(c, want); err != nil {
		return err
	}
	return b.finish(c, ending{how: alive})
}

// idle: what costs little must not cost much where there are many of it. A
// goroutine or two and buffers for each are within the bound.
func idle(b *Bench) error {
	const conns, each, rest = 1000, 32 << 10, 16 << 20
	before, err := b.process.resident()
	if err != nil {
		return err
	}
	for range conns {
		if _, err := b.open(); err != nil {
			return err
		}
	}
	after, err := b.process.resident()
	if err != nil {
		return err
	}
	if after-before > conns*each+rest {
		return &mismatch{fmt.Sprintf("%d KiB for each", (after-before)/conns>>10), "at most 32 KiB, and 16 MiB in all"}
	}
	return nil
}
