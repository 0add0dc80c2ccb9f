package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/roost-ws/roost/server/push"
)

// draining starts a server that takes its time to drain, has prepare make it
// busy, and sends it SIGTERM. It returns once the drain has begun.
func draining(t *testing.T, window string, prepare func(p *program)) *program {
	t.Helper()
	env := []string{"ROOST_APP_ID=" + appID, "ROOST_APP_KEY=" + appKey, "ROOST_APP_SECRET=" + appSecret}
	p := launch(t, env, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--drain", window)
	up := p.log.await(t, "start-up line", func(r record) bool { return r["msg"] == "listening" })
	p.addr = fmt.Sprint(up["addr"])
	prepare(p)
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.log.await(t, "drain", func(r record) bool { return r["msg"] == "draining" })
	return p
}

// A drain closes clients one after the other, so that not all of them connect
// to the next server in the same moment.
func TestDrainIsSpread(t *testing.T) {
	t.Parallel() // it takes the time that it should
	var clients []*pushClient
	closed := newFeed[int]()
	p := draining(t, "6s", func(p *program) {
		for range 20 {
			c := dialApp(t, p, appKey)
			c.hears()
			clients = append(clients, c)
		}
	})
	for i, c := range clients {
		go func() {
			for {
				_, message, err := c.conn.ReadMessage()
				if err == nil && bytes.Contains(message, []byte("pusher:pong")) {
					closed.put(-1)
				}
				if err != nil {
					if !gorilla.IsCloseError(err, closeReconnect) {
						t.Errorf("a client saw %v, want Close %d", err, closeReconnect)
					}
					c.conn.Close()
					closed.put(i)
					return
				}
			}
		}()
	}
	closed.await(t, "the first close", func(client int) bool { return client >= 0 })
	for _, c := range clients {
		c.conn.WriteMessage(gorilla.TextMessage, []byte(`{"event":"pusher:ping","data":{}}`))
	}
	closed.await(t, "pong of a client that is not closed yet", func(client int) bool { return client < 0 })
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
	for range clients { // every reader has reported
		closed.await(t, "all closes", func(int) bool {
			n := 0
			for _, client := range closed.all() {
				if client >= 0 {
					n++
				}
			}
			return n == len(clients)
		})
	}
}

// Row S6: what a call was told is accepted reaches every subscriber before its
// connection closes, though the server was told to end in the next moment.
func TestDrainDeliversWhatWasAccepted(t *testing.T) {
	t.Parallel()
	var clients []*pushClient
	p := draining(t, "1s", func(p *program) {
		for range 20 {
			c := dialApp(t, p, appKey)
			c.hears()
			c.says(`{"event":"pusher:subscribe","data":{"channel":"news"}}`)
			clients = append(clients, c)
		}
		if err := newSDK(p).Trigger("news", "last", "words"); err != nil {
			t.Fatal(err)
		}
	})
	for i, c := range clients {
		heard := 0
		_, message, err := c.conn.ReadMessage()
		for ; err == nil; _, message, err = c.conn.ReadMessage() {
			heard += bytes.Count(message, []byte(`"event":"last"`))
		}
		if heard != 1 || !gorilla.IsCloseError(err, closeReconnect) {
			t.Errorf("client %d heard the event %d times, then %v", i, heard, err)
		}
		c.conn.Close()
	}
	p.endsWell(t, len(clients))
}

// A call of the API that was under way when the signal came is answered.
func TestDrainFinishesCalls(t *testing.T) {
	t.Parallel()
	app := push.App{ID: appID, Key: appKey, Secret: appSecret}
	body := []byte(`{"name":"e","channels":["c"],"data":"x"}`)
	path := "/apps/" + appID + "/events"
	query := signedQuery(app, http.MethodPost, path, nil, body, time.Now())
	var conn net.Conn
	p := draining(t, "1s", func(p *program) {
		var err error
		if conn, err = net.Dial("tcp", p.addr); err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "POST %s?%s HTTP/1.1\r\nHost: roost\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", path, query, len(body))
		// The server asks for the body, so the call is being served.
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
	})
	defer conn.Close()
	if _, err := conn.Write(body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("a call under way was cut by the drain: %v", err)
	}
	defer resp.Body.Close()
	if reply, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || string(reply) != "{}" {
		t.Errorf("a call under way got %d %s", resp.StatusCode, reply)
	}
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
}

// endsWell waits for the end of a drain and looks at what is left of a process then
// (rows U2, U3, U5): its exit code, a short log whose last line has the numbers,
// no word beside it, and nobody at its address.
func (p *program) endsWell(t *testing.T, clients int) {
	t.Helper()
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d, want 0", code)
	}
	lines := p.log.all()
	if last := lines[len(lines)-1]; last["msg"] != "drained" || last["connections"] != float64(clients) || last["took"] == nil {
		t.Errorf("the last line is %v, want the drain of %d connections", last, clients)
	}
	if noise := p.noise.all(); len(lines) > 10 || len(noise) > 0 {
		t.Errorf("%d lines of log, and beside it %q", len(lines), noise)
	}
	if c, err := net.Dial("tcp", p.addr); err == nil {
		c.Close()
		t.Error("somebody listens where the server was")
	}
}
