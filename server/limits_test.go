package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// R1: connections beyond Limits.Conns get 503 and say when to come back; a slot
// that becomes free is given out at once, whoever is still being turned away.
func TestLimitConns(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{Conns: 3}})
		first, second, half := st.open(), st.open(), st.dial()
		half.send([]byte("GET / HTTP/1.1\r\n")) // a handshake counts
		eventually(t, "three connections count", func() bool { return st.Stats().Conns == 3 })
		for range 3 {
			c := st.dial() // turned away before it has said anything
			if res := c.refused(503); res.Header.Get("Retry-After") == "" {
				t.Errorf("no Retry-After in %v", res.Header)
			}
		}
		if got := st.Stats(); got.OverConns != 3 || got.Conns != 3 {
			t.Errorf("%d connections, %d were turned away; want 3 and 3", got.Conns, got.OverConns)
		}
		first.goodbye()
		eventually(t, "a slot is free", func() bool { return st.Stats().Conns == 2 })
		third := st.open()
		st.dial().refused(503)
		for _, c := range []*client{second, third} {
			c.echo("still here")
		}
	})
}

// R1: the limit of a server that runs can be lowered and raised again, but not above what it
// was made with. Who is there stays.
func TestLimitConnsOfRunningServer(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{Conns: 2}})
		first, second := st.open(), st.open()
		for limit, want := range map[int]int{-1: 1, 1: 1, 2: 2, 3: 2} {
			if st.LimitConns(limit); st.Config().Limits.Conns != want {
				t.Errorf("limited to %d, Config says %d", limit, st.Config().Limits.Conns)
			}
		}
		st.LimitConns(1)
		first.echo("still here")
		first.goodbye()
		eventually(t, "one is gone", func() bool { return st.Stats().Conns == 1 })
		st.dial().refused(503)
		st.LimitConns(5)
		third := st.open()
		st.dial().refused(503)
		second.echo("still here")
		third.echo("here")
	})
}

// R1, H3: beyond Limits.Handshakes clients are told when to come back, before the
// upgrade; who is connected is not concerned, and there is room again as soon as one
// of those who were connecting is through, or was cut for saying nothing.
func TestLimitHandshakes(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{Handshakes: 2}, Timeouts: Timeouts{Handshake: time.Second}})
		open := st.open()
		through, silent := st.dial(), st.dial()
		through.send([]byte("GET / HTTP/1.1\r\n"))
		eventually(t, "two are connecting", func() bool { return st.Stats().Connecting == 2 })
		if res := st.dial().refused(503); res.Header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After in %v", res.Header)
		}
		if got := st.Stats(); got.OverHandshakes != 1 || got.OverConns != 0 {
			t.Errorf("%d were turned away for handshakes, %d for connections; want 1 and 0", got.OverHandshakes, got.OverConns)
		}
		open.echo("still here")
		through.send([]byte(strings.TrimPrefix(upgrade("/"), "GET / HTTP/1.1\r\n")))
		through.opened()
		st.open().echo("in its place")
		silent.gone()
		eventually(t, "nobody is connecting", func() bool { return st.Stats().Connecting == 0 })
	})
}

// Clients that are turned away do not use up what they are told is not there:
// beyond a fixed number of them they are closed without a word.
func TestTurnedAwayAreBounded(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{Conns: 1}})
		c := st.open()
		var away []*client
		for range turnedAwayMax {
			away = append(away, st.dial())
			away[len(away)-1].refused(503)
		}
		st.dial().gone()
		for _, c := range away {
			c.Close()
		}
		eventually(t, "those turned away are gone", func() bool { return st.Stats().Lingering == 0 })
		st.dial().refused(503)
		c.echo("still here")
	})
}

// R2: beyond Limits.ConnsPerAddress an address gets 429, others get in, and
// nothing is left on the account of those who went.
func TestLimitConnsPerAddress(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := startIdle(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{ConnsPerAddress: 2}})
		v4 := st.listen("tcp4", "127.0.0.1:0")
		dual := st.listen("tcp", ":0") // an IPv4 client comes to it as ::ffff:127.0.0.1
		port := netip.MustParseAddrPort(dual.String()).Port()
		mapped := resolve(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		v6 := resolve(t, "tcp", fmt.Sprintf("[::1]:%d", port))

		first := dialAddr(t, v4, nil).open("/")
		dialAddr(t, mapped, nil).open("/")
		if res := dialAddr(t, mapped, nil).refused(429); res.Header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After in %v", res.Header)
		}
		dialAddr(t, v4, nil).refused(429)
		dialAddr(t, v6, nil).open("/")
		st.addr = v4
		if got := st.Stats().OverAddress; got != 2 {
			t.Errorf("%d were counted as turned away, want 2", got)
		}
		// T25: the same address once more, through both of its names.
		first.goodbye()
		eventually(t, "there is room", func() bool { return st.Stats().Conns == 2 })
		dialAddr(t, mapped, nil).open("/")
		dialAddr(t, v4, nil).refused(429)
	})
}

// A connection that becomes a WebSocket after it has served other requests is
// one connection of its address, before and after.
func TestLimitConnsPerAddressBehindHTTP(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnMessage: echo}, Config{
			Inline: inline, Limits: Limits{ConnsPerAddress: 1},
			HTTP: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") }),
		})
		for range 2 { // the second finds what the first has left
			c := st.dial()
			c.send([]byte("GET / HTTP/1.1\r\nHost: roost.test\r\n\r\n"))
			if got := body(c.response()); got != "page" {
				t.Fatalf("got %q", got)
			}
			st.dial().refused(429)
			c.open("/")
			c.echo("hello")
			st.dial().refused(429)
			c.goodbye()
			eventually(t, "the connection is gone", func() bool { return st.Stats().Conns == 0 })
		}
	})
}

func TestAddresses(t *testing.T) {
	a := newAddresses(2)
	add := func(addr string) bool {
		t.Helper()
		_, ok := a.add(netip.MustParseAddr(addr))
		return ok
	}
	for _, tc := range []struct {
		addr string
		ok   bool
	}{
		{"192.0.2.1", true}, {"::ffff:192.0.2.1", true}, {"192.0.2.1", false}, {"::ffff:192.0.2.1", false},
		{"192.0.2.2", true},
		{"2001:db8:0:1::1", true}, {"2001:db8:0:1:ffff::", true}, {"2001:db8:0:1::2", false}, // one /64
		{"2001:db8:0:2::1", true},
		{"fe80::1%eth0", true}, {"fe80::1%eth1", true}, {"fe80::2", false}, // the zone does not count
	} {
		if got := add(tc.addr); got != tc.ok {
			t.Errorf("%s: %v, want %v", tc.addr, got, tc.ok)
		}
	}
	// Whatever was added and removed, nothing is left.
	b := newAddresses(1)
	for range 3 {
		var buckets []uint32
		for i := range 1000 {
			if bucket, ok := b.add(netip.AddrFrom4([4]byte{198, 51, byte(i >> 9), byte(i / 2)})); ok {
				buckets = append(buckets, bucket)
			}
		}
		for _, bucket := range buckets {
			b.remove(bucket)
		}
	}
	for i := range b.counts {
		if n := b.counts[i].Load(); n != 0 {
			t.Fatalf("counter %d is %d", i, n)
		}
	}
}

// Limits.Message counts all fragments of a message, and what they announce.
func TestLimitMessage(t *testing.T) {
	const limit = 1000
	whole := strings.Repeat("m", limit)
	more := byte(ws.OpText) // without fin: a first fragment
	for name, tc := range map[string]struct {
		sent []byte
		ok   bool
	}{
		"one frame":             {text(whole), true},
		"one frame, too big":    {text(whole + "m"), false},
		"announced only":        {text(whole + "m")[:8], false},
		"fragments":             {append(masked(more, whole[:400]), masked(fin, whole[400:])...), true},
		"fragments, too big":    {append(masked(more, whole[:400]), masked(fin, whole[400:]+"m")...), false},
		"fragments, then empty": {append(masked(more, whole), masked(fin, "")...), true},
		"largest announcement":  {[]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), false},
	} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, inline bool) {
				st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{Message: limit}})
				c := st.open()
				c.send(tc.sent)
				if tc.ok {
					c.expect(ws.OpText, whole)
					return
				}
				c.expectClose(StatusTooBig)
				st.told(0, "open /, close 1009 message is too big")
				if n := st.Stats().Closes[StatusTooBig]; n != 1 {
					t.Errorf("%d closes were counted under 1009", n)
				}
			})
		})
	}
}

// Limits.Fragments bounds the work of a message that is small in bytes.
func TestLimitFragments(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		const limit = 20
		st := start(t, Handler{OnMessage: echo}, Config{Inline: inline, Limits: Limits{Fragments: limit}})
		fragments := func(n int) []byte {
			b := masked(byte(ws.OpText), "0")
			for i := 2; i < n; i++ {
				b = append(b, masked(0, "")...)
				b = append(b, pong("control frames do not count")...)
			}
			return append(b, masked(fin, "1")...)
		}
		c := st.open()
		c.send(fragments(limit), fragments(limit))
		c.expect(ws.OpText, "01")
		c.expect(ws.OpText, "01")
		c.send(fragments(limit + 1))
		c.expectClose(StatusPolicy)
		st.told(0, "open /, text 01, text 01, close 1008 message has too many fragments")
	})
}

// The limits of a request head, each met exactly and by one more.
func TestLimitHandshake(t *testing.T) {
	target := "/" + strings.Repeat("t", 99)
	head := upgrade(target, "X-A: 1", "X-B: 2")
	exact := Limits{HandshakeBytes: len(head), HandshakeTarget: len(target), HandshakeFields: strings.Count(head, "\r\n") - 2}
	for name, tc := range map[string]struct {
		limits Limits
		status int
	}{
		"exact":     {exact, 101},
		"bytes":     {Limits{HandshakeBytes: exact.HandshakeBytes - 1}, 431},
		"target":    {Limits{HandshakeTarget: exact.HandshakeTarget - 1}, 414},
		"fields":    {Limits{HandshakeFields: exact.HandshakeFields - 1}, 431},
		"endless":   {Limits{}, 431},
		"defaulted": {Limits{}, 101},
	} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, inline bool) {
				st := start(t, Handler{}, Config{Inline: inline, Limits: tc.limits})
				c := st.dial()
				if name == "endless" {
					c.send([]byte("GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 20<<10)))
				} else {
					c.send([]byte(head))
				}
				if tc.status == 101 {
					c.opened()
					return
				}
				c.refused(tc.status)
				if got := st.Stats().Refusals["size"]; got != 1 {
					t.Errorf("%d refusals were counted for their size", got)
				}
			})
		})
	}
}

// Limits.Outbound is met exactly, but for what the queue itself costs: a message
// that fits is taken, one byte more is not. What finds the queue empty always fits.
func TestLimitOutbound(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		const limit, overhead = 100 << 10, 64
		st := start(t, Handler{}, Config{Inline: inline, Limits: Limits{Outbound: limit}, SlowConsumer: DropNewest,
			Timeouts: Timeouts{Stall: patience}})
		c := dialAddr(t, st.addr, narrow).open("/")
		conn := st.nth(0).conn
		var sent []string
		send := func(size int) bool {
			m := numbered(len(sent), size)[:size]
			err := conn.Send(Text, []byte(m))
			if err == nil {
				sent = append(sent, m)
			} else if err != ErrSlowConsumer {
				t.Fatal(err)
			}
			return err == nil
		}
		// Until the kernel takes no more: what is just being written does not count as waiting.
		for quiet, last := 0, 0; quiet < 5; quiet++ {
			if waiting := conn.pipe.Queued(); waiting < limit/4 {
				send(4 << 10)
				quiet = 0
			} else if waiting != last {
				quiet, last = 0, waiting
			}
			time.Sleep(5 * time.Millisecond)
		}
		before, dropped := conn.pipe.Queued(), st.Stats().DroppedNewest
		size, tries := limit-before+10*overhead, uint64(0)
		for ; !send(size); size-- {
			tries++
		}
		if before+size < limit-overhead || conn.pipe.Queued() > limit+2*overhead {
			t.Errorf("with %d bytes waiting, %d were taken and no more; then %d wait; the limit is %d", before, size, conn.pipe.Queued(), limit)
		}
		if n := st.Stats().DroppedNewest - dropped; n != tries {
			t.Errorf("%d messages were counted as dropped, want %d", n, tries)
		}
		for _, m := range sent {
			c.expect(ws.OpText, m)
		}
		if !send(10*limit) || send(0) {
			t.Error("the queue was empty: a message that is too big must be taken, and the next one not")
		}
		c.expect(ws.OpText, sent[len(sent)-1])
	})
}

func TestLimitsAreChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"Limits.Conns":           {Limits: Limits{Conns: -1}},
		"Limits.Message":         {Limits: Limits{Message: -1}},
		"Limits.Fragments":       {Limits: Limits{Fragments: -1}},
		"Limits.Outbound":        {Limits: Limits{Outbound: -1}},
		"Limits.HandshakeBytes":  {Limits: Limits{HandshakeBytes: -1}},
		"Limits.HandshakeTarget": {Limits: Limits{HandshakeTarget: -1}},
		"Limits.HandshakeFields": {Limits: Limits{HandshakeFields: -1}},
		"Limits.Handshakes":      {Limits: Limits{Handshakes: -1}},
		"Limits.HTTPConns":       {Limits: Limits{HTTPConns: -1}},
		"Timeouts.Handshake":     {Timeouts: Timeouts{Handshake: -1}},
		"Timeouts.Message":       {Timeouts: Timeouts{Message: -1}},
		"Timeouts.Close":         {Timeouts: Timeouts{Close: -1}},
		"Timeouts.Stall":         {Timeouts: Timeouts{Stall: -1}},
		"Timeouts.Drain":         {Timeouts: Timeouts{Drain: -1}},
		"Timeouts.HTTPRead":      {Timeouts: Timeouts{HTTPRead: -1}},
		"Timeouts.HTTPWrite":     {Timeouts: Timeouts{HTTPWrite: -1}},
		"Timeouts.HTTPIdle":      {Timeouts: Timeouts{HTTPIdle: -time.Second}},
		"Loops":                  {Loops: -1},
		"Workers":                {Workers: -1},
		"IdleCode":               {IdleCode: StatusAbnormal},
		"ShutdownCode":           {ShutdownCode: 999},
		"SlowConsumer":           {SlowConsumer: DropOldest + 1},
		"Subprotocols":           {Subprotocols: make([]string, maxSubprotocols+1)},
	} {
		watch := fmt.Sprintf("Config.%s ", name)
		if s, err := New(Handler{}, cfg); err == nil || !strings.Contains(err.Error(), watch) {
			t.Errorf("%s: New returns %v", name, err)
			if s != nil {
				s.Close()
			}
		}
	}
	if s, err := New(Handler{}, Config{Subprotocols: []string{"not a token"}}); err == nil {
		s.Close()
		t.Error("a subprotocol that is no token was taken")
	}
}
