package torture

import (
	"bytes"
	"fmt"
	"sync"
	"time"
)

// crowdCases: what many connections do to each other. Rows T9, T10, T12, T15,
// T16, T18, U4.
func crowdCases() []Case {
	all := []Case{
		runDrill("T9/churn", "RFC 9293, 3.6", "24 clients that connect, speak, reset and come back for two seconds, while 8 echo messages of their own",
			"every echo on the connection it belongs to", churn),
		runDrill("T15/hogs", "10.4", "4 clients that send small messages as fast as they are taken, and one that sends now and then",
			"every echo of the quiet one", hogs),
		runDrill("T16/halves", "10.4", "600 clients with half a request head or half a frame each, then one with a message", "its echo", halves),
		runDrill("T18/crowd-500", "4.2", "500 clients that connect in one moment", "500 handshakes and echoes", func(b *Bench) error { return crowd(b, 500) }),
	}
	inherited := runDrill("T10/close-on-exec", "-", "20 connections", "no descriptor that a child process would inherit, but those the server was started with", inheritable)
	signalled := runDrill("T12/signals", "-", "64 KiB messages while the server's process gets signals that it has no use for", "every echo", signals)
	inherited.pid, signalled.pid = true, true
	all = append(all, inherited, signalled)
	for i := range all {
		all[i] = all[i].byItself()
	}
	return all
}

// churn has descriptors given out again and again: an event or an answer that
// is late would meet another connection under the same number.
func churn(b *Bench) error {
	const honest, rude = 8, 24
	until := time.Now().Add(2 * time.Second)
	errs := make([]error, honest)
	var all sync.WaitGroup
	for i := range rude {
		all.Go(func() {
			own := &Bench{o: b.o}
			defer own.hangUp()
			for n := 0; time.Now().Before(until); n++ {
				own.forget()
				c, err := own.dial()
				if err != nil {
					return
				}
				c.listen(false)
				switch n % 4 {
				case 0:
					c.write(b.o.request().bytes()[:30])
				case 1:
					c.write(b.o.request().then(text(fmt.Sprintf("rude %d %d", i, n))).bytes())
				case 2:
					c.write(b.o.request().then(Raw(wireOf(text(fmt.Sprintf("half %d %d", i, n))).Bytes[:9])).bytes())
				case 3:
					c.write(b.o.request().then(data(3, "bad")).bytes())
				}
				time.Sleep(time.Duration(n%3) * time.Millisecond)
				c.abort()
			}
		})
	}
	for i := range honest {
		c, err := b.open()
		if err != nil {
			return err
		}
		all.Go(func() {
			for n := 0; time.Now().Before(until) && errs[i] == nil; n++ {
				p := fmt.Sprintf("honest %d %d", i, n)
				c.write(wireOf(text(p)).Bytes)
				errs[i] = b.expect(c, wantText(p))
			}
			if errs[i] == nil {
				errs[i] = b.finish(c, ending{how: alive})
			}
		})
	}
	all.Wait()
	return firstOf(errs)
}

func firstOf(errs []error) error {
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return nil
}

// hogs: a connection that always has something to say must leave others their turn.
func hogs(b *Bench) error {
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		c, err := b.open()
		if err != nil {
			return err
		}
		batch := bytes.Repeat(wireOf(text("hog")).Bytes, 2000)
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if c.write(batch) != nil {
					return
				}
				for range 2000 {
					if e := c.next(b.o.Timeout); e.Kind != Text {
						return
					}
				}
			}
		})
	}
	defer all.Wait()
	defer close(stop)
	quiet, err := b.open()
	if err != nil {
		return err
	}
	for n := range 20 {
		p := fmt.Sprintf("quiet %d", n)
		quiet.write(wireOf(text(p)).Bytes)
		if err := b.expect(quiet, wantText(p)); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return b.finish(quiet, ending{how: alive})
}

// halves: whoever is not finished must keep nobody waiting.
func halves(b *Bench) error {
	for i := range 600 {
		c, err := b.dial()
		if err != nil {
			return err
		}
		if i%2 == 0 {
			c.write(b.o.request().bytes()[:60])
			continue
		}
		c.write(b.o.request().then(Raw(wireOf(text("half of a frame")).Bytes[:10])).bytes())
	}
	c, err := b.open()
	if err != nil {
		return err
	}
	return b.finish(c, ending{how: alive})
}

// crowd: everybody comes back at once, as after a restart.
func crowd(b *Bench, n int) error {
	errs := make([]error, n)
	own := make([]*Bench, n)
	var all sync.WaitGroup
	for i := range n {
		own[i] = &Bench{o: b.o}
		all.Go(func() {
			var c *Client
			if c, errs[i] = own[i].open(); errs[i] == nil {
				errs[i] = own[i].finish(c, ending{how: alive})
			}
			own[i].hangUp()
		})
	}
	all.Wait()
	return firstOf(errs)
}

// inheritable looks at the descriptors of the server while it has clients.
func inheritable(b *Bench) error {
	const clients = 20
	before, err := b.process.inheritable()
	if err != nil {
		return err
	}
	for range clients {
		if _, err := b.open(); err != nil {
			return err
		}
	}
	after, err := b.process.inheritable()
	if err != nil {
		return err
	}
	if after > before || before > clients {
		return &mismatch{fmt.Sprintf("%d, and %d before", after, before), "no more than it was started with"}
	}
	return nil
}

// signals interrupts system calls and goroutines with signals that are ignored
// unless somebody asked for them.
func signals(b *Bench) error {
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				b.process.disturb()
			}
		}
	})
	defer all.Wait()
	defer close(stop)
	c, err := b.open()
	if err != nil {
		return err
	}
	for n := range 200 {
		p := noise(64 << 10)
		p[0] = byte(n)
		c.write(wireOf(dataFrame(opBinary, p)).Bytes)
		if err := b.expect(c, wantData(opBinary, p)); err != nil {
			return err
		}
	}
	return b.finish(c, ending{how: alive})
}
