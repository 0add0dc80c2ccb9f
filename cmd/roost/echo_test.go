package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// modes are the two ways handlers run; every client must be served alike.
var modes = map[string][]string{
	"default": nil,
	"inline":  {"--inline"},
}

// inModes runs a test against an echo server of each mode.
func inModes(t *testing.T, test func(t *testing.T, p *program)) {
	for mode, args := range modes {
		t.Run(mode, func(t *testing.T) { test(t, startEcho(t, append([]string{"--admin", "127.0.0.1:0"}, args...)...)) })
	}
}

// elsewhere is a page of another origin than roost's.
func elsewhere(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!doctype html><meta charset=utf-8><title>elsewhere</title>")
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A browser's own WebSocket: onopen, onmessage with text and binary, onclose
// with the code and reason that the page gave.
func TestEchoChromium(t *testing.T) {
	b := chromium(t)
	inModes(t, func(t *testing.T, p *program) {
		page := b.open(t, elsewhere(t))
		var got struct {
			Opened            string
			Texts             []string
			Binary            []int
			Large             int
			Code              int
			Clean             bool
			Extensions, Proto string
		}
		page.eval(t, `new Promise((resolve, reject) => {
			const got = {texts: [], opened: ''};
			const ws = new WebSocket('ws://`+p.addr+`/any/path?q=1');
			ws.binaryType = 'arraybuffer';
			ws.onopen = () => {
				got.opened = ws.readyState === WebSocket.OPEN ? 'open' : 'not open';
				got.extensions = ws.extensions;
				got.proto = ws.protocol;
				for (const text of ['', 'hello', 'grüße 👋', 'x'.repeat(70000)]) ws.send(text);
				ws.send(new Uint8Array([0, 255, 1, 254]));
				ws.send(new Uint8Array(1 << 20));
			};
			ws.onmessage = ({data}) => {
				if (typeof data === 'string') got.texts.push(data);
				else if (data.byteLength === 4) got.binary = [...new Uint8Array(data)];
				else { got.large = data.byteLength; ws.close(3001, 'enough'); }
			};
			ws.onerror = () => reject(new Error('onerror'));
			ws.onclose = (e) => resolve({...got, code: e.code, clean: e.wasClean});
		})`, &got)
		if got.Opened != "open" || got.Extensions != "" || got.Proto != "" {
			t.Errorf("onopen: state %q, extensions %q, protocol %q", got.Opened, got.Extensions, got.Proto)
		}
		if want := []string{"", "hello", "grüße 👋", strings.Repeat("x", 70000)}; !reflect.DeepEqual(got.Texts, want) {
			t.Errorf("texts came back as %.80q", got.Texts)
		}
		if !reflect.DeepEqual(got.Binary, []int{0, 255, 1, 254}) || got.Large != 1<<20 {
			t.Errorf("binary came back as %v and %d bytes", got.Binary, got.Large)
		}
		if got.Code != 3001 || !got.Clean {
			t.Errorf("onclose: code %d, clean %v; want 3001, true", got.Code, got.Clean)
		}
		page.quiet(t)
	})
}

// What a page sees when the server ends the connection: a limit, a drain, nobody there.
func TestEchoChromiumCloseCodes(t *testing.T) {
	b := chromium(t)
	page := b.open(t, elsewhere(t))
	p := startEcho(t, "--max-message", "1KiB")

	// closeOf opens a socket, sends what it is told and returns how it ended.
	page.eval(t, `void (window.closeOf = (url, data) => new Promise((resolve) => {
		const ws = new WebSocket(url);
		let errors = 0;
		ws.onerror = () => errors++;
		ws.onopen = () => { window.opened = true; if (data !== undefined) ws.send(data); };
		ws.onclose = ({code, wasClean}) => resolve({code, wasClean, errors});
	}))`, nil)
	type ended struct {
		Code     int
		WasClean bool
		Errors   int
	}
	var got ended
	page.eval(t, `closeOf('ws://`+p.addr+`/', 'x'.repeat(1025))`, &got)
	if got.Code != 1009 || !got.WasClean {
		t.Errorf("a message over the limit ended with %+v, want 1009, clean", got)
	}

	page.eval(t, `void (window.opened = false, window.drained = closeOf('ws://`+p.addr+`/'))`, nil)
	page.wait(t, `window.opened`)
	p.cmd.Process.Signal(syscall.SIGTERM)
	page.eval(t, `window.drained`, &got)
	if got.Code != 1001 || !got.WasClean || got.Errors != 0 {
		t.Errorf("a drain ended with %+v, want 1001, clean, no error", got)
	}

	p.wait()
	page.eval(t, `closeOf('ws://`+p.addr+`/')`, &got)
	if got.Code != 1006 || got.WasClean || got.Errors != 1 {
		t.Errorf("nobody listening ended with %+v, want 1006, not clean, one error", got)
	}
}

// The package ws of Node, step by step: see testdata/clients/ws.js.
func TestEchoNodeWS(t *testing.T) {
	inModes(t, func(t *testing.T, p *program) {
		n := startNode(t, nil, "ws.js", "ws://"+p.addr)
		defer n.close()
		select {
		case <-n.done:
		case <-time.After(patience):
			n.cmd.Process.Kill()
			<-n.done
			t.Error("ws.js did not end")
		}
		if steps := len(n.said.all()); !n.cmd.ProcessState.Success() || steps != 6 {
			t.Errorf("ws.js: %v after %d of 6 steps: %s", n.cmd.ProcessState, steps, n.said.all())
		}
	})
}

// sizes sit on both sides of every form of the length field (RFC 6455, 5.2).
var sizes = []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20}

// gorilla's client: every length, both opcodes, ping, close handshake.
func TestEchoGorilla(t *testing.T) {
	inModes(t, func(t *testing.T, p *program) {
		c, _, err := gorilla.DefaultDialer.Dial("ws://"+p.addr+"/", http.Header{"Origin": {"https://elsewhere.example"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience))
		for _, opcode := range []int{gorilla.TextMessage, gorilla.BinaryMessage} {
			for _, size := range sizes {
				sent := bytes.Repeat([]byte{'x'}, size)
				if err := c.WriteMessage(opcode, sent); err != nil {
					t.Fatal(err)
				}
				gotOpcode, got, err := c.ReadMessage()
				if err != nil || gotOpcode != opcode || !bytes.Equal(got, sent) {
					t.Fatalf("%d bytes with opcode %d came back as %d bytes with opcode %d: %v", size, opcode, len(got), gotOpcode, err)
				}
			}
		}
		var pong string
		c.SetPongHandler(func(data string) error { pong = data; return nil })
		c.WriteMessage(gorilla.PingMessage, []byte("are you there"))
		c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(4000, "bye"))
		_, _, err = c.ReadMessage()
		if !gorilla.IsCloseError(err, 4000) || pong != "are you there" {
			t.Errorf("got %v and pong %q; want Close 4000 after the pong", err, pong)
		}
	})
}

// coder's client: a message in fragments, ping, close handshake.
func TestEchoCoder(t *testing.T) {
	inModes(t, func(t *testing.T, p *program) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, _, err := websocket.Dial(ctx, "ws://"+p.addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for _, size := range sizes {
			w, err := c.Writer(ctx, websocket.MessageBinary)
			if err != nil {
				t.Fatal(err)
			}
			sent := bytes.Repeat([]byte{0xfe}, size)
			for _, part := range [][]byte{sent[:size/2], sent[size/2:]} { // each Write is a fragment
				w.Write(part)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			kind, got, err := c.Read(ctx)
			if err != nil || kind != websocket.MessageBinary || !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes came back as %d of kind %v: %v", size, len(got), kind, err)
			}
		}
		pinged := make(chan error, 1)
		reader := c.CloseRead(ctx)
		go func() { pinged <- c.Ping(ctx) }()
		if err := <-pinged; err != nil {
			t.Errorf("ping: %v", err)
		}
		c.Close(websocket.StatusNormalClosure, "done")
		<-reader.Done()
	})
}

// A request that is no upgrade gets an HTTP error that says what is missing.
func TestEchoPlainHTTP(t *testing.T) {
	p := startEcho(t)
	status, body := get(t, "http://"+p.addr+"/")
	if status != http.StatusBadRequest || !strings.Contains(body, "Upgrade") {
		t.Errorf("GET without an upgrade: %d %q, want 400 and the missing field's name", status, body)
	}
}

// Limits given on the command line hold: one fragment too many ends with 1008.
func TestEchoFragments(t *testing.T) {
	p := startEcho(t, "--max-fragments", "3")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for parts, want := range map[int]websocket.StatusCode{3: -1, 4: websocket.StatusPolicyViolation} {
		c, _, err := websocket.Dial(ctx, "ws://"+p.addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.Writer(ctx, websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		for range parts - 1 { // and one more from Close
			w.Write([]byte("x"))
		}
		w.Close()
		_, _, err = c.Read(ctx)
		if got := websocket.CloseStatus(err); got != want {
			t.Errorf("%d fragments: close code %v (%v), want %v", parts, got, err, want)
		}
		c.CloseNow()
	}
}

// --ping-interval: a connection that says nothing is pinged, and lives while it answers.
func TestEchoPings(t *testing.T) {
	p := startEcho(t, "--ping-interval", "100ms")
	c, _, err := gorilla.DefaultDialer.Dial("ws://"+p.addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	pings, pong := 0, c.PingHandler()
	c.SetPingHandler(func(data string) error {
		if pings++; pings == 3 {
			c.WriteMessage(gorilla.TextMessage, []byte("three"))
		}
		return pong(data)
	})
	if _, got, err := c.ReadMessage(); string(got) != "three" {
		t.Errorf("after %d pings: %q, %v", pings, got, err)
	}
}

// --idle-timeout: a connection that says nothing is closed, with a reason.
func TestEchoIdle(t *testing.T) {
	p := startEcho(t, "--ping-interval", "off", "--idle-timeout", "200ms")
	c, _, err := gorilla.DefaultDialer.Dial("ws://"+p.addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, _, err := c.ReadMessage(); !gorilla.IsCloseError(err, gorilla.CloseGoingAway) {
		t.Errorf("an idle connection ended with %v, want Close 1001", err)
	}
}

// `roost version` and the toolchain agree with what the binary says of itself.
func TestVersion(t *testing.T) {
	out, err := exec.Command(binary, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "roost ") || !strings.Contains(string(out), " go1.") {
		t.Errorf("roost version said %q, %v", out, err)
	}
}
