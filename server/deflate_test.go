package server

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/deflate"
)

const rsv1 = 0x40

// offer is what browsers offer.
const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"

// squeeze is the payload of a compressed message.
func squeeze(message string) string {
	var b bytes.Buffer
	z := squeezers.Get().(*flate.Writer)
	defer squeezers.Put(z)
	z.Reset(&b)
	io.WriteString(z, message)
	z.Flush()
	return string(b.Bytes()[:b.Len()-4])
}

var squeezers = sync.Pool{New: func() any {
	z, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is one
	return z
}}

// deflated is a compressed message in one frame.
func deflated(op ws.OpCode, message string) []byte {
	return masked(fin|rsv1|byte(op), squeeze(message))
}

// message reads a message that may be compressed, and says whether it was.
func (c *client) inflated() (f frame, compressed bool) {
	c.t.Helper()
	first, err := c.r.Peek(1)
	if err != nil {
		c.t.Fatal(err)
	}
	if compressed = first[0]&rsv1 != 0; compressed {
		first[0] &^= rsv1 // readFrame knows of no extension
	}
	f = c.frame()
	if compressed {
		z := flate.NewReader(io.MultiReader(bytes.NewReader(f.payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
		if f.payload, err = io.ReadAll(z); err != nil {
			c.t.Fatalf("the server's message does not inflate: %v", err)
		}
	}
	return f, compressed
}

// expectMessage reads a message and says what it must be.
func (c *client) expectMessage(op ws.OpCode, message string, compressed bool) {
	c.t.Helper()
	if f, was := c.inflated(); f.op != op || string(f.payload) != message || was != compressed {
		c.t.Fatalf("got %v, compressed: %v; want %v, compressed: %v", f, was, frame{op, []byte(message)}, compressed)
	}
}

var echoing = Handler{OnMessage: func(c *Conn, op Opcode, message []byte) { c.Send(op, message) }}

// quotes is n bytes of the kind that compresses, of which each begins otherwise.
func quotes(i, n int) string {
	s := fmt.Appendf(nil, `{"number":%d,`, i)
	for j := 0; len(s) < n; j++ {
		s = fmt.Appendf(s, `"key%d":"value %d",`, j, (i+j)%17)
	}
	return string(s[:n])
}

// RFC 7692, 5: what was agreed on is answered, and nothing to who asked for nothing.
func TestDeflateHandshake(t *testing.T) {
	watch(t)
	st := start(t, echoing, Config{Deflate: Deflate{Enabled: true}})
	for offer, want := range map[string]string{
		"":                      "",
		"permessage-deflate; x": "",
		"permessage-deflate":    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		"x, permessage-deflate; server_max_window_bits=9": "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
	} {
		c := st.dial()
		var fields []string
		if offer != "" {
			fields = append(fields, "Sec-WebSocket-Extensions: "+offer)
		}
		c.send([]byte(upgrade("/", fields...)))
		if got := strings.Join(c.opened().Header["Sec-Websocket-Extensions"], "|"); got != want {
			t.Errorf("%q was answered with %q, want %q", offer, got, want)
		}
		c.send(text(quotes(1, 1000)))
		c.expectMessage(ws.OpText, quotes(1, 1000), want != "")
		c.goodbye()
	}
}

// Off by default; RFC 6455, 5.2: RSV1 is then a reserved bit. Row C9.
func TestDeflateOff(t *testing.T) {
	watch(t)
	on := start(t, echoing, Config{Deflate: Deflate{Enabled: true}})
	for name, c := range map[string]*client{
		"a server without it": start(t, echoing, Config{}).dial().open("/", offer),
		"a client without it": on.open(),
	} {
		c.echo(quotes(1, 1000)) // it reads no reserved bits
		c.send(deflated(ws.OpText, "Hello"))
		if f := c.frame(); f.code() != StatusProtocolError {
			t.Errorf("%s: %v", name, f)
		}
	}
}

// RFC 7692, 7.2.1: messages are compressed both ways, as one frame or as many,
// and each stands alone. Rows C3, C5, C7, C11.
func TestDeflateEcho(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, echoing, Config{Inline: inline, Deflate: Deflate{Enabled: true}, Limits: Limits{Message: 1 << 17}})
		c := st.dial().open("/", offer)
		random := make([]byte, 1<<17-64)
		rand.NewChaCha8([32]byte{1}).Read(random)
		for i, n := range []int{0, 1, 15, 255, 256, 257, 1000, 4096, 70_000, 1 << 17} {
			message := quotes(i, n)
			c.send(deflated(ws.OpText, message))
			c.expectMessage(ws.OpText, message, n >= deflateMin)
			c.send(masked(fin|byte(ws.OpBinary), message)) // a client may leave it
			c.expectMessage(ws.OpBinary, message, n >= deflateMin)
			c.send(fragments(ws.OpText, squeeze(message), 1+n/7)...)
			c.expectMessage(ws.OpText, message, n >= deflateMin)
		}
		c.send(deflated(ws.OpBinary, string(random)))
		c.expectMessage(ws.OpBinary, string(random), false) // nothing to gain
		c.send(masked(fin|rsv1|byte(ws.OpText), "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
		c.expectMessage(ws.OpText, "Hello", false)
		c.send(masked(fin|rsv1|byte(ws.OpText), ""))
		c.expectMessage(ws.OpText, "", false)
		c.goodbye()
		if s := st.Stats(); s.Inflated < 20 || s.Deflated < 10 || s.DeflatedTo >= s.DeflatedFrom/2 || s.DeflatedTo == 0 {
			t.Errorf("counted %d inflated, %d deflated from %d bytes to %d", s.Inflated, s.Deflated, s.DeflatedFrom, s.DeflatedTo)
		}
	})
}

// fragments cuts a compressed message into n frames or a few more, with a Ping in between.
// RFC 7692, 6.1: only the first has RSV1.
func fragments(op ws.OpCode, payload string, n int) (frames [][]byte) {
	n = min(n, 500)
	size := max(1, len(payload)/n)
	first := rsv1 | byte(op)
	for len(payload) > size {
		frames = append(frames, masked(first, payload[:size]))
		payload, first = payload[size:], 0
	}
	return append(frames, masked(first|fin, payload))
}

// Rows C1, C2, C4, C6, C8 and the text that is none: how a connection ends, and
// that it does not matter how the bytes came.
func TestDeflateFails(t *testing.T) {
	bomb := squeeze(strings.Repeat("\x00", 1<<24)) // 1029 times what it is sent as
	flood := strings.Repeat("\x00\x00\x00\xff\xff", 15_000)
	for name, tt := range map[string]struct {
		frames [][]byte
		code   StatusCode
	}{
		"a bomb":                         {[][]byte{masked(fin|rsv1|byte(ws.OpBinary), bomb)}, StatusTooBig},
		"a bomb in fragments":            {fragments(ws.OpBinary, bomb, 500), StatusTooBig},
		"one byte too many":              {[][]byte{deflated(ws.OpBinary, quotes(1, 1<<16+1))}, StatusTooBig},
		"too many compressed bytes":      {[][]byte{masked(fin|rsv1|byte(ws.OpBinary), flood)}, StatusTooBig},
		"block type 3":                   {[][]byte{masked(fin|rsv1|byte(ws.OpText), "\x07")}, StatusInvalidData},
		"cut off":                        {[][]byte{masked(fin|rsv1|byte(ws.OpText), squeeze(quotes(1, 900))[:200])}, StatusInvalidData},
		"cut off, in fragments":          {fragments(ws.OpText, squeeze(quotes(1, 900))[:200], 9), StatusInvalidData},
		"garbage behind BFINAL":          {[][]byte{masked(fin|rsv1|byte(ws.OpText), "\xf3\x48\xcd\xc9\xc9\x07\x00\x00\xff\xff")}, StatusInvalidData},
		"text that is not UTF-8":         {[][]byte{deflated(ws.OpText, quotes(1, 900)+"\xc3(")}, StatusInvalidData},
		"text that ends in a character":  {fragments(ws.OpText, squeeze(quotes(1, 900)+"\xf0\x9f\x98"), 5), StatusInvalidData},
		"RSV1 on a continuation":         {[][]byte{masked(rsv1|byte(ws.OpText), squeeze("Hello")), masked(fin|rsv1, "")}, StatusProtocolError},
		"RSV1 on a continuation of text": {[][]byte{masked(byte(ws.OpText), "Hel"), masked(fin|rsv1, squeeze("lo"))}, StatusProtocolError},
		"RSV1 on a Ping":                 {[][]byte{masked(fin|rsv1|byte(ws.OpPing), "")}, StatusProtocolError},
		"RSV1 on a Pong":                 {[][]byte{masked(fin|rsv1|byte(ws.OpPong), "")}, StatusProtocolError},
		"RSV1 on a Close":                {[][]byte{masked(fin|rsv1|byte(ws.OpClose), "")}, StatusProtocolError},
		"RSV2 as well":                   {[][]byte{masked(fin|rsv1|0x20|byte(ws.OpText), squeeze("Hello"))}, StatusProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			watch(t)
			st := start(t, echoing, Config{Inline: true, Deflate: Deflate{Enabled: true}, Limits: Limits{Message: 1 << 16}})
			c, other := st.dial().open("/", offer), st.dial().open("/", offer)
			c.send(bytes.Join(tt.frames, ping("p")), text("behind it"))
			for {
				f := c.frame()
				if f.op == ws.OpPong {
					continue
				}
				if f.code() != tt.code {
					t.Fatalf("got %v, want %d", f, tt.code)
				}
				break
			}
			// What it left behind hurts nobody else.
			other.send(deflated(ws.OpText, quotes(2, 5000)))
			other.expectMessage(ws.OpText, quotes(2, 5000), true)
			other.goodbye()
		})
	}
}

// Row C2: the limit is each message's own, however many come in one read.
func TestDeflateLimitIsPerMessage(t *testing.T) {
	watch(t)
	st := start(t, echoing, Config{Deflate: Deflate{Enabled: true}, Limits: Limits{Message: 1 << 16}})
	c := st.dial().open("/", offer)
	var all []byte
	for i := range 100 {
		all = append(all, deflated(ws.OpText, quotes(i, 60_000))...)
	}
	go c.Write(all)
	for i := range 100 {
		c.expectMessage(ws.OpText, quotes(i, 60_000), true)
	}
	c.goodbye()
}

// Deflate.MinSize, and the messages that are not to be compressed. Row C14.
func TestDeflateOptOut(t *testing.T) {
	watch(t)
	const n = 2000
	secret := quotes(1, n)
	st := start(t, Handler{OnOpen: func(c *Conn, _ *Request) {
		c.Send(Text, []byte(secret[:399]))
		c.Send(Text, []byte(secret[:400]))
		c.SendUncompressed(Text, []byte(secret))
		c.SendPrepared(PrepareUncompressed(Text, []byte(secret)))
		c.SendPrepared(Prepare(Text, []byte(secret[:399])))
		c.SendPrepared(Prepare(Binary, []byte(secret)))
		c.Ping([]byte(strings.Repeat("p", 120)))
	}}, Config{Deflate: Deflate{Enabled: true, MinSize: 400}})
	c := st.dial().open("/", offer)
	c.expectMessage(ws.OpText, secret[:399], false)
	c.expectMessage(ws.OpText, secret[:400], true)
	c.expectMessage(ws.OpText, secret, false)
	c.expectMessage(ws.OpText, secret, false)
	c.expectMessage(ws.OpText, secret[:399], false)
	c.expectMessage(ws.OpBinary, secret, true)
	c.expectMessage(ws.OpPing, strings.Repeat("p", 120), false)
	c.goodbye()
}

// Row C15, B6: one Prepared for clients that agreed on different windows, and for
// one on nothing. It is compressed once for each size of window that matters.
func TestDeflateBroadcast(t *testing.T) {
	watch(t)
	const each = 3
	var conns []*Conn
	var mu sync.Mutex
	st := start(t, Handler{OnOpen: func(c *Conn, _ *Request) {
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
	}}, Config{Deflate: Deflate{Enabled: true}, Loops: 2})
	var clients []*client
	var compressed []bool
	for _, params := range []string{"", "permessage-deflate", "permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=10"} {
		for range each {
			fields := []string{"Sec-WebSocket-Extensions: " + params}
			clients = append(clients, st.dial().open("/", fields...))
			compressed = append(compressed, params != "")
		}
	}
	eventually(t, "all are open", func() bool { mu.Lock(); defer mu.Unlock(); return len(conns) == len(clients) })
	for i, tt := range []struct{ size, forms int }{{300, 1}, {512, 1}, {1000, 2}, {20_000, 3}} {
		message := quotes(i, tt.size)
		before := st.Stats().Deflated
		p := Prepare(Text, []byte(message))
		var wg sync.WaitGroup
		for _, c := range conns {
			wg.Go(func() { c.SendPrepared(p) })
		}
		wg.Wait()
		for j, c := range clients {
			c.expectMessage(ws.OpText, message, compressed[j])
		}
		if forms := st.Stats().Deflated - before; forms != uint64(tt.forms) {
			t.Errorf("%d bytes were compressed %d times, want %d", tt.size, forms, tt.forms)
		}
	}
	for _, c := range clients {
		c.goodbye()
	}
}

// Row C13: a thousand connections, random sizes, fragments and cuts; every message
// comes back as itself.
func TestDeflateMixUp(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		const conns, each = 1000, 3
		st := start(t, echoing, Config{Inline: inline, PingInterval: -1, Deflate: Deflate{Enabled: true, MinSize: -1}})
		var clients []*client
		for i := range conns {
			c := st.dial()
			if i%4 == 0 {
				c.open("/") // it gets its own bytes, and nobody else's
			} else {
				c.open("/", offer)
			}
			clients = append(clients, c)
		}
		var wg sync.WaitGroup
		for i, c := range clients {
			c.SetDeadline(time.Now().Add(3 * patience)) // they all want the same processors
			wg.Go(func() {
				r := rand.New(rand.NewPCG(7, uint64(i)))
				for j := range each {
					message := quotes(i*1000+j, 20+r.IntN(1<<r.IntN(15)))
					if i%4 == 0 {
						c.Write(text(message))
					} else if r.IntN(2) == 0 {
						c.Write(deflated(ws.OpText, message))
					} else {
						c.Write(bytes.Join(fragments(ws.OpText, squeeze(message), 1+r.IntN(9)), nil))
					}
					if f, _ := c.inflated(); string(f.payload) != message {
						t.Errorf("connection %d, message %d: got %v", i, j, f)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// Row C1: workers that inflate much take turns, as many at a time as there are
// processors. Nobody else waits for them.
func TestDeflateWorkersTakeTurns(t *testing.T) {
	watch(t)
	st := start(t, echoing, Config{Workers: 64, Deflate: Deflate{Enabled: true}})
	for range cap(st.inflating) {
		st.inflating <- struct{}{}
	}
	random := make([]byte, 2*inflateMuch)
	rand.NewChaCha8([32]byte{2}).Read(random)
	var waiting []*client
	for range 40 {
		c := st.dial().open("/", offer)
		c.send(deflated(ws.OpBinary, string(random)))
		waiting = append(waiting, c)
	}
	other := st.dial().open("/", offer)
	for i := range 20 {
		other.send(deflated(ws.OpText, quotes(i, 3000)), text("plain"))
		other.expectMessage(ws.OpText, quotes(i, 3000), true)
		other.expectMessage(ws.OpText, "plain", false)
	}
	if n := st.Stats().Inflated; n != 20 {
		t.Errorf("%d messages were inflated, want 20", n)
	}
	for range cap(st.inflating) {
		<-st.inflating
	}
	for _, c := range waiting {
		c.expectMessage(ws.OpBinary, string(random), false)
		c.goodbye()
	}
	other.goodbye()
}

// Row C1: the memory that a largest message is inflated into serves the next one:
// to make it anew costs ten times what inflating does.
func TestDeflateScratch(t *testing.T) {
	const limit = 1 << 20 // the default of Limits.Message
	bomb := []byte(squeeze(strings.Repeat("\x00", 2*limit)))
	random := make([]byte, limit)
	rand.NewChaCha8([32]byte{1}).Read(random)
	for name, payload := range map[string][]byte{"a bomb": bomb, "what does not compress": []byte(squeeze(string(random)))} {
		var past [deflate.ContextBytes]byte
		if b, _ := deflate.Inflate(past[:0], payload, limit); cap(b) > scratchMax {
			t.Errorf("%s: %d bytes of memory", name, cap(b))
		}
		if b, _ := deflate.Inflate(past[:], payload, limit); cap(b) > scratchMax {
			t.Errorf("%s, after others: %d bytes of memory", name, cap(b))
		}
	}
}

// Config.Deflate.Level has limits.
func TestDeflateLevel(t *testing.T) {
	for _, level := range []int{-1, 10} {
		if _, err := New(Handler{}, Config{Deflate: Deflate{Level: level}}); err == nil || !strings.Contains(err.Error(), "Deflate.Level") {
			t.Errorf("level %d: %v", level, err)
		}
	}
}

// A handler that panics over an inflated message costs its connection alone.
func TestDeflatePanic(t *testing.T) {
	watch(t)
	st := start(t, Handler{OnMessage: func(*Conn, Opcode, []byte) { panic("on purpose") }}, Config{Deflate: Deflate{Enabled: true}})
	c := st.dial().open("/", offer)
	c.send(deflated(ws.OpText, quotes(1, 3000)))
	c.expectClose(StatusInternalError)
}

// Deflate works for connections that came through net/http, too.
func TestDeflateUpgrade(t *testing.T) {
	watch(t)
	st := start(t, echoing, Config{Deflate: Deflate{Enabled: true}})
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { st.Upgrade(w, r) }))
	defer other.Close()
	c := dialAddr(t, other.Listener.Addr(), nil).open("/", offer)
	c.send(deflated(ws.OpText, quotes(1, 3000)))
	c.expectMessage(ws.OpText, quotes(1, 3000), true)
	c.goodbye()
}

// Row C1: a client whose few bytes become many does not keep others waiting until
// all of them were handled.
func TestDeflateTurns(t *testing.T) {
	watch(t)
	const bombs, size = 300, 1 << 16
	var before atomic.Int64 // messages that were handled before the other client's
	var seen atomic.Int64
	st := start(t, Handler{OnMessage: func(c *Conn, _ Opcode, m []byte) {
		seen.Add(1)
		if len(m) < size {
			before.Store(seen.Load() - 1)
			c.Send(Text, m)
		}
	}}, Config{Inline: true, Loops: 1, Deflate: Deflate{Enabled: true}, Limits: Limits{Message: size}})
	first, other := st.dial().open("/", offer), st.dial().open("/", offer)
	release, waiting := make(chan struct{}), make(chan struct{})
	st.Post(0, func() { close(waiting); <-release })
	<-waiting
	first.send(bytes.Repeat(deflated(ws.OpBinary, strings.Repeat("\x00", size)), bombs))
	other.send(text("me too"))
	close(release)
	other.expect(ws.OpText, "me too")
	if n := before.Load(); n > 4*inflateTurn/size {
		t.Errorf("%d of %d messages came first", n, bombs)
	}
	eventually(t, "all were handled", func() bool { return seen.Load() == bombs+1 })
	first.goodbye()
}
