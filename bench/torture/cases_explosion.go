package torture

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// explosionCases: more of everything than there is room for. Rows R10, R11, R12.
func explosionCases(p *pusher) []Case {
	return []Case{
		runDrill("R10/channels", "-", fmt.Sprintf("%d subscriptions of one connection", p.Channels+100),
			fmt.Sprintf("%d of them, an error for each further one, and no channel when the connection is gone", p.Channels), explosion).byItself(),
		runDrill("R10/loop", "-", "10,000 times subscribe and unsubscribe, as fast as they are taken", "10,000 successes, and no channel left", subscriptionLoop).byItself(),
		runDrill("R10/crowd", "-", "300 connections with 20 channels each, all reset at once", "no channel left", resetCrowd).byItself(),
		runDrill("R11/names", "-", "1,000 channels, 300 events, 100 keys and User-Agents, 100 status codes, all of them new", "answers, and no metric that was not there before", endlessNames).byItself(),
		runDrill("R12/flood", "-", "200 refused handshakes, 2,000 mistakes and 1,000 forged authorisations, with line ends and escapes in them", "an answer to each, and a short log", refusalFlood).byItself(),
	}
}

// pour sends messages in one write while their answers are read, and judges each.
func (b *Bench) pour(c *Client, n int, say func(i int) []part, want func(i int) expect) error {
	var all []part
	for i := range n {
		all = append(all, say(i)...)
	}
	go c.write(wireOf(all...).Bytes)
	for i := range n {
		if err := b.expect(c, want(i)); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

// occupied waits until a prefix has so many channels.
func (b *Bench) occupied(prefix string, want int) error {
	phone, err := b.phone()
	if err != nil {
		return err
	}
	for end := time.Now().Add(b.o.Timeout); ; time.Sleep(5 * time.Millisecond) {
		made := b.push().call("GET", "channels").with("filter_by_prefix", prefix).sign(b.push().App)
		e, err := b.ask(phone, made, http.StatusOK, "")
		if err != nil {
			return err
		}
		got := strings.Count(string(e.Payload), `"`+prefix)
		if got == want {
			return nil
		}
		if time.Now().After(end) {
			return &mismatch{fmt.Sprintf("%d channels that begin with %s", got, prefix), fmt.Sprint(want)}
		}
	}
}

func explosion(b *Bench) error {
	limit, prefix := b.push().Channels, b.channel("explosion")
	c, err := b.open()
	if err != nil {
		return err
	}
	name := func(i int) string { return fmt.Sprintf("%s-%d", prefix, i) }
	err = b.pour(c, limit+100, func(i int) []part { return []part{text(subscribing(name(i)))} }, func(i int) expect {
		if i < limit {
			return wantSaid(succeeded(name(i)))
		}
		return wantSaid(denied)
	})
	if err != nil {
		return err
	}
	if err := b.occupied(prefix, limit); err != nil {
		return err
	}
	c.write(wireOf(text(unsubscribing(name(0)))).Bytes) // for the last words
	if err := b.finish(c, ending{how: alive}); err != nil {
		return err
	}
	return b.occupied(prefix, 0)
}

func subscriptionLoop(b *Bench) error {
	prefix := b.channel("loop")
	c, err := b.open()
	if err != nil {
		return err
	}
	name := func(i int) string { return fmt.Sprintf("%s-%d", prefix, i%2000) }
	err = b.pour(c, 10_000, func(i int) []part { return []part{text(subscribing(name(i))), text(unsubscribing(name(i)))} },
		func(i int) expect { return wantSaid(succeeded(name(i))) })
	if err != nil {
		return err
	}
	if err := b.finish(c, ending{how: alive}); err != nil {
		return err
	}
	return b.occupied(prefix, 0)
}

func resetCrowd(b *Bench) error {
	const crowd, each = 300, 20
	prefix := b.channel("crowd")
	var all []*Client
	for i := range crowd {
		c, err := b.open()
		if err != nil {
			return err
		}
		name := func(n int) string { return fmt.Sprintf("%s-%d-%d", prefix, i, n) }
		err = b.pour(c, each, func(n int) []part { return []part{text(subscribing(name(n)))} }, func(n int) expect { return wantSaid(succeeded(name(n))) })
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	if err := b.occupied(prefix, crowd*each); err != nil {
		return err
	}
	for _, c := range all {
		c.abort()
	}
	return b.occupied(prefix, 0)
}

// endlessNames: whatever clients choose, there is a lot of it.
func endlessNames(b *Bench) error {
	prefix := b.channel("names")
	c, err := b.open()
	if err != nil {
		return err
	}
	name := func(i int) string { return fmt.Sprintf("%s-%x", prefix, i*2654435761) }
	err = b.pour(c, 1000, func(i int) []part { return []part{text(subscribing(name(i))), text(unsubscribing(name(i)))} },
		func(i int) expect { return wantSaid(succeeded(name(i))) })
	if err != nil {
		return err
	}
	phone, err := b.phone()
	if err != nil {
		return err
	}
	for i := range 300 {
		if _, err := b.ask(phone, b.push().publish(name(i), "{}", name(i)), http.StatusOK, ""); err != nil {
			return err
		}
	}
	for i := range 100 {
		if err := b.strange(i); err != nil {
			return err
		}
		c, err := b.open()
		if err != nil {
			return err
		}
		code := uint16(3000 + 19*i)
		c.write(wireOf(closing(code, name(i))).Bytes)
		if err := b.expect(c, wantClose(code)); err != nil {
			return err
		}
		c.close()
	}
	return nil
}

// strange is a handshake with a key and fields that nobody has used before.
func (b *Bench) strange(i int) error {
	c, err := b.dial()
	if err != nil {
		return err
	}
	c.listen(false)
	path, _, _ := strings.Cut(b.o.path, "/app/")
	c.write(b.o.request().asks(fmt.Sprintf("GET %s/app/nobody-%d?protocol=7&client=c%d HTTP/1.1", path, i, i)).
		with(fmt.Sprintf("User-Agent: agent/%d \u009b31m", i), fmt.Sprintf("X-Forwarded-For: 10.0.0.%d", i)).bytes())
	if e := c.next(b.o.Timeout); e.Kind != Response || e.Status != http.StatusSwitchingProtocols {
		return &mismatch{e.String(), "response 101"}
	}
	if err := b.expect(c, wantSaid(complaint(4001)), wantClose(4001)); err != nil {
		return err
	}
	c.close()
	return nil
}

// refusalFlood has a server find much to write about.
func refusalFlood(b *Bench) error {
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		own := &Bench{o: b.o}
		defer own.hangUp()
		all.Go(func() {
			for n := range 50 {
				if errs[i] = own.strange(1000*i + n); errs[i] != nil {
					return
				}
			}
			c, err := own.open()
			if errs[i] = err; err != nil {
				return
			}
			const forged = "\x1b[31m\r\nlevel=ERROR forged\u2028"
			errs[i] = own.pour(c, 750, func(n int) []part {
				if n%3 == 0 {
					return []part{text(`{"event":"pusher:subscribe","data":{"channel":"private-x","auth":` + quoteJSON(own.push().Key+":"+forged) + `}}`)}
				}
				return []part{text(`{"event":` + quoteJSON(forged+fmt.Sprint(n)) + `,"channel":` + quoteJSON(forged) + `}`)}
			}, func(n int) expect {
				if n%3 == 0 {
					return wantSaid(denied)
				}
				return wantSaid(mistaken)
			})
			if errs[i] == nil {
				errs[i] = own.finish(c, ending{how: alive})
			}
		})
	}
	all.Wait()
	return firstOf(errs)
}
