package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/roost-ws/roost/server/internal/handshake"
	"github.com/roost-ws/roost/server/internal/wire"
)

// streams is a Config of which GET /stream... begins a stream, /no is refused and
// the rest is HTTP's.
func streams(cfg Config) Config {
	cfg.OnStream = func(r *Request) (*Stream, *Refusal) {
		switch path := r.Path(); {
		case strings.HasPrefix(path, "/stream"):
			r.SetValue("value of " + path)
			return &Stream{ContentType: "text/event-stream", Header: http.Header{"X-Own": {r.Header("X-Client")}, "Content-Length": {"5"}}}, nil
		case path == "/no":
			return nil, &Refusal{Status: 403, Reason: "Not here."}
		case path == "/panic":
			panic("of OnStream")
		}
		return nil, nil
	}
	if cfg.HTTP == nil {
		cfg.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "http "+r.Method) })
	}
	return cfg
}

// get sends a request without more to it.
func (c *client) get(target string) {
	c.t.Helper()
	c.send([]byte("GET " + target + " HTTP/1.1\r\nHost: roost.test\r\nX-Client: mine\r\n\r\n"))
}

// stream begins a stream and returns its body.
func (c *client) stream(target string) io.Reader {
	c.t.Helper()
	c.get(target)
	res := c.response()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("X-Own") != "mine" ||
		res.ContentLength != -1 || !res.Close {
		c.t.Fatalf("the stream begins with %s %v", res.Status, res.Header)
	}
	return res.Body
}

// expectData reads as much of a stream as there is in want.
func (c *client) expectData(body io.Reader, want string) {
	c.t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(body, b); err != nil || string(b) != want {
		c.t.Fatalf("got %q, %v, want %q", b, err, want)
	}
}

// A stream is a connection like others: what was sent arrives as it is, Close
// ends the body properly, and the application is told what it is told of others.
func TestStream(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnOpen: func(c *Conn, r *Request) {
			c.Send(Text, []byte(fmt.Sprint(c.Streaming(), " ", c.Value(), " ", r.Path(), "\n")))
		}}, streams(Config{Inline: inline}))
		c := st.dial()
		body := c.stream("/stream/a")
		c.expectData(body, "true value of /stream/a /stream/a\n")
		conn := st.nth(0).conn
		if n := st.Stats(); n.Streams != 1 || n.Open != 1 {
			t.Errorf("stats %+v", n)
		}
		big := PrepareChunk([]byte(strings.Repeat("b", 70_000)))
		if err := errors.Join(conn.Send(Binary, []byte("\x81\x00\r\n")), conn.Send(Text, nil), conn.SendPrepared(PrepareChunk(nil)), conn.SendPrepared(big)); err != nil {
			t.Fatal(err)
		}
		c.expectData(body, "\x81\x00\r\n"+strings.Repeat("b", 70_000))
		if conn.SendPrepared(Prepare(Text, []byte("m"))) != ErrStream || conn.Ping(nil) != ErrStream {
			t.Error("a stream takes frames")
		}
		conn.Send(Text, []byte("last"))
		conn.Close(4001, "enough")
		c.expectData(body, "last")
		if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
			t.Errorf("behind the last chunk: %q, %v", rest, err)
		}
		c.eof()
		st.told(0, "open /stream/a, close 4001 enough")
		if conn.Send(Text, []byte("x")) != ErrClosed {
			t.Error("a closed stream takes more")
		}
		c.Close()
		st.quiet()
		if n := st.Stats(); n.Streams+int64(n.CloseTimeouts) != 0 { // nobody was waited for
			t.Errorf("after its end: %+v", n)
		}

		ordinary := st.open()
		ordinary.expect(ws.OpText, "false <nil> /\n")
		if conn := st.nth(1).conn; conn.SendPrepared(big) != ErrStream {
			t.Error("a WebSocket connection takes chunks")
		}
	})
}

// A stream ends with its client's, and with anything else that the client says.
func TestStreamEndsWithItsClient(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{OnOpen: func(c *Conn, _ *Request) { c.Send(Text, []byte("hello")) }}, streams(Config{Inline: inline}))
		cut := "close 1006"
		if overTLS() { // says goodbye before the reset
			cut = "close 1001 the client has left (remote)"
		}
		for i, end := range []struct {
			do   func(c *client)
			want string
		}{
			{func(c *client) { c.fin() }, "close 1001 the client has left (remote)"},
			{func(c *client) { c.Close() }, "close 1001 the client has left (remote)"},
			{func(c *client) { c.reset() }, cut},
			{func(c *client) { c.send([]byte("x")) }, "close 1002 bytes behind the request for a stream"},
			{func(c *client) { c.get("/stream") }, "close 1002 bytes behind the request for a stream"},
		} {
			c := st.dial()
			body := c.stream("/stream")
			c.expectData(body, "hello")
			end.do(c)
			st.told(i, "open /stream, "+end.want)
		}
		// Both in one segment: the body is whole all the same.
		c := st.dial()
		head := "GET /stream HTTP/1.1\r\nHost: roost.test\r\n\r\n"
		c.send([]byte(head + head))
		if text := body(c.response()); text != "hello" {
			t.Errorf("the body is %q", text)
		}
		c.eof()
	})
}

// Requests that begin no stream are answered as ever.
func TestNoStream(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, streams(Config{Inline: inline}))
		for request, want := range map[string]string{
			"GET / HTTP/1.1":                               "200 http GET",
			"POST /stream HTTP/1.1":                        "200 http POST",
			"HEAD /stream HTTP/1.1":                        "200 ",
			"GET /stream HTTP/1.0":                         "200 http GET",
			"GET /stream HTTP/1.1\r\nContent-Length: 1":    "200 http GET",
			"GET /no HTTP/1.1":                             "403 Not here.",
			"GET /panic HTTP/1.1":                          "500 " + refuseInternal.Reason,
			"GET /no HTTP/1.1\r\nTransfer-Encoding: chunk": "400 The length of the request's body is not clear.",
		} {
			c := st.dial()
			c.send([]byte(request + "\r\nHost: roost.test\r\nConnection: close\r\n\r\nx"))
			method, _, _ := strings.Cut(request, " ")
			res, err := http.ReadResponse(c.r, &http.Request{Method: method})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d %s", res.StatusCode, body(res)); got != want {
				t.Errorf("%q gets %q, want %q", request, got, want)
			}
			c.Close()
		}
		c := st.dial().open("/stream") // an upgrade is an upgrade
		c.goodbye()
		if n := st.Stats(); n.Panics != 1 || n.Refusals["application"] != 1 {
			t.Errorf("stats %+v", n)
		}
	})
}

// A keep-alive connection that net/http has may become a stream, through
// Upgrade; a request that still is none does not go round in circles.
func TestStreamOverHTTP(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		var st *site
		cfg := streams(Config{Inline: inline})
		cfg.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/first" {
				st.Upgrade(w, r)
			}
		})
		st = start(t, Handler{OnOpen: func(c *Conn, _ *Request) { c.Send(Text, []byte("hello")) }}, cfg)
		c := st.dial()
		c.get("/first")
		if res := c.response(); res.StatusCode != 200 || body(res) != "" {
			t.Fatalf("the first request gets %v", res)
		}
		data := c.stream("/stream")
		c.expectData(data, "hello")
		c.fin()
		st.told(0, "open /stream, close 1001 the client has left (remote)")

		c = st.dial()
		c.get("/neither")
		if res := c.response(); res.StatusCode != 400 {
			t.Errorf("what is no stream gets %v", res.Status)
		}
	})
}

// What a slow client is sent is bounded by the same policies: whole chunks are
// dropped, or the stream ends.
func TestSlowStream(t *testing.T) {
	watch(t)
	for _, policy := range []Policy{CloseSlow, DropNewest, DropOldest} {
		st := start(t, Handler{}, streams(Config{SlowConsumer: policy,
			Limits: Limits{Outbound: 100 << 10}, Timeouts: Timeouts{Stall: patience}}))
		c := dialAddr(t, st.addr, narrow)
		body := c.stream("/stream")
		conn := st.nth(0).conn
		const sends = 400
		for i := range sends {
			if i%2 == 0 {
				conn.Send(Text, []byte(numbered(i, 4000)))
			} else {
				conn.SendPrepared(PrepareChunk([]byte(numbered(i, 4000))))
			}
			if n := conn.Waiting(); n > 110<<10 {
				t.Fatalf("policy %d: %d bytes wait", policy, n)
			}
		}
		if policy != CloseSlow {
			conn.Close(StatusNormal, "")
		}
		all, err := io.ReadAll(body)
		if err != nil || len(all)%4000 != 0 || len(all) == sends*4000 {
			t.Errorf("policy %d: the body has %d bytes, %v", policy, len(all), err)
		}
		for i, last := 0, -1; i < len(all); i += 4000 {
			var n int
			fmt.Sscanf(string(all[i:]), "%08d", &n)
			if string(all[i:i+4000]) != numbered(n, 4000) || n <= last {
				t.Fatalf("policy %d: chunk %d after %d: %.30q", policy, n, last, all[i:])
			}
			last = n
		}
		want := map[Policy]StatusCode{CloseSlow: StatusTryAgainLater, DropNewest: StatusNormal, DropOldest: StatusNormal}[policy]
		if end := st.ended(0); end.Code != want {
			t.Errorf("policy %d: OnClose was told %v", policy, end)
		}
		last := strings.Contains(string(all), numbered(sends-1, 0))
		if last != (policy == DropOldest) {
			t.Errorf("policy %d: the last chunk came: %v", policy, last)
		}
	}
}

// A client that takes nothing for too long is cut, however little it was sent.
func TestStalledStream(t *testing.T) {
	watch(t)
	st := start(t, Handler{}, streams(Config{Limits: Limits{Outbound: 1 << 30}, Timeouts: Timeouts{Stall: 300 * time.Millisecond}}))
	c := dialAddr(t, st.addr, narrow)
	c.stream("/stream")
	conn := st.nth(0).conn
	conn.Send(Binary, make([]byte, 2*narrowMax))
	if end := st.ended(0); end.Code != StatusTryAgainLater {
		t.Errorf("OnClose was told %v", end)
	}
}

// A quiet stream is sent pings, and silence of its client ends nothing.
func TestStreamPing(t *testing.T) {
	watch(t)
	st := start(t, Handler{}, streams(Config{
		PingInterval: 100 * time.Millisecond, PongTimeout: 100 * time.Millisecond, IdleTimeout: 200 * time.Millisecond,
		StreamPingInterval: 200 * time.Millisecond,
	}))
	c := st.dial()
	body := c.stream("/stream")
	for range 4 {
		c.expectData(body, ":\n\n")
	}
	if n := st.Stats(); n.Pings < 4 || n.IdleTimeouts+n.PongTimeouts != 0 {
		t.Errorf("stats %+v", n)
	}
	off := start(t, Handler{}, streams(Config{StreamPingInterval: -1, IdleTimeout: 200 * time.Millisecond}))
	c = off.dial()
	body = c.stream("/stream")
	time.Sleep(400 * time.Millisecond)
	off.nth(0).conn.Send(Text, []byte("still here"))
	c.expectData(body, "still here")
}

// Shutdown ends streams like everything else, and Close does at once.
func TestShutdownOfStreams(t *testing.T) {
	modes(t, func(t *testing.T, inline bool) {
		st := start(t, Handler{}, streams(Config{Inline: inline, Timeouts: Timeouts{Drain: 10 * time.Millisecond}}))
		c := st.dial()
		data := c.stream("/stream")
		st.nth(0)
		done := make(chan error)
		go func() { done <- st.Shutdown(context.Background()) }()
		if b, err := io.ReadAll(data); err != nil || len(b) > 0 {
			t.Errorf("the body ends with %q, %v", b, err)
		}
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		st.told(0, "open /stream, close 1001 server is shutting down")

		st = start(t, Handler{}, streams(Config{Inline: inline}))
		c = st.dial()
		data = c.stream("/stream")
		st.nth(0)
		st.Close()
		if b, err := io.ReadAll(data); err != nil || len(b) > 0 {
			t.Errorf("the body ends with %q, %v", b, err)
		}
		st.told(0, "open /stream, close 1001 server closed")
	})
}

// What stands in an outbound queue is taken apart where its units end.
func TestUnits(t *testing.T) {
	chunk := PrepareChunk([]byte("\r\n\r\n")).frame
	for _, units := range [][][]byte{
		{handshake.AppendStreamHead(nil, "text/event-stream", nil), chunk, PrepareChunk(make([]byte, 300)).frame, wire.LastChunk},
		{[]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Prepare(Text, make([]byte, 300)).frame, wire.AppendClose(nil, 1000, "")},
		{refuseHTTP.Append(nil)},
	} {
		queue := bytes.Join(units, nil)
		for i, u := range units {
			n, keep := unit(queue)
			if n != len(u) || keep != (i == 0 || i == len(units)-1) {
				t.Fatalf("%.20q: unit %d has %d bytes, kept: %v", queue, i, n, keep)
			}
			queue = queue[n:]
		}
	}
}
