package push

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/roost-ws/roost/server"
)

// newShard is a shard of a loop that runs when the test says so.
func newShard() (s *shard, wakes *int) {
	wakes = new(int)
	s = &shard{post: func(int, func()) error { *wakes++; return nil }, send: (*server.Conn).SendPrepared, turn: turnSends, budget: runSends}
	s.task = s.run
	return s, wakes
}

// Nothing is allocated for a delivery: neither on the way through the inbox nor
// for a subscriber. Every subscriber here has the number that is excluded, so that all is
// done but the sending.
func TestDeliveryAllocatesNothing(t *testing.T) {
	s, _ := newShard()
	r := &roster{channel: &channel{name: "c"}}
	for range 1000 {
		join(r)
	}
	m := &message{exclude: (&server.Conn{}).ID()}
	if n := testing.AllocsPerRun(100, func() {
		for range 3 {
			s.put(delivery{roster: r, message: m})
		}
		for s.pending.Load() > 0 {
			s.run()
		}
	}); n != 0 {
		t.Errorf("%v allocations for 3,000 deliveries", n)
	}
	if r.fanout != nil {
		t.Error("an idle roster holds a fanout")
	}
}

// Row B9: a roster with very many subscribers does not keep one with few waiting,
// the loop gets back to its sockets in between, and is woken once for all.
func TestShardServesInTurns(t *testing.T) {
	s, wakes := newShard()
	m := &message{exclude: (&server.Conn{}).ID()}
	crowd, few := &roster{channel: &channel{name: "crowd"}}, &roster{channel: &channel{name: "few"}}
	for range 10 * runSends {
		join(crowd)
	}
	join(few)
	for i, r := range []*roster{crowd, crowd, few} {
		if wake := s.put(delivery{roster: r, message: m}); wake != (i == 0) {
			t.Errorf("put %d wants the loop woken: %v", i, wake)
		}
	}
	s.run()
	if few.fanout != nil || crowd.fanout == nil {
		t.Fatal("the few are not through after the first run, or the crowd is")
	}
	runs := 1
	for ; s.pending.Load() > 0; runs++ {
		if *wakes != runs {
			t.Fatalf("woken %d times after %d runs", *wakes, runs)
		}
		s.run()
	}
	if runs < 20 {
		t.Errorf("%d deliveries in %d runs", 20*runSends, runs)
	}
	if s.posted {
		t.Error("the loop is believed to come back, with nothing to do")
	}
}

// An event that enters the inbox while the loop runs, too late to be collected,
// is not forgotten; and once all is done, the next one wakes the loop.
func TestShardLosesNoWakeUp(t *testing.T) {
	s, _ := newShard()
	r := &roster{channel: &channel{name: "c"}}
	join(r)
	d := delivery{roster: r, message: &message{exclude: (&server.Conn{}).ID()}}
	s.put(d)
	s.collect()
	if s.put(d) {
		t.Error("the loop was woken while it runs")
	}
	s.deliver()
	if !s.unfinished() {
		t.Error("an event waits and nobody comes for it")
	}
	s.run()
	if s.pending.Load() != 0 || s.unfinished() {
		t.Error("not done after the second run")
	}
	if !s.put(d) {
		t.Error("an event for a sleeping loop did not wake it")
	}
}

// BenchmarkFanout measures one delivery, over real sockets whose other ends
// read away what comes.
func BenchmarkFanout(b *testing.B) {
	const subscribers = 1000
	h, addr := start(b, Config{Apps: []App{testApp}})
	for range subscribers {
		listen(b, addr, "news")
	}
	eventually(b, "all are subscribed", func() bool { return h.Stats().Subscriptions == subscribers })
	for b.Loop() {
		goal := h.Stats().Delivered + subscribers
		publish(b, h, "news", "e", `{"price":42}`)
		for h.Stats().Delivered < goal {
			runtime.Gosched()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/subscribers, "ns/delivery")
}

// listen opens a connection that subscribes and then only reads.
func listen(t testing.TB, addr net.Addr, channel string) {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	subscribe := `{"event":"pusher:subscribe","data":{"channel":"` + channel + `"}}`
	fmt.Fprintf(conn, "GET /app/key?protocol=7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	conn.Write(append([]byte{0x81, 0x80 | byte(len(subscribe)), 0, 0, 0, 0}, subscribe...))
	go io.Copy(io.Discard, conn)
}
