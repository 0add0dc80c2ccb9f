package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// deflateModes runs a test against an echo server of each mode that compresses
// everything, and asks afterwards whether it did: in both directions.
func deflateModes(t *testing.T, test func(t *testing.T, p *program)) {
	for mode, args := range map[string][]string{"default": nil, "inline": {"--inline"}, "context": {"--deflate-context"}} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := startEcho(t, append([]string{"--deflate", "--deflate-min-size", "1B", "--admin", "127.0.0.1:0"}, args...)...)
			test(t, p)
			_, body := get(t, "http://"+p.admin+"/metrics")
			for _, name := range []string{"inflated", "deflated"} {
				if n := figure(t, body, "roost_messages_"+name+"_total"); n < 5 {
					t.Errorf("%d messages were %s", n, name)
				}
			}
		})
	}
}

// figure finds a counter in what /metrics says.
func figure(t *testing.T, metrics, name string) int {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + `(?:\{.*\})? (\S+)$`).FindStringSubmatch(metrics)
	if found == nil {
		t.Fatalf("there is no %s", name)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// wares are messages that compress well, badly and not at all.
func wares() (all [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 16, 125, 126, 1000, 4096, 65535, 65536, 1 << 18} {
		b := make([]byte, 0, size+40)
		for i := 0; len(b) < size; i++ {
			b = fmt.Appendf(b, `{"id":%d,"name":"user %d"},`, r.IntN(1000), i%17)
		}
		all = append(all, b[:size])
	}
	random := make([]byte, 5000)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	return append(all, random, make([]byte, 1<<20))
}

// Chromium's own permessage-deflate.
func TestDeflateChromium(t *testing.T) {
	b := chromium(t)
	deflateModes(t, func(t *testing.T, p *program) {
		page := b.open(t, elsewhere(t))
		var got struct {
			Extensions string
			Wrong      []int
			Code       int
		}
		page.eval(t, `new Promise((resolve, reject) => {
			const texts = [];
			for (const n of [1, 16, 128, 1000, 5000, 70000, 131072]) texts.push('grüße 👋 ab'.repeat(n).slice(0, n).toWellFormed());
			const got = {wrong: []};
			let at = 0;
			const ws = new WebSocket('ws://`+p.addr+`/');
			ws.onopen = () => { got.extensions = ws.extensions; for (const text of texts) ws.send(text); };
			ws.onmessage = ({data}) => {
				if (data !== texts[at]) got.wrong.push(at);
				if (++at === texts.length) ws.close(3001);
			};
			ws.onerror = () => reject(new Error('onerror'));
			ws.onclose = (e) => resolve({...got, code: e.code});
		})`, &got)
		if !strings.HasPrefix(got.Extensions, "permessage-deflate") || len(got.Wrong) > 0 || got.Code != 3001 {
			t.Errorf("%+v", got)
		}
		page.quiet(t)
	})
}

// The package ws of Node, and zlib by itself: see testdata/clients/deflate.js.
func TestDeflateNodeWS(t *testing.T) {
	t.Parallel()
	deflateModes(t, func(t *testing.T, p *program) {
		n := startNode(t, nil, "deflate.js", "ws://"+p.addr, t.Name())
		defer n.close()
		select {
		case <-n.done:
		case <-time.After(6 * patience):
			n.cmd.Process.Kill()
			<-n.done
			t.Error("deflate.js did not end")
		}
		const steps = 1 + 2*7 + 4 + 1
		if got := len(n.said.all()); !n.cmd.ProcessState.Success() || got != steps {
			t.Errorf("deflate.js: %v after %d of %d steps: %s", n.cmd.ProcessState, got, steps, n.said.all())
		}
	})
}

func TestDeflateGorilla(t *testing.T) {
	t.Parallel()
	deflateModes(t, func(t *testing.T, p *program) {
		d := gorilla.Dialer{EnableCompression: true}
		c, resp, err := d.Dial("ws://"+p.addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		expectDeflate(t, resp)
		c.SetReadDeadline(time.Now().Add(patience))
		for _, sent := range wares() {
			if err := c.WriteMessage(gorilla.BinaryMessage, sent); err != nil {
				t.Fatal(err)
			}
			_, got, err := c.ReadMessage()
			if err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes came back as %d: %v", len(sent), len(got), err)
			}
		}
	})
}

func expectDeflate(t *testing.T, resp *http.Response) {
	t.Helper()
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
		t.Fatalf("extensions: %q", got)
	}
}

// coder's client offers to take contexts over, or not to.
func TestDeflateCoder(t *testing.T) {
	t.Parallel()
	deflateModes(t, func(t *testing.T, p *program) {
		for _, mode := range []websocket.CompressionMode{websocket.CompressionContextTakeover, websocket.CompressionNoContextTakeover} {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			c, resp, err := websocket.Dial(ctx, "ws://"+p.addr+"/", &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			expectDeflate(t, resp)
			c.SetReadLimit(-1)
			for _, sent := range wares() {
				w, err := c.Writer(ctx, websocket.MessageBinary)
				if err != nil {
					t.Fatal(err)
				}
				for _, part := range [][]byte{sent[:len(sent)/3], sent[len(sent)/3:]} { // each Write is a fragment, or more
					w.Write(part)
				}
				w.Close()
				_, got, err := c.Read(ctx)
				if err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("mode %v: %d bytes came back as %d: %v", mode, len(sent), len(got), err)
				}
			}
		}
	})
}

// gws's client offers windows of its own.
func TestDeflateGWS(t *testing.T) {
	t.Parallel()
	deflateModes(t, func(t *testing.T, p *program) {
		for _, offer := range []gws.PermessageDeflate{
			{Enabled: true, Threshold: 1},
			{Enabled: true, Threshold: 1, ServerMaxWindowBits: 10, ClientMaxWindowBits: 9},
			{Enabled: true, Threshold: 1, ServerContextTakeover: true, ClientContextTakeover: true, ServerMaxWindowBits: 12},
		} {
			in := &gwsClient{got: make(chan []byte, 1)}
			c, resp, err := gws.NewClient(in, &gws.ClientOption{Addr: "ws://" + p.addr + "/", PermessageDeflate: offer})
			if err != nil {
				t.Fatal(err)
			}
			expectDeflate(t, resp)
			go c.ReadLoop()
			for _, sent := range wares() {
				if err := c.WriteMessage(gws.OpcodeBinary, sent); err != nil {
					t.Fatal(err)
				}
				select {
				case got := <-in.got:
					if !bytes.Equal(got, sent) {
						t.Fatalf("%+v: %d bytes came back as %d", offer, len(sent), len(got))
					}
				case <-time.After(patience):
					t.Fatalf("%+v: %d bytes did not come back", offer, len(sent))
				}
			}
			c.NetConn().Close()
		}
	})
}

type gwsClient struct {
	gws.BuiltinEventHandler
	got chan []byte
}

func (h *gwsClient) OnMessage(_ *gws.Conn, m *gws.Message) {
	h.got <- bytes.Clone(m.Bytes())
	m.Close()
}

// Off by default, and with its flags checked.
func TestDeflateFlags(t *testing.T) {
	p := startEcho(t)
	c, resp, err := (&gorilla.Dialer{EnableCompression: true}).Dial("ws://"+p.addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("without --deflate: %v", resp.Header)
	}
	out, err := exec.Command(binary, "echo", "--listen", "127.0.0.1:0", "--deflate", "--deflate-level", "10").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitUsage || !strings.Contains(string(out), "--deflate-level is 10") {
		t.Errorf("level 10: %v, %s", err, out)
	}
}
