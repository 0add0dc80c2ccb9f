package server

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/sys"
)

// stalled is a connection whose client reads nothing, with all queues on the
// way full to the limit.
func stalled(t *testing.T, inline bool, policy Policy) (st *site, c *client, conn *Conn) {
	t.Helper()
	st = start(t, Handler{}, Config{Inline: inline, SlowConsumer: policy,
		Limits: Limits{Outbound: 100 << 10}, Timeouts: Timeouts{Stall: patience}})
	c = dialAddr(t, st.addr, narrow).open("/")
	conn = st.nth(0).conn
	for err := error(nil); conn.pipe.Queued() < 50<<10 && err == nil; {
		err = conn.Send(Binary, make([]byte, 4<<10))
	}
	return st, c, conn
}

// message reads the next message but those that filled the queues.
func (c *client) message() frame {
	c.t.Helper()
	f := c.frame()
	for ; f.op == ws.OpBinary; f = c.frame() {
		c.skipped++
	}
	return f
}

// writeCounter counts attempts to write.
type writeCounter struct {
	tightKernel
	writes *atomic.Int64
}

func (k writeCounter) Write(fd int, b []byte) (int, error) {
	k.writes.Add(1)
	return k.tightKernel.Write(fd, b)
}

func (k writeCounter) Writev(fd int, bufs [][]byte) (int, error) {
	k.writes.Add(1)
	return k.tightKernel.Writev(fd, bufs)
}

// A client that takes nothing costs a sender its own memory and no system call:
// the kernel is asked again when it reports room, or once in a tick.
func TestSendToStalledClient(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		writes := new(atomic.Int64)
		st := start(t, Handler{}, Config{Inline: inline, SlowConsumer: DropOldest, Timeouts: Timeouts{Stall: patience},
			kernel: writeCounter{tightKernel{sys.Real()}, writes}})
		c := dialAddr(t, st.addr, narrow).open("/")
		conn := st.nth(0).conn
		for conn.pipe.Queued() < 200<<10 {
			conn.Send(Binary, make([]byte, 4<<10))
		}
		time.Sleep(200 * time.Millisecond) // acknowledgements on their way make room once more
		const sends = 5000
		began, before := time.Now(), writes.Load()
		for i := range sends {
			conn.Send(Text, []byte(numbered(i, 0)))
		}
		conn.Send(Text, []byte("last"))
		ticks := int64(time.Since(began)/(100*time.Millisecond)) + 2
		if n := writes.Load() - before; n > ticks+10 {
			t.Errorf("%d writes for %d messages to a client that does not read, in %d ticks", n, sends, ticks)
		}
		for f := c.frame(); string(f.payload) != "last"; f = c.frame() {
		}
		c.goodbye()
	})
}

// CloseSlow: the message that finds no room is the last; the client learns why.
func TestCloseSlow(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st, c, conn := stalled(t, inline, CloseSlow)
		eventually(t, "what waits is counted", func() bool { return st.Stats().Outbound == int64(conn.Waiting()) })
		bystander := st.open()
		sent := 0
		var err error
		for ; err == nil; sent++ {
			err = conn.Send(Text, []byte(numbered(sent, 3000)))
		}
		if err != ErrSlowConsumer {
			t.Errorf("Send beyond the limit returns %v", err)
		}
		if end := st.ended(0); end.Code != StatusTryAgainLater || !errors.Is(end, ErrSlowConsumer) {
			t.Errorf("OnClose was told %v", end)
		}
		if err := conn.Send(Text, nil); err != ErrClosed {
			t.Errorf("Send after that returns %v", err)
		}
		// Messages that were not begun are dropped in favour of the Close frame.
		got := 0
		f := c.message()
		for ; f.op == ws.OpText; f = c.frame() {
			if string(f.payload) != numbered(got, 3000) {
				t.Fatalf("message %d is %v", got, f)
			}
			got++
		}
		if f.String() != "close 1013 slow consumer" || got >= sent {
			t.Errorf("after %d of %d messages: %v", got, sent, f)
		}
		c.eof()
		bystander.goodbye()
		if got := st.Stats(); got.SlowConsumers != 1 || got.Closes[1013] != 1 || got.DroppedNewest+got.DroppedOldest != 0 {
			t.Errorf("counters: %+v", got)
		}
		if n := st.Stats().Outbound; n != 0 {
			t.Errorf("%d bytes wait for nobody", n)
		}
	})
}

// DropNewest: what Send refuses is gone, everything else arrives. Neither the
// answer to a Ping nor the Close frame is among what is dropped.
func TestDropNewest(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st, c, conn := stalled(t, inline, DropNewest)
		dropped := int(st.Stats().DroppedNewest)
		prepared := Prepare(Text, []byte(numbered(0, 5000)))
		var kept []string
		for i := range 300 {
			m := numbered(i, rand.IntN(5000))
			send := func() error { return conn.Send(Text, []byte(m)) }
			if i%10 == 0 {
				m = numbered(0, 5000)
				send = func() error { return conn.SendPrepared(prepared) }
			}
			switch err := send(); err {
			case nil:
				kept = append(kept, m)
			case ErrSlowConsumer:
				dropped++
			default:
				t.Fatal(err)
			}
		}
		received := st.Stats().BytesReceived
		c.send(ping("are you there"))
		eventually(t, "the Ping has come", func() bool { return st.Stats().BytesReceived > received })
		if err := conn.Close(4000, "the end"); err != nil {
			t.Error(err)
		}
		for i, f := 0, c.message(); ; f = c.frame() {
			if i == len(kept) {
				if f.op != ws.OpPong || string(f.payload) != "are you there" {
					t.Errorf("got %v, want the Pong", f)
				}
				break
			}
			if f.op != ws.OpText || string(f.payload) != kept[i] {
				t.Fatalf("message %d of %d is %v", i, len(kept), f)
			}
			i++
		}
		if f := c.frame(); f.String() != "close 4000 the end" {
			t.Errorf("got %v", f)
		}
		if n := int(st.Stats().DroppedNewest); n != dropped || len(kept) == 0 {
			t.Errorf("%d messages were counted as dropped, want %d; %d were kept", n, dropped, len(kept))
		}
	})
}

// DropOldest: messages arrive whole and in order, with gaps that are counted,
// and the latest always does. Control frames stay.
func TestDropOldest(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st, c, conn := stalled(t, inline, DropOldest)
		const count = 1000
		fillers, pings := int(st.Stats().DroppedOldest), 0
		for i := range count {
			size := rand.IntN(5000)
			var err error
			switch i % 10 {
			case 0:
				err = conn.SendPrepared(Prepare(Text, []byte(numbered(i, size))))
			case 1:
				pings++
				err = errors.Join(conn.Ping([]byte(fmt.Sprint(pings))), conn.Send(Text, []byte(numbered(i, size))))
			default:
				err = conn.Send(Text, []byte(numbered(i, size)))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if waiting := conn.pipe.Queued(); waiting > 120<<10 {
			t.Errorf("%d bytes wait", waiting)
		}
		last, got, ponged := -1, 0, 0
		for last < count-1 {
			f := c.frame()
			switch f.op {
			case ws.OpBinary:
				fillers-- // those that arrived were not dropped
			case ws.OpPing:
				if ponged++; string(f.payload) != fmt.Sprint(ponged) {
					t.Fatalf("Ping %d is %v", ponged, f)
				}
			case ws.OpText:
				var i int
				fmt.Sscanf(string(f.payload), "%d", &i)
				if string(f.payload) != numbered(i, len(f.payload)) || i <= last {
					t.Fatalf("after message %d came %v", last, f)
				}
				last, got = i, got+1
			}
		}
		if ponged != pings {
			t.Errorf("%d of %d pings arrived", ponged, pings)
		}
		dropped := int(st.Stats().DroppedOldest)
		if dropped == 0 || dropped < count-got {
			t.Errorf("%d messages were counted as dropped, of %d only %d arrived", dropped, count, got)
		}
		c.goodbye()
	})
}

// OnDrain is called once for each time that the kernel refused bytes. A unix
// socket takes the same amount each time; that of TCP grows with what was read.
func TestOnDrain(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, Config{Inline: inline, Timeouts: Timeouts{Stall: patience}, Limits: Limits{Outbound: 4 * narrowMax}})
		c := dialAddr(t, st.listen("unix", filepath.Join(t.TempDir(), "socket")), nil).open("/")
		conn := st.nth(0).conn
		for round := range 3 {
			for i := range 3 { // the first is refused in part, the others wait
				if err := conn.Send(Text, []byte(numbered(i, narrowMax))); err != nil {
					t.Error(err)
				}
			}
			for i := range 3 {
				c.expect(ws.OpText, numbered(i, narrowMax))
			}
			want := "open /" + strings.Repeat(", drain", round+1)
			eventually(t, want, func() bool { return st.nth(0).story() == want })
			conn.Send(Text, []byte("small enough to be taken at once"))
			c.expect(ws.OpText, "small enough to be taken at once")
		}
		c.goodbye()
		st.told(0, "open /, drain, drain, drain, close 1000 bye (remote)")
	})
}

// A client that asks and does not listen is read no more until it listens: the
// server holds little of it, and nothing is lost.
func TestPauseOfPipeliner(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Timeouts: Timeouts{Stall: patience}})
		c := dialAddr(t, st.addr, narrow).open("/")
		rnd := rand.New(rand.NewPCG(1, 2))
		var all []byte
		var want []string
		for i := 0; len(all) < 8<<20; i++ {
			m := numbered(i, rnd.IntN(1<<rnd.IntN(16)))
			if want = append(want, m); i%7 == 0 {
				half := len(m) / 2
				all = append(append(all, masked(byte(ws.OpText), m[:half])...), masked(fin, m[half:])...)
			} else {
				all = append(all, text(m)...)
			}
		}
		c.SetWriteDeadline(time.Now().Add(short))
		n, err := c.Write(all)
		if !isTimeout(err) {
			t.Fatalf("the client could write %d of %d bytes without reading: %v", n, len(all), err)
		}
		if got := st.Stats().BytesReceived; got > 4<<20 {
			t.Errorf("the server read %d bytes", got)
		}
		if waiting := st.nth(0).conn.pipe.Queued(); waiting > 256<<10 {
			t.Errorf("%d bytes wait", waiting)
		}
		c.SetDeadline(time.Now().Add(patience))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Write(all[n:]); err != nil {
				t.Error(err)
			}
		})
		for _, m := range want {
			c.expect(ws.OpText, m)
		}
		wg.Wait()
		c.goodbye()
	})
}

// A client that pipelines and listens is not slow, however small the limit is.
func TestSmallOutboundAndFastClient(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{Outbound: 4 << 10}})
		c := st.open()
		var all []byte
		for i := range 200 {
			all = append(all, text(numbered(i, 200))...)
		}
		c.send(all)
		for i := range 200 {
			c.expect(ws.OpText, numbered(i, 200))
		}
	})
}

// The answers may be much longer than what they answer.
func TestSmallOutboundAndLongAnswers(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: func(c *Conn, op Opcode, _ []byte) { c.Send(op, []byte(numbered(0, 6000))) }},
			Config{Inline: inline, Limits: Limits{Outbound: 10 << 10}})
		c := st.open()
		c.send(bytes.Repeat(text("?"), 200))
		for range 200 {
			c.expect(ws.OpText, numbered(0, 6000))
		}
	})
}
