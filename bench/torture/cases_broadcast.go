package torture

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// broadcastCases: one event for many. Rows B1 to B7, B9, R8.
func broadcastCases() []Case {
	return []Case{
		runDrill("B1/stuck", "-", "900 events of 8 KiB for 6 subscribers that read and 3 that do not", "a publisher that is never told no, every event for those who read, and for those who do not an end, or every event", stuck).byItself(),
		runDrill("B2/order", "-", "600 events of one publisher for 8 subscribers", "every event, in order", func(b *Bench) error { return ordered(b, 1, 600) }),
		runDrill("B3/publishers", "-", "8 publishers of 100 events each at once, for 8 subscribers", "each publisher's in its order, and the same order for all subscribers", func(b *Bench) error { return ordered(b, 8, 100) }),
		runDrill("B4/bursts", "-", "200 events of 8 KiB for a subscriber that reads now and then", "every event, or an end", bursts),
		runDrill("B5/interleaved", "5.4, 5.5", "events of 8 KiB for a subscriber that sends pings all the while, and closes in the middle", "whole messages, a pong for every ping in order, one close and nothing behind it", pingsAmidEvents),
		runDrill("B6/verbatim", "-", "events with data of every kind for 8 subscribers", "the same data, for each of them", verbatim),
		runDrill("B7/come-and-go", "-", "3 clients that subscribe and unsubscribe while events are published without a pause", "nothing before the success, no gap, and nothing behind the end", comeAndGo),
		runDrill("B9/crowd", "-", "10 events of 2 KiB for 300 subscribers, while another channel has its own events", "every event for all of them, and the other channel's", crowdedChannel).byItself(),
		runDrill("R8/publish-and-close", "5.5.1", "30 subscribers that close while events are published to them", "whole messages, then one close, and nothing behind it", publishAndClose),
	}
}

// stuck: a subscriber that does not read must hurt nobody but itself.
func stuck(b *Bench) error {
	const honest, rude, events = 6, 3, 900
	size := min(8<<10, b.push().Data/2)
	channel := b.channel("stuck")
	slow, err := b.listeners(rude, channel)
	if err != nil {
		return err
	}
	for _, c := range slow {
		c.tcp.SetReadBuffer(smallBuffer)
		c.pause()
	}
	good, err := b.listeners(honest, channel)
	if err != nil {
		return err
	}
	phone, err := b.phone()
	if err != nil {
		return err
	}
	errs := make([]error, honest)
	var all sync.WaitGroup
	for i, c := range good {
		all.Go(func() { errs[i] = b.hears(c, &hearing{channel: channel}, events) })
	}
	err = b.publishes(phone, "one", 0, events, size, channel)
	all.Wait()
	if err == nil {
		err = firstOf(errs)
	}
	for _, c := range slow {
		c.resume()
		if err == nil {
			err = b.noGap(c, channel, events)
		}
	}
	return err
}

// noGap wants every event, or as many as came before the end of the connection.
func (b *Bench) noGap(c *Client, channel string, events int) error {
	h := &hearing{channel: channel}
	for len(h.order) < events {
		e := c.next(b.o.Timeout)
		if tooSlow(e) {
			return nil
		}
		if err := h.take(e); err != nil {
			return fmt.Errorf("after %d events of a connection that was slow: %w", len(h.order), err)
		}
	}
	return nil
}

// tooSlow reports whether a connection has ended in a way that fits one that did
// not read: by a policy, or with a code that has clients come back.
func tooSlow(e Event) bool {
	return e.Kind == EOF || e.Kind == Reset || e.Kind == Close && (e.Code == 1008 || e.Code == 1013 || e.Code >= 4100 && e.Code < 4300)
}

// ordered has publishers publish at once.
func ordered(b *Bench, publishers, events int) error {
	channel := b.channel("ordered")
	subscribers, err := b.listeners(8, channel)
	if err != nil {
		return err
	}
	errs := make([]error, publishers+len(subscribers))
	heard := make([]hearing, len(subscribers))
	phones := make([]*Client, publishers)
	for i := range phones {
		if phones[i], err = b.phone(); err != nil {
			return err
		}
	}
	var all sync.WaitGroup
	for i, phone := range phones {
		all.Go(func() { errs[i] = b.publishes(phone, fmt.Sprint("p", i), 0, events, 40, channel) })
	}
	for i, c := range subscribers {
		heard[i].channel = channel
		all.Go(func() { errs[publishers+i] = b.hears(c, &heard[i], publishers*events) })
	}
	all.Wait()
	if err := firstOf(errs); err != nil {
		return err
	}
	for i := range heard {
		for from, next := range heard[i].next {
			if next != events {
				return &mismatch{fmt.Sprintf("%d events of %s", next, from), fmt.Sprint(events)}
			}
		}
		if !slices.Equal(heard[i].order, heard[0].order) {
			return &mismatch{"another order for subscriber " + fmt.Sprint(i), "the same for all"}
		}
	}
	for _, c := range subscribers {
		if err := b.finish(c, ending{how: alive}); err != nil {
			return err
		}
	}
	return nil
}

// bursts: a window that closes and opens again.
func bursts(b *Bench) error {
	const events = 200
	channel := b.channel("bursts")
	subscribers, err := b.listeners(1, channel)
	if err != nil {
		return err
	}
	c := subscribers[0]
	c.tcp.SetReadBuffer(smallBuffer)
	phone, err := b.phone()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		done <- b.publishes(phone, "one", 0, events, min(8<<10, b.push().Data/2), channel)
	}()
	for range 5 {
		c.pause()
		time.Sleep(20 * time.Millisecond)
		c.resume()
		time.Sleep(5 * time.Millisecond)
	}
	if err := <-done; err != nil {
		return err
	}
	return b.noGap(c, channel, events)
}

// pingsAmidEvents has two writers for one connection: events, and answers to pings.
func pingsAmidEvents(b *Bench) error {
	const events, pings = 200, 150
	channel := b.channel("interleaved")
	subscribers, err := b.listeners(1, channel)
	if err != nil {
		return err
	}
	c := subscribers[0]
	phone, err := b.phone()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		done <- b.publishes(phone, "one", 0, events, min(8<<10, b.push().Data/2), channel)
	}()
	go func() {
		for i := range pings {
			c.write(wireOf(ping(fmt.Sprint(i))).Bytes)
		}
	}()
	h, answered := &hearing{channel: channel}, 0
	for answered < pings || len(h.order) < events/2 {
		e := c.next(b.o.Timeout)
		if answered < pings && wantPong(fmt.Sprint(answered)).meets(e) {
			answered++
			continue
		}
		if err := h.take(e); err != nil {
			return fmt.Errorf("after %d pongs and %d events: %w", answered, len(h.order), err)
		}
	}
	err = b.closesAmid(c, h)
	if wrong := <-done; err == nil {
		err = wrong
	}
	return err
}

// closesAmid closes a connection that events are still coming on.
func (b *Bench) closesAmid(c *Client, h *hearing) error {
	c.write(wireOf(closing(1000, "")).Bytes)
	for {
		e := c.next(b.o.Timeout)
		if wantClose(1000).meets(e) {
			return b.fin(c)
		}
		if err := h.take(e); err != nil {
			return fmt.Errorf("before the close: %w", err)
		}
	}
}

// verbatim: one encoding is shared by all who get it.
func verbatim(b *Bench) error {
	channel := b.channel("verbatim")
	subscribers, err := b.listeners(8, channel)
	if err != nil {
		return err
	}
	phone, err := b.phone()
	if err != nil {
		return err
	}
	for _, data := range []string{"", " ", "{}", "null", `"`, `\`, `\u0041`, "<script>&amp;\u2028\u2029", "\x00\x01\x1f\x7f", "\b\f\n\r\t", "ü€😀", "\ufeff", "\ufffd",
		`{"event":"pusher:error","data":{"code":4001}}`, stamped("verbatim", 1, 5000)} {
		if _, err := b.ask(phone, b.push().publish("verbatim", data, channel), 200, ""); err != nil {
			return err
		}
		for _, c := range subscribers {
			if err := b.expect(c, wantSaid(said{event: "verbatim", channel: channel}.exactly(data))); err != nil {
				return err
			}
		}
	}
	for _, c := range subscribers {
		if err := b.finish(c, ending{how: alive}); err != nil {
			return err
		}
	}
	return nil
}

// comeAndGo: what a subscription begins and ends with.
func comeAndGo(b *Bench) error {
	const clients, rounds = 3, 30
	channel := b.channel("come-and-go")
	phone, err := b.phone()
	if err != nil {
		return err
	}
	stop, published := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				published <- nil
				return
			default:
			}
			if err := b.publishes(phone, "one", n, n+1, 60, channel); err != nil {
				published <- err
				return
			}
		}
	}()
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		c, err := b.open()
		if err != nil {
			errs[i] = err
			break
		}
		all.Go(func() {
			for round := range rounds {
				if errs[i] = b.passesBy(c, channel); errs[i] != nil {
					errs[i] = fmt.Errorf("round %d: %w", round, errs[i])
					return
				}
			}
			errs[i] = b.finish(c, ending{how: alive})
		})
	}
	all.Wait()
	close(stop)
	if err := <-published; err != nil {
		return err
	}
	return firstOf(errs)
}

// passesBy subscribes, hears a few events, and leaves. The pong tells that the
// server has read that.
func (b *Bench) passesBy(c *Client, channel string) error {
	if err := b.joins(c, channel); err != nil {
		return err
	}
	h := &hearing{channel: channel}
	if err := b.hears(c, h, 3); err != nil {
		return err
	}
	beat, answer := b.o.dialect.beat()
	c.write(wireOf(text(unsubscribing(channel)), beat).Bytes)
	for {
		e := c.next(b.o.Timeout)
		if answer.meets(e) {
			return nil
		}
		if err := h.take(e); err != nil {
			return err
		}
	}
}

// crowdedChannel: a large channel must leave others their turn.
func crowdedChannel(b *Bench) error {
	const crowd, events, others = 300, 10, 40
	size := min(2<<10, b.push().Data/2)
	large, small := b.channel("crowded"), b.channel("small")
	many, err := b.listeners(crowd, large)
	if err != nil {
		return err
	}
	few, err := b.listeners(1, small)
	if err != nil {
		return err
	}
	errs := make([]error, crowd+2)
	var all sync.WaitGroup
	phones := make([]*Client, 2)
	for i := range phones {
		if phones[i], err = b.phone(); err != nil {
			return err
		}
	}
	all.Go(func() { errs[crowd] = b.publishes(phones[0], "large", 0, events, size, large) })
	all.Go(func() {
		h := &hearing{channel: small}
		for n := range others { // one by one: each has arrived before the next is sent
			if errs[crowd+1] = b.publishes(phones[1], "small", n, n+1, 20, small); errs[crowd+1] == nil {
				errs[crowd+1] = b.hears(few[0], h, 1)
			}
			if errs[crowd+1] != nil {
				return
			}
		}
	})
	for i, c := range many {
		all.Go(func() { errs[i] = b.hears(c, &hearing{channel: large}, events) })
	}
	all.Wait()
	return firstOf(errs)
}

// publishAndClose has a Close cross events, again and again.
func publishAndClose(b *Bench) error {
	const clients = 30
	channel := b.channel("closing")
	subscribers, err := b.listeners(clients, channel)
	if err != nil {
		return err
	}
	phone, err := b.phone()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- b.publishes(phone, "one", 0, 2*clients, 2000, channel) }()
	for i, c := range subscribers {
		h := &hearing{channel: channel}
		if err = b.hears(c, h, i+1); err != nil {
			break
		}
		if err = b.closesAmid(c, h); err != nil {
			err = fmt.Errorf("connection %d: %w", i, err)
			break
		}
	}
	if wrong := <-done; err == nil {
		err = wrong
	}
	return err
}
