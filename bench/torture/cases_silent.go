package torture

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// silentCases: deadlines that a client runs into by its silence or its slowness,
// of servers that say what they are. Rows F32, M1, M2, M4, M5, T5.
func silentCases(o *Options) (all []Case) {
	const rfc = "5.5.2, 5.5.3"
	if limit := o.SilenceTimeout; limit > 0 {
		all = append(all,
			runDrill("M1/no-pongs", rfc, "a client that takes Pings and says nothing", fmt.Sprintf("a Ping, and the end %v after its last word", limit), fallsSilent),
			runDrill("M1/pongs", rfc, "a client that says nothing but Pongs in answer", fmt.Sprintf("it is there after %v", 2*limit), staysByPongs),
			runDrill("M2/pongs", rfc, "a client that answers no Ping, and sends Pongs that nobody asked for", fmt.Sprintf("it is there after %v", 2*limit), staysUnasked),
			runDrill("M5/spread", rfc, "40 clients that come in one moment, and then say nothing", "Pings that do not come in one moment, and none before its time", pingsSpread))
	}
	if limit := o.MessageTimeout; limit > 0 {
		all = append(all,
			runDrill("F32/bytes", "10.4", "a frame that comes byte by byte, without an end", fmt.Sprintf("close 1008 after %v", limit), func(b *Bench) error {
				return drips(b, wireOf(header(announce(data(opBinary, ""), 10_000))).Bytes, []byte{0})
			}),
			runDrill("F32/fragments", "10.4", "a message in fragments and with Pings, without an end", fmt.Sprintf("close 1008 after %v", limit), func(b *Bench) error {
				return drips(b, wireOf(more(text("a"))).Bytes, wireOf(more(cont("b")), ping("")).Bytes)
			}))
	}
	if limit := o.StallTimeout; limit > 0 {
		c := runDrill("T5/byte-by-byte", "10.4", "a client that reads a byte now and then of the megabytes that wait for it", fmt.Sprintf("the end, %v after that began, and the time for closing", limit), readsBytes)
		c.plain = true
		all = append(all, c)
	}
	for i := range all {
		all[i].slow = true
	}
	if still := o.Standstill; still > 0 {
		c := runDrill("M4/standstill", "-", fmt.Sprintf("a process that stands still for %v, while 20 clients talk and 20 answer Pings", still), "every message answered, and everybody still there", standsStill).byItself()
		c.pid = true
		all = append(all, c)
	}
	return all
}

// slack is how much later than said something may come, on a busy machine.
const slack = 3 * time.Second

// pinged takes events until a Ping comes, which no case sees otherwise.
func (c *Client) pinged(within time.Duration) (Event, time.Time) {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if e, heard := c.take(); e.Kind != Silence {
			return e, heard
		}
	}
	return Event{Kind: Silence, Why: within.String()}, time.Time{}
}

// fallsSilent wants a Ping, and the end of who does not answer it.
func fallsSilent(b *Bench) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	c.write(wireOf(text("last words")).Bytes)
	began := time.Now()
	if err := b.expect(c, wantText("last words")); err != nil {
		return err
	}
	if e, _ := c.pinged(b.o.PingInterval + slack); e.Kind != Ping {
		return &mismatch{e.String(), "a ping after " + b.o.PingInterval.String()}
	}
	e := Event{Kind: Silence}
	for end := began.Add(b.o.SilenceTimeout + slack); e.Kind == Silence && time.Now().Before(end); {
		e = c.next(b.o.PingInterval / 4) // each Ping more would make it wait longer
	}
	if e.Kind == Close {
		e = c.next(b.o.finWithin())
	}
	took := time.Since(began)
	// Servers may ping early, so as not to ping all in one moment.
	if least := b.o.SilenceTimeout - b.o.PingInterval/2; e.Kind != EOF && e.Kind != Reset || took < least || took > b.o.SilenceTimeout+slack {
		return &mismatch{fmt.Sprintf("%v after %v", e, took.Round(time.Millisecond)), fmt.Sprintf("the end after %v", b.o.SilenceTimeout)}
	}
	return nil
}

// staysByPongs answers Pings, which is all it says for a long time.
func staysByPongs(b *Bench) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	c.pongs = true
	for end := time.Now().Add(2 * b.o.SilenceTimeout); time.Now().Before(end); {
		if e := c.next(b.o.PingInterval / 4); e.Kind != Silence {
			return &mismatch{e.String(), "nothing but pings"}
		}
	}
	return b.finish(c, ending{how: alive})
}

// staysUnasked answers nothing. "A Pong frame MAY be sent unsolicited. This serves
// as a unidirectional heartbeat." RFC 6455, 5.5.3.
func staysUnasked(b *Bench) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	for end := time.Now().Add(2 * b.o.SilenceTimeout); time.Now().Before(end); {
		c.write(wireOf(pong("")).Bytes)
		if e := c.next(b.o.PingInterval / 4); e.Kind != Silence {
			return &mismatch{e.String(), "nothing but pings"}
		}
	}
	return b.finish(c, ending{how: alive})
}

// pingsSpread: what comes in one moment must not be pinged in one moment for ever.
func pingsSpread(b *Bench) error {
	const conns = 40
	clients := make([]*Client, conns)
	came := make([]time.Time, conns)
	for i := range clients {
		var err error
		if clients[i], err = b.open(); err != nil {
			return err
		}
		came[i] = time.Now()
	}
	waits, moments := make([]time.Duration, conns), make([]time.Duration, conns)
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			if e, heard := c.pinged(b.o.PingInterval + slack); e.Kind == Ping {
				waits[i], moments[i] = heard.Sub(came[i]), heard.Sub(came[0])
			}
		})
	}
	all.Wait()
	// Neither the same wait for all, nor the same moment.
	spread := min(slices.Max(waits)-slices.Min(waits), slices.Max(moments)-slices.Min(moments))
	if first := slices.Min(waits); first < b.o.PingInterval/2 || spread < b.o.PingInterval/10 {
		return &mismatch{fmt.Sprintf("the first ping after %v (0s: none), and all within %v", first.Round(time.Millisecond), spread.Round(time.Millisecond)),
			fmt.Sprintf("pings after %v at the earliest, over %v at least", b.o.PingInterval/2, b.o.PingInterval/10)}
	}
	return nil
}

// drips begins a message and never ends it.
func drips(b *Bench, first, rest []byte) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	began := time.Now()
	for c.write(first); time.Since(began) < b.o.MessageTimeout+slack; c.write(rest) {
		e := c.next(b.o.MessageTimeout / 20)
		if e.Kind == Silence || e.Kind == Pong {
			continue
		}
		took := time.Since(began)
		if want := wantClose(1008); !want.meets(e) || took < b.o.MessageTimeout*3/4 {
			return &mismatch{fmt.Sprintf("%v after %v", e, took.Round(time.Millisecond)), fmt.Sprintf("%v after %v", want, b.o.MessageTimeout)}
		}
		return b.fin(c)
	}
	return &mismatch{"nothing", fmt.Sprintf("close 1008 after %v", b.o.MessageTimeout)}
}

// readsBytes takes so little that it is no progress: the age of what waits decides.
func readsBytes(b *Bench) error {
	c, err := b.open()
	if err != nil {
		return err
	}
	c.tcp.SetReadBuffer(smallBuffer)
	c.pause()
	defer c.close() // what comes is no longer what the client thinks
	c.limit = 300 * time.Millisecond
	message := wireOf(dataFrame(opBinary, noise(64<<10))).Bytes
	for range 256 {
		if c.write(message) != nil {
			break // the server has stopped reading
		}
	}
	one := make([]byte, 1)
	limit := b.o.StallTimeout + max(b.o.CloseTimeout, 0) + slack
	for began := time.Now(); time.Since(began) < limit; time.Sleep(100 * time.Millisecond) {
		c.tcp.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		c.tcp.Read(one)
		var late net.Error
		if err := c.write(one); err != nil && !(errors.As(err, &late) && late.Timeout()) {
			return nil // nobody takes it any more
		}
	}
	return &mismatch{"a connection that is still there", fmt.Sprintf("its end within %v", limit)}
}

// standsStill stops the process for longer than a client may be silent, and has it go on.
func standsStill(b *Bench) error {
	const each = 20
	var talking, quiet []*Client
	stop := make(chan struct{})
	var all sync.WaitGroup
	errs := make([]error, each)
	for i := range each {
		t, err := b.open()
		if err != nil {
			return err
		}
		q, err := b.open()
		if err != nil {
			return err
		}
		t.pongs, q.pongs = true, true
		talking, quiet = append(talking, t), append(quiet, q)
		all.Go(func() {
			for errs[i] == nil {
				select {
				case <-stop:
					return
				default:
				}
				if e := q.next(20 * time.Millisecond); e.Kind != Silence {
					errs[i] = &mismatch{e.String(), "nothing but pings"}
				}
			}
		})
	}
	time.Sleep(b.o.PingInterval) // some have a Ping before it begins, others when it is over
	if err := b.process.stop(); err != nil {
		return err
	}
	for i, c := range talking {
		c.write(wireOf(text(fmt.Sprintf("said to nobody %d", i))).Bytes)
	}
	time.Sleep(b.o.Standstill)
	if err := b.process.goOn(); err != nil {
		return err
	}
	for i, c := range talking {
		if err := b.expect(c, wantText(fmt.Sprintf("said to nobody %d", i))); err != nil {
			return fmt.Errorf("of a client that spoke meanwhile: %w", err)
		}
	}
	for end := time.Now().Add(b.o.PingInterval); time.Now().Before(end); {
		for _, c := range talking { // to take what would come of it later
			if e := c.next(5 * time.Millisecond); e.Kind != Silence {
				return &mismatch{e.String() + " when it had gone on", "nothing but pings"}
			}
		}
	}
	close(stop)
	all.Wait()
	if err := firstOf(errs); err != nil {
		return err
	}
	for _, c := range append(talking, quiet...) {
		if err := b.finish(c, ending{how: alive}); err != nil {
			return err
		}
	}
	return nil
}
