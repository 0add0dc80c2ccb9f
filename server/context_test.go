package server

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// takeover is a client's offer to have contexts taken over, and the window it then keeps.
type takeover struct {
	*client
	window []byte
}

// next reads a message, which may refer to those before.
func (c *takeover) next() string {
	c.t.Helper()
	first, err := c.r.Peek(1)
	if err != nil {
		c.t.Fatal(err)
	}
	if first[0]&rsv1 == 0 {
		return string(c.frame().payload)
	}
	first[0] &^= rsv1
	in := io.MultiReader(bytes.NewReader(c.frame().payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
	message, err := io.ReadAll(flate.NewReaderDict(in, c.window))
	if err != nil {
		c.t.Fatalf("the server's message does not inflate: %v", err)
	}
	c.window = append(c.window, message...)
	c.window = c.window[max(0, len(c.window)-2048):]
	return string(message)
}

// RFC 7692, 7.2.3.2, row C11: with contexts, a message may refer to the one before.
func TestDeflateTakeover(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, echoing, Config{Inline: inline, Deflate: Deflate{Enabled: true, MinSize: -1, ContextTakeover: true}})
		c := &takeover{client: st.dial().open("/", offer)}
		c.send(masked(fin|rsv1|byte(ws.OpText), "\xf2\x48\xcd\xc9\xc9\x07\x00"))
		c.send(masked(fin|rsv1|byte(ws.OpText), "\xf2\x00\x11\x00\x00"))
		for range 2 {
			if got := c.next(); got != "Hello" {
				t.Fatalf("%q", got)
			}
		}
		for i, n := range []int{100, 120, 5000, 3, 140, 100_000, 150} {
			c.send(deflated(ws.OpText, quotes(i, n)))
			if got := c.next(); got != quotes(i, n) {
				t.Fatalf("%d bytes came back as %d", n, len(got))
			}
		}
		c.goodbye()

		alone := st.dial().open("/", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover")
		alone.send(masked(fin|rsv1|byte(ws.OpText), "\xf2\x48\xcd\xc9\xc9\x07\x00"))
		alone.expectMessage(ws.OpText, "Hello", false)
		alone.send(masked(fin|rsv1|byte(ws.OpText), "\xf2\x00\x11\x00\x00"))
		alone.expectClose(StatusInvalidData)
	})
}

// Any goroutine may send: compressing and queueing have one order, also with
// messages that refer to nothing and those that are not compressed.
func TestDeflateTakeoverFromEverywhere(t *testing.T) {
	watch(t)
	opened := make(chan *Conn, 1)
	st := start(t, Handler{OnOpen: func(c *Conn, _ *Request) { opened <- c }},
		Config{Deflate: Deflate{Enabled: true, MinSize: -1, ContextTakeover: true}})
	c := &takeover{client: st.dial().open("/", offer)}
	conn := <-opened
	const senders, each = 8, 200
	for i := range senders {
		go func() {
			for j := range each {
				message := []byte(quotes(i, 60+j))
				switch j % 4 {
				case 0:
					conn.SendPrepared(Prepare(Text, message))
				case 1:
					conn.SendUncompressed(Text, message)
				default:
					conn.Send(Text, message)
				}
			}
		}()
	}
	var next [senders]int
	for range senders * each {
		got, i := c.next(), 0
		if _, err := fmt.Sscanf(got, `{"number":%d,`, &i); err != nil || got != quotes(i, 60+next[i]) {
			t.Fatalf("got %q, want number %d of sender %d", got, next[i], i)
		}
		next[i]++
	}
	c.goodbye()
}

// What is dropped from the queue could not be referred to.
func TestDeflateTakeoverAndDropOldest(t *testing.T) {
	_, err := New(Handler{}, Config{SlowConsumer: DropOldest, Deflate: Deflate{Enabled: true, ContextTakeover: true}})
	if err == nil || !strings.Contains(err.Error(), "DropOldest") {
		t.Errorf("%v", err)
	}
}

// A message that was refused for want of room is not referred to.
func TestDeflateTakeoverAndDropNewest(t *testing.T) {
	watch(t)
	opened := make(chan *Conn, 1)
	st := start(t, Handler{OnOpen: func(c *Conn, _ *Request) { opened <- c }}, Config{
		SlowConsumer: DropNewest, Limits: Limits{Outbound: 16 << 10},
		Deflate: Deflate{Enabled: true, MinSize: -1, ContextTakeover: true},
	})
	c := &takeover{client: dialAddr(t, st.addr, narrow).open("/", offer)}
	conn := <-opened
	var taken []string
	for i, refused := 0, 0; refused < 100; i++ {
		message := quotes(i, 900)
		if conn.Send(Text, []byte(message)) == nil {
			taken = append(taken, message)
		} else {
			refused++
		}
	}
	for i, want := range taken {
		if got := c.next(); got != want {
			t.Fatalf("message %d of %d: %q", i, len(taken), got)
		}
	}
	for i := range 20 { // whatever was refused is not in the window
		if err := conn.Send(Text, []byte(quotes(i, 100))); err != nil {
			t.Fatal(err)
		}
		if got := c.next(); got != quotes(i, 100) {
			t.Fatalf("%q", got)
		}
	}
	c.goodbye()
}
